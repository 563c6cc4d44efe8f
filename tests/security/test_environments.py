"""Every environment keeps every rule, and every rule can be broken."""

import pytest

from components.aws.firewall import Role, Rule, cluster_rules
from components.aws.reachability import reach
from config.settings import ClusterSettings
from tests.security.broken import BROKEN
from tests.security.checks import CHECKS
from tests.security.graph import Graph, environment_settings, graph

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0123"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def guarded() -> ClusterSettings:
    """A cluster that uses every setting which bears on security."""
    prod = environment_settings("prod")
    assert prod.aws is not None
    aws = prod.aws.model_dump(mode="json", exclude_none=True)
    aws["permissions_boundary"] = BOUNDARY
    aws["storage"]["kms_key"] = KEY
    aws["network"] |= {"nat": "controller", "ssh_from": ["193.99.144.0/24", "10.0.0.0/8"]}
    mpi = {
        "instance_types": ["hpc7a.12xlarge"],
        "max_nodes": 16,
        "aws": {"placement_group": True, "efa": True, "zones": ["eu-central-1b"]},
    }
    cpu = {"instance_types": ["c7i.large"], "max_nodes": 4, "default": True}
    return environment_settings("prod", aws=aws, pools={"cpu": cpu, "mpi": mpi}, name="guarded")


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    """Each environment's resources."""
    made = {name: graph(environment_settings(name)) for name in ("dev", "prod")}
    return {**made, "guarded": graph(guarded())}


@pytest.mark.parametrize("name", ["dev", "prod", "guarded"])
@pytest.mark.parametrize("sentence", CHECKS)
def test_environment(graphs: dict[str, Graph], name: str, sentence: str) -> None:
    assert list(CHECKS[sentence](graphs[name])) == []


@pytest.mark.parametrize("sentence", CHECKS)
def test_a_cluster_that_breaks_the_rule_is_found(graphs: dict[str, Graph], sentence: str) -> None:
    assert list(CHECKS[sentence](BROKEN[sentence](graphs["prod"])))


def test_there_are_enough_rules_and_an_example_for_no_other() -> None:
    assert len(CHECKS) >= 32
    assert BROKEN.keys() == CHECKS.keys()


def rendered_rules(made: Graph) -> list[Rule]:
    """The rules of the security groups as they were declared, not as they were meant."""
    roles = {f"{made.settings.name}-{role}-id": role for role in Role}
    rules = []
    for kind in ("ingress", "egress"):
        for one in made.of(f"vpc/securityGroup{kind.capitalize()}Rule"):
            inputs = one.inputs
            peer = inputs.get("cidrIpv4") or roles[inputs["referencedSecurityGroupId"]]
            everything = inputs["ipProtocol"] == "-1"
            assert everything or inputs["ipProtocol"] == "tcp"
            rules.append(
                Rule(
                    group=roles[inputs["securityGroupId"]],
                    direction="ingress" if kind == "ingress" else "egress",
                    peer=peer,
                    ports=None if everything else (int(inputs["fromPort"]), int(inputs["toPort"])),
                    description=inputs["description"],
                )
            )
    return rules


@pytest.mark.parametrize("name", ["dev", "prod", "guarded"])
def test_what_is_declared_can_reach_exactly_what_the_matrix_says(
    graphs: dict[str, Graph], name: str
) -> None:
    made = graphs[name]
    assert made.settings.aws is not None
    meant = cluster_rules(made.settings, made.settings.aws)
    assert reach(rendered_rules(made)) == reach(meant)
