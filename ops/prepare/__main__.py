"""`python3 -m ops.prepare`: makes sure of all that `make up` needs. See ops/prepare/__init__.py."""

# Up to the check of its version, this must be read by any Python 3.
import os
import shutil
import sys

OLDEST_PYTHON = (3, 11)


def newer_python():
    # type: () -> str | None
    """The path of a newer Python on PATH, if there is one."""
    names = ["python3.%d" % minor for minor in range(19, OLDEST_PYTHON[1] - 1, -1)]  # noqa: UP031
    return next((path for path in map(shutil.which, names) if path), None)


if sys.version_info < OLDEST_PYTHON:
    newer = newer_python()
    if newer:
        os.execv(newer, [newer, "-m", "ops.prepare"] + sys.argv[1:])  # noqa: RUF005
    sys.exit("Python 3.11 or newer is needed; this is %s." % sys.version.split()[0])  # noqa: UP031

from ops.prepare.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
