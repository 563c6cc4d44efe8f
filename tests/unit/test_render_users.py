"""The user database, read back as the C library reads it."""

from config.render.user_database import user_database
from tests.unit.snapshots.rendered import load_settings

SETTINGS = load_settings()
FILES = user_database(SETTINGS)


def rows(name: str, columns: int) -> dict[str, list[str]]:
    """A file's lines by user, each with its number of columns."""
    found = [line.split(":") for line in FILES[name].splitlines()]
    assert {len(row) for row in found} == {columns}
    assert len({row[0] for row in found}) == len(found)
    return {row[0]: row for row in found}


def test_every_user_has_a_line_in_each_file() -> None:
    users = SETTINGS.users.keys()
    assert rows("passwd", 7).keys() == rows("group", 4).keys() == rows("shadow", 9).keys() == users


def test_each_user_has_a_group_of_the_same_name_and_number() -> None:
    groups = {row[0]: int(row[2]) for row in rows("group", 4).values()}
    for name, row in rows("passwd", 7).items():
        uid = SETTINGS.users[name].uid
        assert (int(row[2]), int(row[3]), groups[name]) == (uid, uid, uid)


def test_homes_shells_and_names_are_as_people_expect() -> None:
    *_, full_name, home, shell = rows("passwd", 7)["zoe"]
    assert (full_name, home, shell) == ("Zoë Zuse", "/home/zoe", "/bin/bash")


def test_no_password_lets_anybody_in_and_no_account_is_locked() -> None:
    assert {row[1] for row in rows("passwd", 7).values()} == {"x"}
    # '!' would lock the account, also for SSH keys.
    assert {row[1] for row in rows("shadow", 9).values()} == {"*"}


def test_the_first_user_by_number_comes_first() -> None:
    assert list(rows("passwd", 7)) == ["zoe", "ada", "ben"]


def test_keys_are_written_one_a_line_for_those_who_have_any() -> None:
    keys = {name: text for name, text in FILES.items() if name.startswith("ssh/")}
    assert keys.keys() == {"ssh/zoe"}
    assert keys["ssh/zoe"].splitlines() == list(SETTINGS.users["zoe"].ssh_keys)
    assert keys["ssh/zoe"].endswith("\n")
