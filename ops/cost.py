"""`make cost`: what a stack on AWS costs, before it is made, by the catalogue's indicative prices.

python -m ops.cost STACK
"""

import sys

from config.cost import cost_page
from ops.aws_settings import settings_of
from ops.environment import CHECKOUT
from ops.stack import run_command


def main() -> None:
    """`cost.py STACK`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    print(cost_page(settings_of(CHECKOUT / f"Pulumi.{name}.yaml")))


if __name__ == "__main__":
    run_command(main)
