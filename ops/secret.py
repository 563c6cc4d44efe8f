"""`make secret NAME=alert_webhook_url`: keep a secret that a receiver of alerts needs.

It is read from the terminal or standard input, never from the command line, and kept encrypted in
the stack's file.
"""

import sys
from getpass import getpass

from config.settings.alerting import SECRETS
from ops.progress import say
from ops.stack import PROJECT, StackProblem, open_stack, run_command


def main() -> None:
    """`secret.py STACK NAME`."""
    stack_name, name = sys.argv[1:3]
    if name not in SECRETS:
        raise StackProblem(f"NAME={name}: allowed: {', '.join(SECRETS)}")
    stack = open_stack(stack_name)
    value = getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read()
    if not value.strip():
        raise StackProblem(f"{name} is empty: nothing was changed")
    stack.pulumi("config", "set", "--secret", f"{PROJECT}:{name}", stdin=value.strip())
    say(f"{name} is kept, encrypted, in Pulumi.{stack.name}.yaml. It holds from the next: make up")


if __name__ == "__main__":
    run_command(main)
