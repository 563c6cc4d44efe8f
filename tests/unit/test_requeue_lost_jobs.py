"""Which jobs are queued again after slurmctld has begun anew: those of which no node has heard."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from ops.environment import CHECKOUT

SCRIPT = CHECKOUT / "images/slurm/files/slurmctld/usr/libexec/hpc-stack/requeue-lost-jobs"
SAVED = 1_795_686_333
"""When the slurmctld before it saved its state for the last time."""

SQUEUE = """#!/bin/sh
cat "{directory}/jobs"
"""
# One that its node has not, one that it has, and one of which it cannot tell.
SSTAT = """#!/bin/sh
case "$*" in
    *--jobs=7.batch*) echo 7.batch ;;
    *--jobs=8.batch*) echo "sstat: error: slurmd does not answer" >&2; exit 1 ;;
esac
"""
SCONTROL = """#!/bin/sh
if [ "$1" = requeue ]; then echo "$2" >> "{directory}/requeued"; fi
"""
PAUSE = "#!/bin/sh\n"


def requeued(directory: Path, *jobs: str) -> list[str]:
    """Run the script with these lines of squeue's; the jobs that it has queued again."""
    (directory / "jobs").write_text("".join(f"{job}\n" for job in jobs))
    programs = {"squeue": SQUEUE, "sstat": SSTAT, "scontrol": SCONTROL, "sleep": PAUSE}
    for name, text in programs.items():
        program = directory / name
        program.write_text(text.replace("{directory}", str(directory)))
        program.chmod(0o755)
    environment = {"PATH": f"{directory}:{os.environ['PATH']}", "TZ": "UTC"}
    subprocess.run(["bash", SCRIPT, str(SAVED)], env=environment, check=True, capture_output=True)
    done = directory / "requeued"
    return done.read_text().split() if done.exists() else []


def job(number: int, started: int, name: str = "", batch: int = 1) -> str:
    """As squeue is asked for it, with the seconds after the last save at which it started."""
    start = datetime.fromtimestamp(SAVED + started, UTC)
    return f"{number}|{name or number}|{batch}|{start:%Y-%m-%dT%H:%M:%S}|"


def test_jobs_that_began_in_the_minute_before_the_last_save_and_in_its_second(
    tmp_path: Path,
) -> None:
    found = requeued(tmp_path, job(1, -60), job(2, -59), job(3, 0, "9_4"), job(4, 1))
    assert found == ["2", "9_4"]


def test_only_batch_jobs_have_a_start_that_can_be_lost(tmp_path: Path) -> None:
    assert requeued(tmp_path, job(1, -1, batch=0), "2|2|1|N/A|") == []


def test_what_a_node_has_and_what_it_does_not_tell_is_left_alone(tmp_path: Path) -> None:
    assert requeued(tmp_path, job(7, -1), job(8, -1), job(9, -1)) == ["9"]
