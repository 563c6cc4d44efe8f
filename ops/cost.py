"""`make cost`: what a stack on AWS costs, before it is made, by the catalogue's indicative prices.

python -m ops.cost STACK
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from config.cost import cost_page
from config.settings import ClusterSettings, SettingsError, load_cluster
from config.settings.aws import Amis
from ops.environment import CHECKOUT
from ops.stack import StackProblem, run_command

KEY = "hpc-stack:cluster"


def settings_of(file: Path) -> ClusterSettings:
    """A stack's settings, for which machine images need not be pinned yet. Raises StackProblem."""
    name = file.name[len("Pulumi.") : -len(".yaml")]
    try:
        written: Any = yaml.safe_load(file.read_text())["config"][KEY]
        if written.get("platform") != "aws":
            raise StackProblem(
                f"{file.name} is of a cluster on this machine, which costs nothing.\n"
                "Allowed: STACK=NAME of one with `platform: aws`, for instance STACK=dev"
            )
        pinned = written["aws"].get("amis") or {}
        written["aws"]["amis"] = {**dict.fromkeys(Amis.model_fields, "ami-00000000"), **pinned}
        return load_cluster({"name": name, **written})
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise StackProblem(f"{file.name} is not the file of a stack with settings") from None
    except SettingsError as error:
        raise StackProblem(str(error)) from None


def main() -> None:
    """`cost.py STACK`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    print(cost_page(settings_of(CHECKOUT / f"Pulumi.{name}.yaml")))


if __name__ == "__main__":
    run_command(main)
