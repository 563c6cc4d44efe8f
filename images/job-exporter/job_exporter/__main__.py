"""Follow Slurm's accounting and queue and serve what was found, until asked to stop.

`health` tells by its exit status whether the exporter's loops go round.
"""

import argparse
import sys
from pathlib import Path

from job_exporter.heartbeats import LONGEST_SECONDS, last_beats


def main(arguments: list[str]) -> int:
    """Exit status: 0 fine, 1 not healthy or broken, 2 cannot work as it is."""
    parser = argparse.ArgumentParser(prog="job_exporter", description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=("run", "health"), default="run")
    parser.add_argument("--settings", type=Path, default=Path("/etc/hpc-stack/exporter.json"))
    parser.add_argument("--state-dir", type=Path, default=Path("/var/lib/hpc-stack/exporter"))
    parser.add_argument("--ledger", type=Path, default=Path("/var/lib/hpc-stack/ledger"))
    parser.add_argument("--run-dir", type=Path, default=Path("/run/job-exporter"))
    parser.add_argument("--port", type=int, default=9811)
    options = parser.parse_args(arguments)
    if options.command == "health":
        return health(options.run_dir)
    # Imported only here: the health check starts Python every 30 s, and needs none of it.
    from job_exporter.exporter import run
    from job_exporter.settings_file import SettingsError, read_settings

    try:
        settings = read_settings(options.settings)
    except SettingsError as error:
        print(f"job-exporter: {error}", file=sys.stderr)
        return 2
    return run(
        settings,
        state_dir=options.state_dir,
        ledger=options.ledger,
        run_dir=options.run_dir,
        port=options.port,
    )


def health(run_dir: Path) -> int:
    """Whether both loops went round lately."""
    healthy = True
    for loop, age in last_beats(run_dir).items():
        print(f"{loop}: " + ("not tried yet" if age is None else f"tried {age:.0f} s ago"))
        healthy = healthy and age is not None and age <= LONGEST_SECONDS
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
