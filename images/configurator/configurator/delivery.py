"""Files from the bundle into a shared volume: whole or not at all, never half-written."""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

Texts = Mapping[str, str]


def read_tree(root: Path) -> dict[str, str]:
    """Text of each file below `root`, by its path relative to it; hidden files are not ours."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def write_tree(root: Path, texts: Texts) -> None:
    """Make the files below `root` exactly `texts`: each replaced in one step, others removed."""
    for name, text in texts.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and target.read_text() == text:
            continue
        draft = target.with_name(f".{target.name}.new")
        draft.write_text(text)
        draft.chmod(0o640 if target.name == "shadow" else 0o644)
        draft.replace(target)
    for name in read_tree(root).keys() - texts.keys():
        (root / name).unlink()


def digest(texts: Texts) -> str:
    """A name for exactly these texts."""
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()


def make_homes(passwd: str, skeleton: Path = Path("/etc/skel")) -> list[str]:
    """Create the missing home directories of a passwd file's users; returns their users' names."""
    created = []
    for line in passwd.splitlines():
        name, _, uid, gid, _, home, _ = line.split(":")
        directory = Path(home)
        if directory.exists():
            continue
        # Filled under another name first: a home that exists is complete.
        draft = directory.with_name(f".{name}.new")
        draft.mkdir(mode=0o700, parents=True, exist_ok=True)
        for source in skeleton.iterdir():
            copy = draft / source.name
            copy.write_bytes(source.read_bytes())
            os.chown(copy, int(uid), int(gid))
        os.chown(draft, int(uid), int(gid))
        with contextlib.suppress(FileExistsError):
            draft.rename(directory)
            created.append(name)
    return created
