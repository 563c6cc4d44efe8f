"""Launch templates: what a node of a pool is."""

from typing import Any

import pytest

from tests.security.checks import user_data
from tests.security.graph import AMI, Graph, Resource, environment_settings, graph


@pytest.fixture(scope="module")
def prod() -> Graph:
    return graph(environment_settings("prod"))


def with_pool(**pool: Any) -> tuple[Graph, Resource]:
    """A small cluster with one pool, and that pool's template."""
    made = graph(environment_settings("dev", pools={"one": pool}, limits={}))
    (template,) = made.of("ec2/launchTemplate")
    return made, template


def test_each_pool_has_a_template_with_its_first_type(prod: Graph) -> None:
    types = {one.name: one.inputs["instanceType"] for one in prod.of("ec2/launchTemplate")}
    assert types == {
        f"prod-{name}": pool.instance_types[0] for name, pool in prod.settings.pools.items()
    }


def test_a_template_says_nothing_of_zone_or_price_which_each_launch_does(prod: Graph) -> None:
    for template in prod.of("ec2/launchTemplate"):
        assert not {"placement", "instanceMarketOptions", "networkInterfaces"} & (
            template.inputs.keys()
        )
        assert template.inputs["imageId"] == AMI


def test_mpi_nodes_are_close_together_and_have_adapters() -> None:
    made, template = with_pool(
        instance_types=["hpc7a.12xlarge"],
        max_nodes=4,
        aws={"placement_group": True, "efa": True, "root_gb": 80},
    )
    (group,) = made.of("ec2/placementGroup")
    assert group.inputs["strategy"] == "cluster"
    assert template.inputs["placement"]["groupName"] == group.name
    (card,) = template.inputs["networkInterfaces"]
    assert card["interfaceType"] == "efa"
    assert card["securityGroups"] == ["dev-compute-id", "dev-efa-id"]
    assert "vpcSecurityGroupIds" not in template.inputs
    assert template.inputs["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 80


def test_a_node_is_told_what_its_pool_is(prod: Graph) -> None:
    told = dict(user_data(prod))
    assert "'pool': 'spot'" in told["prod-spot"]
    assert "'spot_signal': 'USR1'" in told["prod-spot"]
    assert "'spot_signal': ''" in told["prod-cpu"]
    assert "'gpus': True" in told["prod-gpu"]
    assert "'gpus': False" in told["prod-cpu"]
    assert "/dcgm-exporter:4." in told["prod-gpu"]
    assert "DCGM_FI_DEV_GPU_UTIL" in told["prod-gpu"]
    assert "'gpu_exporter': ''" in told["prod-cpu"]
    assert "DCGM_FI_DEV_GPU_UTIL" not in told["prod-cpu"]


def test_a_nodes_image_is_for_its_processors(prod: Graph) -> None:
    told = dict(user_data(prod))
    assert "-arm64'" in told["prod-arm"]
    assert "-x86_64'" in told["prod-cpu"]
