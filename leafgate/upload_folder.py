"""The folder of kept images: what lies there, and what of it must go.

Files are `uploads/ab/abcdef…`, named by the hash of their bytes; nothing else in the folder is
looked at. Several processes may write and remove at once: whatever vanishes meanwhile is no error.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

OURS = re.compile(r"\.?[0-9a-f]{64}\b")  # with a dot: not written whole yet, or ever


@dataclass(frozen=True)
class Kept:
    """A file. moment: Unix time in seconds, of when its image was sent last."""

    path: str
    moment: float
    size: int


@dataclass(frozen=True)
class Removed:
    """What went, or would go. size: in bytes."""

    files: int = 0
    size: int = 0


def kept_in(folder: Path) -> list[Kept]:
    """All that is kept there, oldest first. Raises OSError where the folder cannot be read."""
    found = [
        file
        for inner in _entries(str(folder))
        if inner.is_dir(follow_symlinks=False)
        for file in _files(inner.path)
    ]
    return sorted(found, key=lambda file: file.moment)


def too_old(kept: Iterable[Kept], before: float) -> list[Kept]:
    """Those sent last before that moment (Unix time in seconds)."""
    return [file for file in kept if file.moment < before]


def too_many(kept: Iterable[Kept], most_bytes: int) -> list[Kept]:
    """The oldest, as many as must go for the rest to fit. kept: oldest first."""
    files = list(kept)
    excess = sum(file.size for file in files) - most_bytes
    going: list[Kept] = []
    for file in files:
        if excess <= 0:
            break
        going.append(file)
        excess -= file.size
    return going


def remove(files: Iterable[Kept]) -> Removed:
    """Remove them, but for those whose image was sent again meanwhile. What resists stays."""
    gone = [file.size for file in files if _remove(file)]
    return Removed(len(gone), sum(gone))


def _remove(file: Kept) -> bool:
    with suppress(OSError):
        if Path(file.path).stat(follow_symlinks=False).st_mtime <= file.moment:
            Path(file.path).unlink()
            return True
    return False


def _files(folder: str) -> Iterator[Kept]:
    for entry in _entries(folder):
        with suppress(FileNotFoundError):
            if OURS.match(entry.name) and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield Kept(entry.path, status.st_mtime, status.st_size)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
