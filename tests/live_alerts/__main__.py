"""`make test-alerts`: what is in deeds.py is done to a live cluster, and its alerts fire and end.

It takes an hour and a half, and the disk nearly full for some minutes, and must be root. What was
measured meanwhile becomes tests/alerts/recorded.json, with which tests/alerts tries the rules from
then on; that of a session in which something went wrong does not.
"""

import os
import shutil
import signal
import sys
import time

from tests.alerts.recorded import FILE
from tests.cluster.watching import settled
from tests.live_alerts.deeds import ACTS, THROUGHOUT
from tests.live_alerts.recording import DRAFT, record
from tests.live_alerts.scene import scene
from tests.live_alerts.session import perform

CALM_SECONDS = 60


def main() -> int:
    """The exit code: 1 if a deed did not show as it should."""
    if os.geteuid():
        print("[alerts] Must be root: one deed makes a file of a container's immutable.\n"
              "Fix: sudo make test-alerts")  # fmt: skip
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("[alerts] ended by SIGTERM"))
    begun = time.time()
    with scene() as found:
        settled(found.prometheus, 180)
        time.sleep(CALM_SECONDS)  # of a cluster in which all is well
        session = perform(found, ACTS, THROUGHOUT)
        record(found.prometheus, session.alerts, begun, time.time())
    for name, why in session.failures.items():
        print(f"[alerts] FAILED {name}: {why}")
    if session.failures:
        print(f"[alerts] What was measured is {DRAFT}, and not {FILE.name}.")
        return 1
    shutil.copy(DRAFT, FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
