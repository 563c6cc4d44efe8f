"""`make preview`: what `make up` would change, by Pulumi's own preview."""

import subprocess
import sys

from ops.stack import open_stack, run_command


def main() -> None:
    """`preview.py [STACK]`."""
    stack = open_stack(sys.argv[1] if len(sys.argv) > 1 else "local")
    done = subprocess.run(
        stack.command("preview", "--diff"), cwd=stack.checkout, env=stack.environment, check=False
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    run_command(main)
