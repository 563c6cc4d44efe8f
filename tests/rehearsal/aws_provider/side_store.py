"""What moto has not: resources that are kept as they were declared, in a file."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLE = "HPC_STACK_REHEARSAL_STORE"


class SideStore:
    """A JSON file of resources by id, that several requests at a time may change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_environment(cls) -> "SideStore":
        return cls(Path(os.environ[VARIABLE]))

    def get(self, name: str) -> Any:
        with self._open() as content:
            return content.get(name)

    def put(self, name: str, value: Any) -> None:
        with self._open() as content:
            content[name] = value

    def drop(self, name: str) -> None:
        with self._open() as content:
            content.pop(name, None)

    def all(self) -> dict[str, Any]:
        with self._open() as content:
            return dict(content)

    @contextmanager
    def _open(self) -> Iterator[dict[str, Any]]:
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = file.read()
            content: dict[str, Any] = json.loads(before or "{}")
            yield content
            after = json.dumps(content, sort_keys=True)
            if after != before:
                file.truncate(0)
                file.write(after)
