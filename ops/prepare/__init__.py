"""Makes sure of everything that `make up` needs: `python3 -m ops.prepare`.

One step a module, in the order of `__main__`. A step takes what is there; else the normal way of
the vendor or the distribution; else the restricted way (offline/README.md). What it chose, and
why, goes to .state/prepared.json.
"""
