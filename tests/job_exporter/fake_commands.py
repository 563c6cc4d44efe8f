"""Slurm's commands as programs in a directory for PATH, for tests of the whole exporter.

sacct answers from a file of records, which may be large: `write_accounting` makes one.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.job_exporter.builders import line

_SEPARATOR = "\x1f"

_SACCT = f"""#!{sys.executable}
import pathlib, re, sys
here = pathlib.Path(__file__).parent
if (here / "slurmdbd-away").exists():
    sys.exit("sacct: error: Problem talking to the database: Connection refused")
words = dict(re.findall(r"--([a-z]+)=(.*)", "\\n".join(sys.argv)))
since, until = (int(words[name][3:]) for name in ("starttime", "endtime"))
with (here / "accounting").open() as records, (here / "queries").open("a") as queries:
    print(since, until, file=queries)
    for record in records:
        end, _, rest = record.partition("{_SEPARATOR}")
        if since <= int(end) <= until:
            sys.stdout.write(rest.replace("{_SEPARATOR}", words["delimiter"]))
"""

_SACCTMGR = """#!/bin/sh
here=$(dirname "$0")
[ -e "$here/slurmdbd-away" ] && { echo "sacctmgr: error: Connection refused" >&2; exit 1; }
while [ -e "$here/sacctmgr-hangs" ]; do sleep 0.05; done
[ "$1" = --noheader ] || echo "$*" >> "$here/comments"
"""

_SLURMCTLD = """#!/bin/sh
here=$(dirname "$0")
[ -e "$here/slurmctld-away" ] && { echo "Unable to contact slurm controller" >&2; exit 1; }
echo "$0" >> "$here/asked"
cat "$here/$(basename "$0").answer"
"""


def install(directory: Path) -> None:
    """Put the commands there: nothing has ended, nothing waits, and all is delivered."""
    programs = dict.fromkeys(("squeue", "scontrol", "sdiag", "sshare"), _SLURMCTLD)
    programs |= {"sacct": _SACCT, "sacctmgr": _SACCTMGR}
    for name, text in programs.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    write_accounting(directory, ())
    write_answer(directory, "squeue", ())
    write_answer(directory, "scontrol", ())
    write_answer(directory, "sshare", ())
    write_answer(directory, "sdiag", ("DBD Agent queue size: 0",))


def write_accounting(directory: Path, records: Iterable[Mapping[str, str]]) -> None:
    """What sacct knows from now on."""
    draft = directory / "accounting.new"
    with draft.open("w") as file:
        file.writelines(
            f"{record['End']}{_SEPARATOR}{line(record, _SEPARATOR)}\n" for record in records
        )
    draft.replace(directory / "accounting")


def write_answer(directory: Path, command: str, lines: Iterable[str]) -> None:
    """What squeue, scontrol, sdiag or sshare answers from now on."""
    draft = directory / f"{command}.new"
    draft.write_text("".join(f"{text}\n" for text in lines))
    draft.replace(directory / f"{command}.answer")
