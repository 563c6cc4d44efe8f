"""The environment that Pulumi is run in, by what was prepared and what the user has set."""

import json
import stat
from pathlib import Path

import pytest

from ops.environment import EnvironmentProblemError, environment, make_state, read_prepared

BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
STAND_INS = {"python": "stand-in", "command": "stand-in"}
OFFICIAL = {"python": "official", "command": "official"}


def prepare(checkout: Path, directory: str | None, plugins: dict[str, str]) -> None:
    (checkout / ".state").mkdir()
    record = {"version": 1, "pulumi": {"directory": directory}, "plugins": plugins}
    (checkout / ".state" / "prepared.json").write_text(json.dumps(record))


def test_the_users_own_pulumi_gets_a_local_backend_and_nothing_else(tmp_path: Path) -> None:
    prepare(tmp_path, None, OFFICIAL)
    assert environment(tmp_path, surroundings=BARE) == {
        "PATH": f"{tmp_path}/.venv/bin:/usr/bin:/bin",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/.state/pulumi",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{tmp_path}/.state/passphrase",
    }


def test_our_own_pulumi_comes_before_the_rest_of_path(tmp_path: Path) -> None:
    prepare(tmp_path, "/cache/bin", OFFICIAL)
    path = environment(tmp_path, surroundings=BARE)["PATH"]
    assert path == f"{tmp_path}/.venv/bin:/cache/bin:/usr/bin:/bin"


def test_the_environment_of_an_environment_is_the_same(tmp_path: Path) -> None:
    prepare(tmp_path, "/cache/bin", STAND_INS)
    once = {**BARE, **environment(tmp_path, surroundings=BARE)}
    assert {**once, **environment(tmp_path, surroundings=once)} == once


def test_stand_ins_live_in_a_home_of_their_own_and_nothing_is_downloaded(tmp_path: Path) -> None:
    prepare(tmp_path, "/cache/bin", {"python": "official", "command": "stand-in"})
    variables = environment(tmp_path, surroundings=BARE)
    assert variables["PULUMI_HOME"] == f"{tmp_path}/.state/pulumi-home"
    assert variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


@pytest.mark.parametrize("given", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_of_the_user_is_left_alone(tmp_path: Path, given: str) -> None:
    variables = environment(tmp_path, surroundings={**BARE, given: "theirs"})
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in variables


def test_a_backend_that_the_user_set_is_left_alone(tmp_path: Path) -> None:
    variables = environment(tmp_path, surroundings={**BARE, "PULUMI_BACKEND_URL": "s3://theirs"})
    assert "PULUMI_BACKEND_URL" not in variables
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in variables


def log_in(home: Path, current: str) -> dict[str, str]:
    (home / ".pulumi").mkdir()
    (home / ".pulumi" / "credentials.json").write_text(json.dumps({"current": current}))
    return {**BARE, "HOME": str(home)}


def test_a_user_who_is_logged_in_keeps_that_backend(tmp_path: Path) -> None:
    variables = environment(tmp_path, surroundings=log_in(tmp_path, "https://api.pulumi.com"))
    assert "PULUMI_BACKEND_URL" not in variables


def test_stand_ins_do_not_hide_where_the_user_is_logged_in(tmp_path: Path) -> None:
    prepare(tmp_path, "/cache/bin", STAND_INS)
    variables = environment(tmp_path, surroundings=log_in(tmp_path, "https://api.pulumi.com"))
    assert variables["PULUMI_CREDENTIALS_PATH"] == f"{tmp_path}/.pulumi"


def test_a_user_who_logged_out_gets_the_local_backend(tmp_path: Path) -> None:
    variables = environment(tmp_path, surroundings=log_in(tmp_path, ""))
    assert variables["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/.state/pulumi"


def test_blanks_in_the_checkouts_path_are_quoted_in_the_address(tmp_path: Path) -> None:
    variables = environment(tmp_path / "my clone", surroundings=BARE)
    assert variables["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/my%20clone/.state/pulumi"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}'])
def test_an_unreadable_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "prepared.json").write_text(text)
    assert read_prepared(tmp_path) == {}


def test_the_passphrase_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    make_state(tmp_path)
    first = (tmp_path / "passphrase").read_text()
    make_state(tmp_path)
    assert (tmp_path / "passphrase").read_text() == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "passphrase").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["passphrase", "pulumi"]


def test_a_lost_passphrase_is_not_replaced_while_stacks_need_it(tmp_path: Path) -> None:
    make_state(tmp_path)
    stack = tmp_path / "pulumi" / ".pulumi" / "stacks" / "hpc-stack" / "local.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}")
    (tmp_path / "passphrase").unlink()
    with pytest.raises(EnvironmentProblemError, match="passphrase is gone"):
        make_state(tmp_path)
