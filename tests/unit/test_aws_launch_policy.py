"""How the node manager may launch and end machines: asked of its policy as EC2 asks it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from components.aws.policies.controller import launch_policy
from components.aws.tags import CLUSTER
from tests.unit.iam_decisions import ACCOUNT, FACTS, OURS, THEIRS, decision, ec2, may, role


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What somebody who has the controller's credentials asks of EC2."""

    subnet: str = "subnet-a"
    ami: str = "ami-x86"
    group: str = "sg-compute"
    template: str | None = "lt-0a"
    template_tag: str = "dev"
    tag: str | None = "dev"
    replaced: bool = False
    """Whether the request names another image and group than the template."""
    spot: bool = False
    placement_group: str | None = None
    """Its cluster's tag."""

    def questions(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Action, resource and exactly the keys that EC2 knows of the resource in the action.

        From https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        """
        tags = {f"aws:RequestTag/{CLUSTER}": self.tag} if self.tag else {}
        owner = {f"aws:ResourceTag/{CLUSTER}": self.template_tag}
        given = [("subnet", self.subnet, ACCOUNT), ("image", self.ami, "")]
        for kind in ("fleet", "instance"):
            yield "ec2:CreateFleet", ec2(kind, "*"), tags
        yield "ec2:CreateFleet", ec2("volume", "*"), {}
        for kind, name, account in given:
            yield "ec2:CreateFleet", ec2(kind, name, account), {}
        template = {}
        if self.template:
            template["ec2:LaunchTemplate"] = ec2("launch-template", self.template)
            for action in ("ec2:CreateFleet", "ec2:RunInstances"):
                yield action, ec2("launch-template", self.template), owner
        if self.placement_group:
            owned = {f"aws:ResourceTag/{CLUSTER}": self.placement_group}
            for action in ("ec2:CreateFleet", "ec2:RunInstances"):
                yield action, ec2("placement-group", "dev-mpi-1a"), owned
        for kind in ("instance", "volume", "network-interface"):
            yield "ec2:RunInstances", ec2(kind, "*"), {**template, **tags}
        for kind, name, account in (*given, ("security-group", self.group, ACCOUNT)):
            named = self.template and kind != "subnet" and not self.replaced
            own = {**template, "ec2:IsLaunchTemplateResource": "true" if named else "false"}
            yield "ec2:RunInstances", ec2(kind, name, account), own if template else {}
        if self.spot:
            yield "ec2:RunInstances", ec2("spot-instances-request", "*"), {}


def refusals(launch: Launch) -> set[str]:
    policy = launch_policy(FACTS)
    return {
        f"{action} {resource.split(':')[-1]}"
        for action, resource, context in launch.questions()
        if decision(policy, action, resource, context) != "Allow"
    }


@pytest.mark.parametrize(
    "launch",
    [
        Launch(),
        Launch(spot=True),
        Launch(subnet="subnet-b", ami="ami-arm", group="sg-efa"),
        Launch(placement_group="dev"),
    ],
)
def test_the_node_manager_may_launch_by_a_template_of_the_cluster(launch: Launch) -> None:
    assert refusals(launch) == set()


@pytest.mark.parametrize(
    ("launch", "refused"),
    [
        (Launch(subnet="subnet-z"), "ec2:RunInstances subnet/subnet-z"),
        (Launch(ami="ami-own"), "ec2:RunInstances image/ami-own"),
        (Launch(group="sg-open"), "ec2:RunInstances security-group/sg-open"),
        (Launch(replaced=True), "ec2:RunInstances image/ami-x86"),
        (Launch(replaced=True), "ec2:RunInstances security-group/sg-compute"),
        (Launch(template_tag="prod"), "ec2:RunInstances launch-template/lt-0a"),
        (Launch(template_tag="prod"), "ec2:CreateFleet launch-template/lt-0a"),
        (Launch(template=None), "ec2:RunInstances instance/*"),
        (Launch(template=None), "ec2:RunInstances subnet/subnet-a"),
        (Launch(tag=None), "ec2:RunInstances instance/*"),
        (Launch(tag=None), "ec2:CreateFleet fleet/*"),
        (Launch(tag="prod"), "ec2:RunInstances volume/*"),
        (Launch(placement_group="prod"), "ec2:RunInstances placement-group/dev-mpi-1a"),
    ],
)
def test_the_node_manager_may_launch_in_no_other_way(launch: Launch, refused: str) -> None:
    assert refused in refusals(launch)


@pytest.mark.parametrize("create", ["RunInstances", "CreateFleet"])
@pytest.mark.parametrize("kind", ["instance", "volume", "network-interface", "fleet"])
def test_tags_are_given_when_something_is_made(kind: str, create: str) -> None:
    own = {f"aws:RequestTag/{CLUSTER}": "dev"}
    policy, thing = launch_policy(FACTS), ec2(kind, "new")
    made = {"ec2:CreateAction": create}
    assert decision(policy, "ec2:CreateTags", thing, {**own, **made}) == "Allow"
    assert decision(policy, "ec2:CreateTags", thing, made) is None


@pytest.mark.parametrize("kind", ["instance", "volume", "launch-template", "fleet"])
def test_nothing_that_is_there_can_be_given_the_clusters_tag(kind: str) -> None:
    own = {f"aws:RequestTag/{CLUSTER}": "dev"}
    assert decision(launch_policy(FACTS), "ec2:CreateTags", ec2(kind, "x"), own) is None


@pytest.mark.parametrize("action", ["ec2:TerminateInstances", "ec2:GetConsoleOutput"])
def test_the_controller_may_end_and_read_only_what_has_its_clusters_tag(action: str) -> None:
    policy, machine = launch_policy(FACTS), ec2("instance", "i-0a")
    assert decision(policy, action, machine, OURS) == "Allow"
    assert decision(policy, action, machine, THEIRS) is None
    assert decision(policy, action, machine, {}) is None


def test_the_controller_may_give_machines_the_roles_of_its_own_nodes_alone() -> None:
    policy = launch_policy(FACTS)

    def passes(path: str, service: str = "ec2.amazonaws.com") -> bool:
        return may(policy, "iam:PassRole", role(path), iam__PassedToService=service)

    assert passes("/hpc-stack/dev/nodes/dev-cpu-node-1a")
    assert not passes("/hpc-stack/dev/nodes/dev-cpu-node-1a", "lambda.amazonaws.com")
    assert not passes("/hpc-stack/dev/dev-controller-1a")
    assert not passes("/hpc-stack/prod/nodes/prod-cpu-node-1a")
    assert not passes("/admin")


def test_of_awss_own_roles_the_controller_may_make_that_for_spot_alone() -> None:
    policy, spot = launch_policy(FACTS), "spot.amazonaws.com"
    own = role(f"/aws-service-role/{spot}/AWSServiceRoleForEC2Spot")
    action = "iam:CreateServiceLinkedRole"
    assert may(policy, action, own, iam__AWSServiceName=spot)
    assert not may(policy, action, own, iam__AWSServiceName="ec2fleet.amazonaws.com")
    other = role("/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    assert not may(policy, action, other, iam__AWSServiceName="autoscaling.amazonaws.com")
