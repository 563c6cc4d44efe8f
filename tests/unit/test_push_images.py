"""Pushing images: the user's Docker as it is set up, and a login that leaves no trace in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.aws.push_images import commands, copy_configuration

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Docker's configuration of somebody with a desktop, a plugin and logins."""
    folder = tmp_path / "own"
    (folder / "cli-plugins").mkdir(parents=True)
    (folder / "cli-plugins" / "docker-buildx").touch()
    (folder / "contexts").mkdir()
    document = {
        "auths": {"ghcr.io": {"auth": "bWU6cGFzcw=="}, REGISTRY: {"auth": "b2xk"}},
        "credsStore": "desktop",
        "credHelpers": {"gcr.io": "gcloud", REGISTRY: "ecr-login"},
        "currentContext": "desktop-linux",
    }
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def copied(own: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path / "copy"
    folder.mkdir()
    copy_configuration(own, folder, REGISTRY)
    return folder, json.loads((folder / "config.json").read_text())


def test_the_users_engine_and_plugins_are_used(own: Path, tmp_path: Path) -> None:
    folder, document = copied(own, tmp_path)
    assert (folder / "cli-plugins" / "docker-buildx").exists()
    assert (folder / "contexts").is_dir()
    assert document["currentContext"] == "desktop-linux"


def test_logins_elsewhere_are_used_and_none_of_ours_is_kept_for_the_user(
    own: Path, tmp_path: Path
) -> None:
    _, document = copied(own, tmp_path)
    assert document["auths"] == {"ghcr.io": {"auth": "bWU6cGFzcw=="}}
    assert document["credHelpers"] == {"gcr.io": "gcloud"}
    assert "credsStore" not in document


def test_somebody_without_a_configuration_needs_none(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    copy_configuration(tmp_path / "nothing", folder, REGISTRY)
    assert list(folder.iterdir()) == []


def test_what_is_built_and_what_is_copied_are_pushed_under_the_clusters_names() -> None:
    made = commands(
        prefix=f"{REGISTRY}/hpc-stack/dev",
        tag="9.7",
        platform="linux/arm64",
        targets=["slurmd", "login"],
        mirrored={"mysql": "mysql:9.7"},
    )
    (build, *copies) = made
    assert build[-3:] == ["--push", "login", "slurmd"]
    assert "*.platform=linux/arm64" in build
    assert copies[-1] == ["docker", "push", "--quiet", f"{REGISTRY}/hpc-stack/dev/mysql:9.7"]
