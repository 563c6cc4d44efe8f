"""Which images a cluster on AWS has, and from where."""

from components.aws.images import MIRRORED, needed_images, source_tag, sources
from config.settings.aws import Images
from tests.security.graph import environment_settings

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_the_controller_and_each_kind_of_node_have_images_for_their_processors() -> None:
    needed = needed_images(environment_settings("dev"))
    assert needed["x86_64"] == ["slurmd"]
    assert {"slurmctld", "mysql", "host-agent"} <= set(needed["arm64"])
    assert "slurmd" not in needed["arm64"]
    assert "slurmd" in needed_images(environment_settings("prod"))["arm64"]


def test_images_of_others_come_by_the_digest_that_is_pinned() -> None:
    settings = environment_settings("dev")
    assert sources(settings) == MIRRORED
    assert settings.aws is not None
    aws = settings.aws.model_copy(update={"images": Images(mysql=DIGEST)})
    pinned = settings.model_copy(update={"aws": aws})
    assert sources(pinned) == {"mysql": f"{MIRRORED['mysql']}@{DIGEST}"}


def test_every_image_of_others_has_a_setting_for_its_digest() -> None:
    assert Images.model_fields.keys() == MIRRORED.keys()


def test_another_source_is_another_tag() -> None:
    assert source_tag("mysql:9.7") == "9.7"
    assert source_tag(f"mysql:9.7@{DIGEST}") == "9.7-0123456789ab"
