"""Files come whole or not at all, and homes exist only when they are complete."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from configurator.delivery import digest, make_homes, read_tree, write_tree

TEXTS = {"slurm.conf": "ClusterName=a\n", "ssh/ada": "ssh-ed25519 AAAA\n"}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write_tree(tmp_path, TEXTS)
    assert read_tree(tmp_path) == TEXTS


def test_what_is_no_longer_wanted_goes(tmp_path: Path) -> None:
    write_tree(tmp_path, TEXTS)
    write_tree(tmp_path, {"slurm.conf": "ClusterName=b\n"})
    assert read_tree(tmp_path) == {"slurm.conf": "ClusterName=b\n"}


def test_hidden_files_are_left_alone_and_not_read(tmp_path: Path) -> None:
    (tmp_path / ".applied").write_text("digest")
    write_tree(tmp_path, TEXTS)
    assert (tmp_path / ".applied").read_text() == "digest"
    assert ".applied" not in read_tree(tmp_path)


def test_a_file_that_is_right_is_not_touched(tmp_path: Path) -> None:
    write_tree(tmp_path, TEXTS)
    before = (tmp_path / "slurm.conf").stat().st_ino
    write_tree(tmp_path, {**TEXTS, "ssh/ada": "other\n"})
    assert (tmp_path / "slurm.conf").stat().st_ino == before


def test_everybody_may_read_the_files_except_the_shadow(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_tree(tmp_path, {"passwd": "x", "shadow": "x"})
    finally:
        os.umask(before)
    assert (mode(tmp_path / "passwd"), mode(tmp_path / "shadow")) == (0o644, 0o640)


@pytest.fixture
def power_cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything ends just before a finished draft would take its place."""

    def cut(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt(f"{self} to {target}")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", cut)
        yield


@pytest.mark.usefixtures("power_cut")
def test_a_file_holds_its_old_text_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "slurm.conf").write_text("old\n")
    with pytest.raises(KeyboardInterrupt):
        write_tree(tmp_path, {"slurm.conf": "new\n" * 1000})
    assert read_tree(tmp_path) == {"slurm.conf": "old\n"}


def test_a_draft_that_was_left_behind_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".slurm.conf.new").write_text("half a li")
    write_tree(tmp_path, TEXTS)
    assert read_tree(tmp_path) == TEXTS
    assert not (tmp_path / ".slurm.conf.new").exists()


def test_a_tree_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert read_tree(tmp_path / "nothing") == {}


def test_the_name_of_texts_is_theirs_alone() -> None:
    assert digest(TEXTS) == digest(dict(reversed(TEXTS.items())))
    assert digest(TEXTS) != digest({**TEXTS, "slurm.conf": ""})
    assert digest({"a": "b"}) != digest({"ab": ""})


Owners = dict[str, tuple[int, int]]


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> Owners:
    """Who was made the owner of what, by its name: only root may really do it."""
    made: Owners = {}

    def chown(path: Path, uid: int, gid: int) -> None:
        made[path.name] = (uid, gid)

    monkeypatch.setattr(os, "chown", chown)
    return made


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    directory = tmp_path / "skel"
    directory.mkdir()
    (directory / ".bashrc").write_text("# prompt\n")
    return directory


def passwd(homes: Path, *names: str) -> str:
    return "".join(
        f"{name}:x:{2001 + k}:{3001 + k}::{homes / name}:/bin/bash\n"
        for k, name in enumerate(names)
    )


def test_a_missing_home_is_made_with_its_files_for_its_user_alone(
    tmp_path: Path, skeleton: Path, owners: Owners
) -> None:
    homes = tmp_path / "home"
    assert make_homes(passwd(homes, "ada", "ben"), skeleton) == ["ada", "ben"]
    assert sorted(path.name for path in homes.iterdir()) == ["ada", "ben"]
    assert mode(homes / "ada") == 0o700
    assert (homes / "ada" / ".bashrc").read_text() == "# prompt\n"
    # A home is owned before it has its name.
    assert owners == {
        ".bashrc": (2002, 3002),
        ".ada.new": (2001, 3001),
        ".ben.new": (2002, 3002),
    }


def test_a_home_that_exists_is_not_touched(tmp_path: Path, skeleton: Path, owners: Owners) -> None:
    home = tmp_path / "home" / "ada"
    home.mkdir(parents=True)
    assert make_homes(passwd(home.parent, "ada"), skeleton) == []
    assert list(home.iterdir()) == []
    assert owners == {}


@pytest.mark.usefixtures("owners")
def test_a_home_that_was_begun_is_completed(tmp_path: Path, skeleton: Path) -> None:
    homes = tmp_path / "home"
    (homes / ".ada.new").mkdir(parents=True)
    assert make_homes(passwd(homes, "ada"), skeleton) == ["ada"]
    assert sorted(path.name for path in homes.rglob("*")) == [".bashrc", "ada"]


def test_no_users_need_no_homes(skeleton: Path) -> None:
    assert make_homes("", skeleton) == []
