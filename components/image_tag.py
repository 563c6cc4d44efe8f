"""The tag of the cluster's images, made of what they are built from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

SOURCES = (Path("images"), Path("examples"))


def content_tag(software: Sequence[str], roots: Sequence[Path] = SOURCES) -> str:
    """A tag that changes exactly when what the images are built from does."""
    content = hashlib.sha256(" ".join(sorted(software)).encode())
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                executable = bool(path.stat().st_mode & 0o100)
                content.update(f"{path} {executable} {path.stat().st_size}\n".encode())
                content.update(path.read_bytes())
    return content.hexdigest()[:12]
