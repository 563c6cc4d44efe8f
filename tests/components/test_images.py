"""Which images a cluster on AWS has, and from where."""

from components.aws.images import (
    MIRRORED,
    digest_setting,
    needed_images,
    node_images,
    source_tag,
    sources,
)
from config.settings.aws import Images
from tests.security.graph import environment_settings

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_the_controller_and_each_kind_of_node_have_images_for_their_processors() -> None:
    needed = needed_images(environment_settings("dev"))
    assert needed["x86_64"] == ["slurmd"]
    assert {"slurmctld", "mysql", "host-agent"} <= set(needed["arm64"])
    assert "slurmd" not in needed["arm64"]
    assert "slurmd" in needed_images(environment_settings("prod"))["arm64"]


def test_gpus_are_measured_where_there_are_some_and_the_cluster_is_observed() -> None:
    prod = environment_settings("prod")
    needed = needed_images(prod)
    assert "dcgm-exporter" in needed["x86_64"]
    assert "dcgm-exporter" not in needed["arm64"]
    assert node_images(prod, prod.pools["gpu"]) == ("slurmd", "dcgm-exporter")
    assert node_images(prod, prod.pools["cpu"]) == ("slurmd",)
    unseen = environment_settings("prod", monitoring={"enabled": False})
    assert node_images(unseen, unseen.pools["gpu"]) == ("slurmd",)
    assert needed_images(environment_settings("dev"))["x86_64"] == ["slurmd"]


def test_images_that_nobody_wants_are_not_copied() -> None:
    def of_controller(**monitoring: bool) -> set[str]:
        return set(needed_images(environment_settings("dev", monitoring=monitoring))["arm64"])

    observed = {"prometheus", "alertmanager", "node-exporter", "mysqld-exporter", "job-exporter"}
    everything = of_controller()
    assert everything >= observed | {"grafana", "mysql", "slurmctld", "host-agent"}
    assert of_controller(grafana=False) == everything - {"grafana"}
    assert of_controller(enabled=False) == everything - observed - {"grafana"}


def test_images_of_others_come_by_the_digest_that_is_pinned() -> None:
    settings = environment_settings("dev")
    assert sources(settings) == MIRRORED
    assert settings.aws is not None
    aws = settings.aws.model_copy(update={"images": Images(mysql=DIGEST)})
    pinned = settings.model_copy(update={"aws": aws})
    assert sources(pinned) == {**MIRRORED, "mysql": f"{MIRRORED['mysql']}@{DIGEST}"}


def test_every_image_of_others_has_a_setting_for_its_digest() -> None:
    assert Images.model_fields.keys() == {digest_setting(image) for image in MIRRORED}


def test_another_source_is_another_tag() -> None:
    assert source_tag("mysql:9.7") == "9.7"
    assert source_tag(f"mysql:9.7@{DIGEST}") == "9.7-0123456789ab"
