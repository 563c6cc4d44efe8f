"""Dumps of the accounting database: taken while everything runs, kept in S3, and brought back."""

import gzip
import subprocess
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from host_agent import engine
from host_agent.account import Account
from host_agent.metrics import tell_dumped

DATABASE = "slurm_acct_db"
COMPLETE = b"-- Dump completed"
"""mysqldump's last line, without which a dump is not whole."""
DUMP_SECONDS = 3600.0
CHUNK = 1 << 20
SCRATCH = Path("/data")

# The password is where the container has it, and reaches the client by its environment.
_AS_ROOT = 'MYSQL_PWD="$(cat /run/secrets/database_root_password)" exec '
# Without the server's own history (GTID), which a server that has one already would refuse.
_OPTIONS = "--single-transaction --routines --no-tablespaces --set-gtid-purged=OFF"
_DUMP = f"{_AS_ROOT}mysqldump --user=root {_OPTIONS} {DATABASE}"
_EMPTY = (
    f"{_AS_ROOT}mysql --user=root --execute="
    f"'DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}'"
)
_LOAD = f"{_AS_ROOT}mysql --user=root {DATABASE}"


class DumpFailed(Exception):
    """A dump could not be taken, or is not whole. The text says what state things are in."""


def next_time(now: datetime, at: str) -> datetime:
    """The next time of day `at` (HH:MM, UTC) after now."""
    hour, _, minute = at.partition(":")
    today = now.astimezone(UTC).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def dump(project: str, account: Account, now: datetime) -> str:
    """Take one, and keep it; its name. Raises DumpFailed, AwsUnavailable."""
    name = f"{now:%Y%m%dT%H%M%SZ}.sql.gz"
    with TemporaryDirectory(dir=SCRATCH, prefix="dump-") as folder:
        path = Path(folder) / name
        _dump_to(project, path)
        check(path)
        account.upload_dump(str(path), name)
    tell_dumped(now.timestamp(), SCRATCH / "metrics")
    return name


def _dump_to(project: str, path: Path) -> None:
    command = engine.in_service(project, "mysql", "sh", "-c", _DUMP)
    with (
        gzip.open(path, "wb") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        for chunk in iter(lambda: process.stdout.read(CHUNK), b""):  # type: ignore[union-attr]
            file.write(chunk)
        _, said = process.communicate(timeout=DUMP_SECONDS)
    if process.returncode:
        raise DumpFailed(f"mysqldump: {said.decode(errors='replace').strip()}")


def check(path: Path) -> None:
    """Raises DumpFailed for a file that is not a whole dump."""
    tail = b""
    try:
        for chunk in _chunks(path):
            tail = (tail + chunk)[-4096:]
    except (OSError, EOFError, zlib.error) as error:
        raise DumpFailed(f"{path.name} is not whole: {error}") from None
    if COMPLETE not in tail:
        raise DumpFailed(f"{path.name} is not whole: mysqldump's last line is missing")


def restore(project: str, account: Account, name: str) -> None:
    """Bring the database to what a dump says. Raises DumpFailed, AwsUnavailable, EngineFailed.

    slurmctld goes on meanwhile, and tells slurmdbd afterwards what has happened.
    """
    with TemporaryDirectory(dir=SCRATCH, prefix="restore-") as folder:
        path = Path(folder) / name
        account.download_dump(name, str(path))
        check(path)
        engine.stop_service(project, "slurmdbd")
        try:
            _mysql(project, _EMPTY, iter(()))
            _mysql(project, _LOAD, _chunks(path))
        except DumpFailed as error:
            raise DumpFailed(
                f"{error}. The database is not whole and slurmdbd is stopped; the dump is "
                "untouched: run the same command again"
            ) from None
        engine.start_service(project, "slurmdbd")


def _mysql(project: str, script: str, content: Iterator[bytes]) -> None:
    command = engine.in_service(project, "mysql", "sh", "-c", script)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        try:
            for chunk in content:
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass  # it says why
        _, said = process.communicate(timeout=DUMP_SECONDS)
    if process.returncode:
        raise DumpFailed(f"mysql: {said.decode(errors='replace').strip()}")


def _chunks(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
