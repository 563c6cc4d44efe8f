"""Dumps of a real MySQL: a lost row comes back, and half a dump is never loaded."""

import gzip
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from host_agent import dumps
from host_agent.account import Account
from host_agent.dumps import DATABASE, DumpFailed, next_time

from config.render.compose import MYSQL_IMAGE
from tests.host_agent.host import (
    BUCKET,
    CLUSTER,
    PROJECT,
    SECRET,
    Host,
    bundle_text,
    sleeper,
)
from tests.rehearsal.account import REGION

MYSQL = {
    "image": MYSQL_IMAGE,
    "pull_policy": "never",
    "command": ["mysqld", "--innodb-buffer-pool-size=32M", "--performance-schema=OFF"],
    "environment": {
        "MYSQL_DATABASE": DATABASE,
        "MYSQL_ROOT_PASSWORD_FILE": "/run/secrets/database_root_password",
        "MYSQL_ROOT_HOST": "localhost",
    },
    "secrets": [{"source": "slurm_key", "target": "database_root_password"}],
    "healthcheck": {
        "test": [
            "CMD-SHELL",
            'MYSQL_PWD="$$(cat /run/secrets/database_root_password)" '
            f"mysql --host=127.0.0.1 --user=root --execute='SELECT 1' {DATABASE} || "
            'MYSQL_PWD="$$(cat /run/secrets/database_root_password)" '
            f"mysql --protocol=socket --user=root --execute='SELECT 1' {DATABASE}",
        ],
        "interval": "1s",
        "retries": 60,
    },
}


def sql(statement: str) -> str:
    """What MySQL answers."""
    client = (
        'MYSQL_PWD="$(cat /run/secrets/database_root_password)" '
        f'mysql --user=root --skip-column-names --execute="{statement}" {DATABASE}'
    )
    command = ("docker", "compose", "--project-name", PROJECT, "exec", "-T", "mysql")
    done = subprocess.run(
        (*command, "sh", "-c", client), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def database(host: Host) -> Account:
    """A MySQL with a table, and the account that keeps its dumps."""
    host.deliver(bundle_text({"mysql": MYSQL, "slurmdbd": sleeper()}))
    assert host.status()["state"] == "ready", host.status()
    sql("CREATE TABLE jobs (id INT PRIMARY KEY, name TEXT); INSERT INTO jobs VALUES (1, 'first')")
    return Account(region=REGION, cluster=CLUSTER, bucket=BUCKET)


def test_what_was_lost_after_a_dump_comes_back(
    host: Host, database: Account, tmp_path: Path
) -> None:
    name = dumps.dump(PROJECT, database, datetime(2026, 11, 24, 3, 0, tzinfo=UTC))
    assert name == "20261124T030000Z.sql.gz"
    assert database.dumps() == [name]
    told = (tmp_path / "metrics/backup.prom").read_text()
    assert "hpc_stack_backup_last_success_timestamp_seconds 1795489200\n" in told
    sql("DELETE FROM jobs; CREATE TABLE later (id INT)")
    before = host.containers()
    dumps.restore(PROJECT, database, name)
    assert sql("SELECT * FROM jobs") == "1\tfirst"
    assert sql("SHOW TABLES") == "jobs"
    assert host.containers().keys() == before.keys()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("dump-")] == []


@pytest.mark.parametrize("cut", ["compressed", "text"])
def test_half_a_dump_is_refused_before_anything_is_touched(
    host: Host, database: Account, tmp_path: Path, cut: str
) -> None:
    name = dumps.dump(PROJECT, database, datetime(2026, 11, 24, 3, 0, tzinfo=UTC))
    whole = tmp_path / "whole.gz"
    database.download_dump(name, str(whole))
    half = tmp_path / "half.gz"
    if cut == "compressed":
        half.write_bytes(whole.read_bytes()[:-20])
    else:
        half.write_bytes(gzip.compress(gzip.decompress(whole.read_bytes())[:-200]))
    database.upload_dump(str(half), "half.sql.gz")
    sql("INSERT INTO jobs VALUES (2, 'second')")
    with pytest.raises(DumpFailed, match="is not whole"):
        dumps.restore(PROJECT, database, "half.sql.gz")
    assert sql("SELECT COUNT(*) FROM jobs") == "2"
    assert "slurmdbd" in host.containers()


def test_a_dump_that_mysql_refuses_is_no_dump(
    host: Host, database: Account, tmp_path: Path
) -> None:
    sql("DROP DATABASE slurm_acct_db; CREATE DATABASE other")
    with pytest.raises(DumpFailed, match="mysqldump: "):
        dumps.dump(PROJECT, database, datetime.now(UTC))
    assert database.dumps() == []
    assert not (tmp_path / "metrics").exists()


def test_no_secret_is_in_a_dump(host: Host, database: Account, tmp_path: Path) -> None:
    name = dumps.dump(PROJECT, database, datetime.now(UTC))
    path = tmp_path / "dump.gz"
    database.download_dump(name, str(path))
    assert SECRET.encode() not in gzip.decompress(path.read_bytes())


@pytest.mark.parametrize(
    ("now", "at", "expected"),
    [
        ("2026-11-24T02:59:59", "03:00", "2026-11-24T03:00:00"),
        ("2026-11-24T03:00:00", "03:00", "2026-11-25T03:00:00"),
        ("2026-12-31T23:59:00", "00:15", "2027-01-01T00:15:00"),
    ],
)
def test_the_next_dump_is_at_its_time_of_day(now: str, at: str, expected: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert next_time(moment, at) == datetime.fromisoformat(expected).replace(tzinfo=UTC)
