"""Runs a machine's user data as cloud-init does: once in its life, as root, what it says kept."""

import base64
import gzip
import json
import subprocess
import time
from pathlib import Path

MACHINE = Path("/etc/rehearsal/machine.json")
SCRIPT = Path("/var/lib/cloud/instance/scripts/part-001")
LOG = Path("/var/log/cloud-init-output.log")
BEGUN = Path("/var/lib/cloud/begun")


def main() -> int:
    if SCRIPT.exists():
        return 0
    SCRIPT.parent.mkdir(parents=True)
    SCRIPT.write_bytes(
        gzip.decompress(base64.b64decode(json.loads(MACHINE.read_text())["user_data"]))
    )
    SCRIPT.chmod(0o700)
    BEGUN.write_text(str(time.time()))
    with LOG.open("ab") as log:
        return subprocess.run([str(SCRIPT)], stdout=log, stderr=log, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
