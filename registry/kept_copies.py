"""Folders kept by the digest of what is in them: fetched once, verified, never seen half-written.

One process at a time fetches a digest; whoever waited for it finds the copy there.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from leafgate.manifest import file_digest

DIGEST = re.compile("[0-9a-f]{64}")


def kept_copy(root: Path, digest: str, fetch: Callable[[Path], Path]) -> Path:
    """`root/digest`: the copy that is there and still the same, or else what `fetch` gives.

    fetch: downloads into the empty folder that it is given, and returns the folder to keep, which
    must have that digest; whatever it raises leaves nothing behind. A copy that was changed is
    replaced.
    """
    kept = root / digest
    root.mkdir(parents=True, exist_ok=True)
    with locked(root, digest):
        if is_intact(kept, digest):
            return kept
        shutil.rmtree(kept, ignore_errors=True)
        with _empty_folder(root / f".download-{digest}") as beside:
            fetch(beside).rename(kept)
    return kept


def is_intact(folder: Path, digest: str) -> bool:
    """Whether `folder` is there and its files have that digest; one that changes meanwhile has not.

    Hashing lets other threads run.
    """
    try:
        return folder.is_dir() and folder_digest(folder) == digest
    except OSError:
        return False


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files in `folder`, in hex.

    What is neither a file nor a folder (a link, a device) is never opened, and changes the digest:
    no model is stored with one.
    """
    total = hashlib.sha256()
    for path in sorted(_entries(folder)):
        content = file_digest(path) if is_plain_file(path) else "no file"
        line = f"{path.relative_to(folder).as_posix()}\0{content}\n"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def is_plain_file(path: Path) -> bool:
    """Whether it is a file by itself, and not by a link."""
    return path.is_file() and not path.is_symlink()


def _entries(folder: Path) -> Iterator[Path]:
    """All but the folders themselves; links to folders are not followed."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in files)
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())


@contextmanager
def locked(root: Path, digest: str) -> Iterator[None]:
    """Alone with that digest until the block ends, among all threads and processes."""
    with (root / f".{digest}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, or its process dies
        yield


@contextmanager
def _empty_folder(path: Path) -> Iterator[Path]:
    shutil.rmtree(path, ignore_errors=True)  # a killed process may have left one
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
