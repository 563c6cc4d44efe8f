"""`make preview`: what `make up` would change, by Pulumi's own preview."""

import subprocess
import sys

from ops.environment import CHECKOUT
from ops.stack import open_stack, run_command


def main() -> None:
    """`preview.py [STACK]`."""
    stack = sys.argv[1] if len(sys.argv) > 1 else "local"
    open_stack(stack)
    done = subprocess.run(
        ["pulumi", "preview", "--diff", "--stack", stack], cwd=CHECKOUT, check=False
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    run_command(main)
