"""Whether slurmctld still holds records that slurmdbd does not have, as after an outage."""

import re

from job_accounting.command import CommandFailed, Runner

TIMEOUT = 10.0
COMMAND = ("sdiag",)

_QUEUE = re.compile(r"^DBD Agent queue size:\s*(\d+)", re.MULTILINE)


def all_delivered(run: Runner) -> bool:
    """Whether all that has ended until now is in accounting; False where that is not known."""
    try:
        answer = run(COMMAND, TIMEOUT)
    except CommandFailed:
        return False
    queue = _QUEUE.search(answer)
    return queue is not None and int(queue[1]) == 0
