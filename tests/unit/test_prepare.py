"""What the preparation decides, and what it tells a person; nothing here installs or starts
anything."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from ops.prepare import base_images, docker_engine, pulumi_cli, pulumi_plugins, virtualenv
from ops.prepare.debian_packages import (
    add_trixie,
    docker_packages,
    go_packages,
    mirror_of,
    offers_suite,
)
from ops.prepare.docker_engine import Engine, Found, choose_engine, parse_info
from ops.prepare.machine import Machine, parse_os_release
from ops.prepare.pulumi_cli import Way as PulumiWay
from ops.prepare.pulumi_cli import choose_pulumi
from ops.prepare.steps import Ended, ProblemError, Step, run

LAPTOP = Machine(distribution="ubuntu", release="24.04")
LAPTOP_ROOT = Machine(root=True, distribution="ubuntu", release="24.04")
CONTAINER = Machine(root=True, systemd=False, distribution="debian", release="12")
FEDORA_ROOT = Machine(root=True, distribution="fedora", release="43")
MAC = Machine(system="Darwin", systemd=False)
READY = Found(Engine.ANSWERS, "28.0.1", compose="2.32.4", buildx="0.19.3")
SILENT = Found(Engine.SILENT, compose="2.32.4", buildx="0.19.3", message="Is it running?")
NO_CLIENT = Found(Engine.NO_CLIENT)
NO_PLUGINS = Found(Engine.ANSWERS, "28.0.1")


# Docker


@pytest.mark.parametrize(
    ("found", "machine", "dockerd", "way"),
    [
        (READY, LAPTOP, True, "NOTHING"),
        (READY, CONTAINER, False, "NOTHING"),
        (SILENT, CONTAINER, True, "START_DOCKERD"),
        (SILENT, CONTAINER, False, "INSTALL"),
        (SILENT, LAPTOP_ROOT, True, "START_SERVICE"),
        (SILENT, LAPTOP, True, "TELL"),
        (SILENT, MAC, False, "TELL"),
        (NO_CLIENT, CONTAINER, False, "INSTALL"),
        (NO_CLIENT, LAPTOP_ROOT, False, "INSTALL"),
        (NO_CLIENT, LAPTOP, False, "TELL"),
        (NO_CLIENT, FEDORA_ROOT, False, "TELL"),
        (NO_PLUGINS, CONTAINER, True, "INSTALL"),
        (NO_PLUGINS, LAPTOP, True, "TELL"),
        (Found(Engine.FORBIDDEN), LAPTOP, True, "TELL"),
    ],
)
def test_root_starts_and_installs_and_others_are_told(
    found: Found, machine: Machine, dockerd: bool, way: str
) -> None:
    assert choose_engine(found, machine, dockerd, {}).way.name == way


@pytest.mark.parametrize(
    ("found", "machine", "says"),
    [
        (Found(Engine.FORBIDDEN), LAPTOP, "sudo usermod -aG docker $USER && newgrp docker"),
        (SILENT, LAPTOP, "sudo systemctl start docker"),
        (SILENT, MAC, "Docker Desktop"),
        (NO_CLIENT, MAC, "https://docs.docker.com/desktop/"),
        (NO_CLIENT, LAPTOP, "sudo apt-get install docker.io docker-compose-v2 docker-buildx"),
        (NO_CLIENT, FEDORA_ROOT, "https://docs.docker.com/engine/install/"),
        (NO_PLUGINS, LAPTOP, "compose and buildx"),
        (Found(Engine.ANSWERS, "28", compose="2.23.0", buildx="1"), CONTAINER, "2.23.1 or newer"),
        (Found(Engine.ANSWERS, "24.0.7", compose="2.24", buildx="1"), CONTAINER, "25 or newer"),
    ],
)
def test_the_message_says_what_to_do(found: Found, machine: Machine, says: str) -> None:
    assert says in choose_engine(found, machine, dockerd=True, surroundings={}).why


def test_an_engine_named_by_the_user_is_never_replaced_by_a_local_one() -> None:
    choice = choose_engine(SILENT, CONTAINER, True, {"DOCKER_HOST": "ssh://elsewhere"})
    assert choice.way is docker_engine.Way.TELL
    assert "DOCKER_HOST" in choice.why


def test_versions_are_read_from_docker_info() -> None:
    plugins = [{"Name": "compose", "Version": "v2.32.4"}, {"Name": "buildx", "Version": "0.19.3"}]
    info = {"ServerVersion": "28.0.1", "ClientInfo": {"Plugins": plugins}}
    found = parse_info(Ended(0, json.dumps(info) + "\nWARNING: no swap limit support\n"))
    assert (found.engine, found.version) == (Engine.ANSWERS, "28.0.1")
    assert (found.compose, found.buildx) == ("2.32.4", "0.19.3")


@pytest.mark.parametrize(
    ("complaint", "engine"),
    [
        ("permission denied while trying to connect to the docker API", Engine.FORBIDDEN),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", Engine.SILENT),
    ],
)
def test_an_engine_that_does_not_answer_is_told_from_one_that_may_not(
    complaint: str, engine: Engine
) -> None:
    info = {"ServerVersion": "", "ClientInfo": {"Plugins": None}}
    found = parse_info(Ended(1, f"{json.dumps(info)}\n{complaint}\n"))
    assert found.engine is engine
    assert complaint in found.message


@pytest.mark.parametrize(
    ("version", "enough"),
    [("2.23.1", True), ("2.26.1-4", True), ("5.0", True), ("2.23.0", False), ("2.3", False)],
)
def test_compose_versions_compare_by_number(version: str, enough: bool) -> None:
    assert docker_engine.at_least(version, docker_engine.MINIMUM_COMPOSE) is enough


def test_a_full_disk_is_named_with_what_is_free_and_what_is_needed(tmp_path: Path) -> None:
    found = Found(Engine.ANSWERS, root_directory=str(tmp_path))
    with pytest.raises(ProblemError, match=rf"{tmp_path} has .* GB free; 1000000 GB are needed"):
        docker_engine.check_disk(found, 10**15)


# The distribution


@pytest.mark.parametrize(
    ("distribution", "release", "docker", "go"),
    [
        ("debian", "12", "docker-buildx/trixie", "golang-1.24-go/trixie"),
        ("debian", "13", "docker-buildx", "golang-go"),
        ("debian", "", "docker-buildx", "golang-go"),
        ("debian", "11", None, None),
        ("ubuntu", "24.04", "docker-compose-v2", "golang-go"),
        ("ubuntu", "22.04", "docker-compose-v2", None),
        ("fedora", "43", None, None),
    ],
)
def test_packages_come_from_a_release_that_has_them(
    distribution: str, release: str, docker: str | None, go: str | None
) -> None:
    machine = Machine(distribution=distribution, release=release)
    for packages, one in ((docker_packages(machine), docker), (go_packages(machine), go)):
        assert (one in packages) if packages else (one is None)


SOURCES = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"


def apt_directory(tmp_path: Path, **sources: str) -> Path:
    for directory in ("sources.list.d", "preferences.d"):
        (tmp_path / directory).mkdir()
    for name, text in sources.items():
        (tmp_path / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return tmp_path


def test_the_newer_release_is_added_from_the_same_mirror_and_pinned_low(tmp_path: Path) -> None:
    apt = apt_directory(tmp_path, debian_sources=SOURCES)
    add_trixie(apt)
    source = (apt / "sources.list.d" / "hpc-stack-trixie.list").read_text()
    lines = [line for line in source.splitlines() if not line.startswith("#")]
    assert [line.split("] ")[1] for line in lines] == ["http://mirror.example/debian trixie main"]
    assert "Pin-Priority: 100" in (apt / "preferences.d" / "hpc-stack-trixie").read_text()


def test_a_newer_release_that_is_there_already_is_only_pinned(tmp_path: Path) -> None:
    apt = apt_directory(tmp_path, trixie_list="deb http://deb.debian.org/debian trixie main\n")
    add_trixie(apt)
    assert not (apt / "sources.list.d" / "hpc-stack-trixie.list").exists()
    assert (apt / "preferences.d" / "hpc-stack-trixie").exists()


def test_a_source_in_a_comment_does_not_count() -> None:
    assert not offers_suite("# deb http://deb.debian.org/debian trixie main\n", "trixie")
    assert (
        mirror_of(["# deb http://old.example/debian sid main\n"]) == "http://deb.debian.org/debian"
    )


def test_os_release_is_read_with_and_without_quotes() -> None:
    assert parse_os_release('ID=debian\nVERSION_ID="12"\n\n') == {
        "ID": "debian",
        "VERSION_ID": "12",
    }


# Pulumi


@pytest.mark.parametrize(
    ("on_path", "cached", "site", "go", "may_install_go", "way"),
    [
        ("3.259.0", True, None, "", False, "PATH"),
        ("3.300.1", False, None, "", False, "PATH"),
        ("3.100.0", True, None, "", False, "CACHE"),
        ("", True, None, "go1.26.0", True, "CACHE"),
        ("", False, None, "go1.26.0", True, "PROBE"),
        ("", False, True, "go1.26.0", True, "RELEASE"),
        ("", False, False, "go version go1.26.8 linux/amd64", True, "MODULE"),
        ("", False, False, "go version go1.19.8 linux/amd64", True, "INSTALL_GO"),
        ("", False, False, "", True, "INSTALL_GO"),
        ("", False, False, "go version go1.19.8 linux/amd64", False, "TELL"),
        ("3.100.0", False, False, "", False, "TELL"),
    ],
)
def test_pulumi_is_taken_then_downloaded_then_built(
    on_path: str, cached: bool, site: bool | None, go: str, may_install_go: bool, way: str
) -> None:
    assert choose_pulumi(on_path, cached, site, go, may_install_go) is PulumiWay[way]


def test_the_message_about_a_missing_pulumi_names_both_ways_out() -> None:
    message = pulumi_cli.no_way_message("go version go1.19.8 linux/amd64")
    assert "https://www.pulumi.com/docs/install/" in message
    assert "Go 1.21 or newer" in message
    assert "go1.19.8" in message


@pytest.mark.parametrize(
    ("system", "architecture", "name"),
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_the_release_is_the_one_for_the_machine(system: str, architecture: str, name: str) -> None:
    expected = f"pulumi-v{pulumi_cli.VERSION}-{name}.tar.gz"
    assert pulumi_cli.release_name(system, architecture) == expected


def release(directory: Path) -> Path:
    """A release as the vendor packs it, in a folder that is to be served under a file: address."""
    path = directory / pulumi_cli.release_name("Linux", "x86_64")
    with tarfile.open(path, "w:gz") as archive:
        for name in (
            "pulumi/pulumi",
            "pulumi/pulumi-language-python",
            "../outside",
            "pulumi/README",
        ):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def test_a_release_is_unpacked_into_place_with_its_language_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    release(tmp_path)
    own = tmp_path / "cache" / "bin"
    address = f"file://{tmp_path}"
    monkeypatch.setattr(pulumi_cli, "CHECKSUMS", address)
    monkeypatch.setattr(pulumi_cli, "host", lambda url: "the.vendor")
    assert pulumi_cli.download(Step("pulumi"), own, "pulumi is not on PATH", address)
    assert sorted(path.name for path in own.iterdir()) == ["pulumi", "pulumi-language-python"]
    assert not list(own.parent.glob("downloading-*"))


def test_a_release_that_cannot_be_had_leaves_nothing_behind(tmp_path: Path) -> None:
    own = tmp_path / "cache" / "bin"
    assert not pulumi_cli.download(Step("pulumi"), own, "", f"file://{tmp_path}/a/b")
    assert not list(own.parent.iterdir())


def test_a_release_with_another_checksum_is_refused(tmp_path: Path) -> None:
    archive = release(tmp_path)
    published = tmp_path / f"v{pulumi_cli.VERSION}" / f"pulumi-{pulumi_cli.VERSION}-checksums.txt"
    published.parent.mkdir()
    published.write_text(f"{'0' * 64}  {archive.name}\n")
    with pytest.raises(ProblemError, match="not used"):
        pulumi_cli.verify(archive, archive.name, f"file://{tmp_path}")


@pytest.mark.parametrize(
    ("official", "before", "retry", "choice"),
    [
        (True, "stand-in", False, "official"),
        (False, "stand-in", False, "stand-in"),
        (False, "stand-in", True, ""),
        (False, "official", False, ""),
        (False, "", False, ""),
    ],
)
def test_a_stand_in_stays_until_the_original_is_asked_for(
    official: bool, before: str, retry: bool, choice: str
) -> None:
    assert pulumi_plugins.choose_command_plugin(official, before, retry) == choice


def test_a_link_to_a_stand_in_is_put_and_taken_away(tmp_path: Path) -> None:
    stand_in = tmp_path / "offline" / "plugins" / "pulumi-resource-command"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text("ours")
    home = tmp_path / ".state" / "home"
    place = ("resource-command-v1", "pulumi-resource-command")
    pulumi_plugins.link(home, tmp_path, *place, wanted=True)
    assert home.joinpath("plugins", *place).read_text() == "ours"
    assert not pulumi_plugins.is_official(home, *place)
    pulumi_plugins.link(home, tmp_path, *place, wanted=False)
    assert not (home / "plugins" / place[0]).exists()


# Images, virtualenv, programs


def test_images_are_told_from_their_stand_ins() -> None:
    output = (
        '["debian:forky-slim","other:1"]\t{"hpc-stack.stand-in":"offline/images/debian"}\n'
        '["mysql:9.7"]\tnull\n'
        "Error response from daemon: No such image: missing:1\n"
    )
    assert base_images.parse_present(output, base_images.IMAGES) == {
        "debian:forky-slim": "stand-in",
        "mysql:9.7": "original",
    }


@pytest.mark.parametrize(
    ("found", "retry", "asks"),
    [
        ("", False, True),
        ("original", True, False),
        ("stand-in", False, False),
        ("stand-in", True, True),
    ],
)
def test_the_registry_is_asked_only_for_what_is_missing(
    found: str, retry: bool, asks: bool
) -> None:
    assert base_images.needs_pull(found, retry) is asks


@pytest.mark.parametrize("runtimes", ['{"runc":{}}', '{"nvidia":{},"runc":{}}'])
def test_the_image_that_measures_gpus_is_asked_for_once_and_only_where_there_may_be_some(
    runtimes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(step: Step, image: str) -> str:
        asked.append(image)
        return "no route to host"

    monkeypatch.setattr(base_images, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(base_images, "present", lambda images: {})
    monkeypatch.setattr(base_images, "ask", lambda argv: Ended(0, runtimes))
    monkeypatch.setattr(base_images, "pull", refuse)
    base_images.ask_for_optional(retry=False)
    wanted = list(base_images.OPTIONAL) if "nvidia" in runtimes else [base_images.GRAFANA]
    assert asked == wanted
    base_images.ask_for_optional(retry=False)
    assert asked == wanted, "it is remembered that they cannot be had"
    base_images.ask_for_optional(retry=True)
    assert asked == wanted * 2


def test_only_changed_requirements_are_installed_again(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / "requirements-dev.txt").write_text("two==2\n")
    everything = virtualenv.hashes(tmp_path, dev=True)
    assert virtualenv.not_installed(virtualenv.hashes(tmp_path, dev=False), everything) == []
    (tmp_path / "requirements.txt").write_text("one==1.1\n")
    changed = virtualenv.hashes(tmp_path, dev=True)
    assert virtualenv.not_installed(changed, everything) == ["requirements.txt"]


def test_a_missing_venv_module_is_named_as_the_package_it_is_in() -> None:
    message = virtualenv.missing_venv_message(LAPTOP, "python3.12-venv")
    assert message.endswith("sudo apt-get install python3.12-venv")


def test_a_program_that_says_nothing_is_given_up() -> None:
    ended = run(Step("test"), ["sleep", "60"], timeout=60, first_output_within=0.2)
    assert ended.status is None


def test_a_program_that_takes_too_long_is_stopped_with_its_children() -> None:
    ended = run(Step("test"), ["sh", "-c", "echo begun; sleep 60; echo on"], timeout=3)
    assert ended == Ended(None, "begun")


def test_the_end_of_a_programs_output_is_kept_for_the_message() -> None:
    ended = run(Step("test"), ["sh", "-c", "seq 100; exit 3"], timeout=60)
    assert ended.status == 3
    assert ended.tail(2) == "    99\n    100"
