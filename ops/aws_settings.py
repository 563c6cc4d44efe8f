"""The settings of a stack on AWS, as our commands read them: from its file, without the engine."""

from pathlib import Path
from typing import Any

import yaml

from config.settings import ClusterSettings, SettingsError, load_cluster
from config.settings.aws import Amis
from ops.stack import StackProblem

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
        aws = written.get("aws") or {}
        pinned = {**dict.fromkeys(Amis.model_fields, "ami-00000000"), **(aws.get("amis") or {})}
        written["aws"] = {**aws, "amis": pinned}
        return load_cluster({"name": name, **written})
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise StackProblem(f"{file.name} is not the file of a stack with settings") from None
    except SettingsError as error:
        raise StackProblem(str(error)) from None


def region_of(file: Path) -> str:
    """The region that a stack's file names. Raises StackProblem."""
    try:
        settings: Any = yaml.safe_load(file.read_text())["config"][KEY]
        return str(settings["aws"]["region"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        raise StackProblem(
            f"{file.name} is not the file of a stack on AWS: it has no cluster.aws.region.\n"
            "Allowed: STACK=NAME of one with `platform: aws`, for instance STACK=dev"
        ) from None
