"""The commands behind `make`. Those that make the machine ready use the standard library only."""
