"""exporter.json is read strictly, with errors that name the key, the value and what is allowed."""

import json
from pathlib import Path
from typing import Any

import pytest
from job_exporter.settings_file import SettingsError, parse_settings, read_settings

from tests.job_exporter.builders import make_settings, settings_document


def accounts(**parts: Any) -> dict[str, Any]:
    return settings_document(accounts=parts)


def test_the_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "exporter.json"
    path.write_text(json.dumps(settings_document(added_later=1)))
    settings = read_settings(path)
    assert (settings.cluster, settings.query_seconds, settings.queue_seconds) == ("local", 60, 15)
    assert settings.budgets == {"root": 500.0, "physics": 100.0}
    assert settings.budget_period == "month"
    assert make_settings(users=["ada", "ben"]).users == {"ada", "ben"}
    assert make_settings().prometheus is None
    assert make_settings(prometheus="prometheus:9090").prometheus == "prometheus:9090"


def test_an_accounts_lineage_ends_at_root() -> None:
    settings = make_settings()
    assert list(settings.lineage("lattice")) == ["lattice", "physics", "root"]
    assert list(settings.lineage("removed-long-ago")) == ["removed-long-ago", "root"]
    assert list(settings.lineage("root")) == ["root"]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "the document: expected an object, found []"),
        (
            settings_document(version=2),
            "version: 2 is not known; this job exporter reads version 1",
        ),
        (settings_document(version=True), "version: expected int, found true"),
        (settings_document(cluster=7), "cluster: expected str, found 7"),
        (settings_document(queue_seconds=0), "queue_seconds: 0 is too small; at least 1"),
        (
            settings_document(budget_period="week"),
            'budget_period: "week" is none of month, quarter, year, forever',
        ),
        (settings_document(job_comments=1), "job_comments: expected true or false, found 1"),
        (settings_document(prometheus=9090), "prometheus: expected HOST:PORT, found 9090"),
        (
            settings_document(prometheus="http://prometheus:9090"),
            'prometheus: expected HOST:PORT, found "http://prometheus:9090"',
        ),
        (settings_document(max_users=1.5), "max_users: expected int, found 1.5"),
        (settings_document(users={"ada": 1}), 'users: expected a list of names, found {"ada": 1}'),
        (settings_document(users=["ada", 1]), 'users: expected a list of names, found ["ada", 1]'),
        ({"version": 1}, "accounts: missing"),
        (accounts(a=3), "accounts.a: expected an object, found 3"),
        (accounts(a={"budget_dollars": None}), "accounts.a.parent: missing"),
        (
            accounts(a={"parent": "root", "budget_dollars": "much"}),
            'accounts.a.budget_dollars: expected a number or null, found "much"',
        ),
        (
            accounts(a={"parent": "root", "budget_dollars": 0}),
            "accounts.a.budget_dollars: 0 is not more than 0",
        ),
        (
            accounts(a={"parent": "root", "tres_minutes": "cpu=5"}),
            'accounts.a.tres_minutes: expected an object, found "cpu=5"',
        ),
        (
            accounts(a={"parent": "root", "tres_minutes": {"cpu": 1.5}}),
            "accounts.a.tres_minutes.cpu: expected int, found 1.5",
        ),
        (accounts(a={"parent": "b"}), 'accounts.a.parent: "b" is not in accounts, nor "root"'),
        (accounts(a={"parent": "b"}, b={"parent": "a"}), "accounts.a.parent: a -> b -> a"),
    ],
)
def test_what_is_wrong_is_named(document: object, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(document)
    assert text in str(error.value)


def test_a_file_that_is_not_there_or_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "exporter.json"
    with pytest.raises(SettingsError, match=r"exporter\.json: cannot be read: No such file"):
        read_settings(path)
    path.write_text("{")
    with pytest.raises(SettingsError, match=r"exporter\.json: not JSON"):
        read_settings(path)
