"""Which file is whose: each process has an outbox of its own, and inherits those of the dead.

A folder belongs to one database. A file in it is held by the lock beside it, which the operating
system lets go of when the process ends, however it ends. Not for network file systems.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sql.database_file import identity_of
from sql.outbox import Outbox
from sql.outbox_file import Sync

MOST = 4096  # processes that share a folder
LOOK = (
    "SELECT COALESCE((SELECT MAX(number) FROM entries) - (SELECT MIN(number) FROM entries) + 1, 0),"
    " (SELECT at FROM entries ORDER BY number LIMIT 1), (SELECT COUNT(*) FROM set_aside)"
)


class Lock:
    """What says that an outbox of the folder is this process's."""

    def __init__(self, folder: Path, number: int, opened: BinaryIO) -> None:
        self.folder, self._number, self._opened = folder, number, opened

    @property
    def file(self) -> Path:
        """Of the outbox."""
        return self.folder / f"{self._number}.db"

    def move(self) -> Path:
        """Take the place of an outbox that is not there, since ours is gone or another's. Raises
        OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(MOST):
            if (self.folder / f"{number}.db").exists():
                continue
            path = self.folder / f"{number}.lock"
            stat = os.fstat(self._opened.fileno())
            if number == self._number and identity_of(path) == (stat.st_dev, stat.st_ino):
                return self.file  # the lock is still ours
            if (opened := _lock(path)) is not None:
                self._opened.close()
                self._number, self._opened = number, opened
                return self.file
        raise OSError(f"{self.folder}: {MOST} processes have an outbox there")

    def close(self) -> None:
        """Let another process have it."""
        self._opened.close()


@dataclass(frozen=True)
class Held:
    """An outbox of this process, and the lock that says so."""

    outbox: Outbox
    lock: Lock

    def let_go(self) -> None:
        """Close the file; another process may take it."""
        self.outbox.close()
        self.lock.close()


def take_outbox(folder: Path, sync: Sync = "normal") -> Held:
    """The first outbox of the folder that nobody holds: a new one, or one left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(MOST):
        opened = _lock(folder / f"{number}.lock")
        if opened is None:
            continue
        lock = Lock(folder, number, opened)
        try:
            return Held(Outbox(lock.file, sync, lock.move), lock)
        except BaseException:
            lock.close()
            raise
    raise OSError(f"{folder}: {MOST} processes have an outbox there")


def move_outbox(file: Path, into: Path) -> Path:
    """Give an outbox that this process holds to another folder, under a number that is free there.

    Returns where it is now. Raises OSError.
    """
    into.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(MOST):
        place = into / f"{number}.db"
        with locked(place.with_suffix(".lock")) as ours:
            if ours and not place.exists():
                return file.rename(place)
    raise OSError(f"{into}: {MOST} processes have an outbox there")


@contextmanager
def orphan(*folders: Path) -> Iterator[Outbox | None]:
    """An outbox with entries whose process is gone, held while the block runs; None: there is none.

    One that is empty in the end is removed.
    """
    for file in sorted(file for folder in folders for file in folder.glob("*.db")):
        if not _has_entries(file):
            continue
        lock = _lock(file.with_suffix(".lock"))
        if lock is None:
            continue
        with lock:
            outbox = Outbox(file)
            try:
                yield outbox
            finally:
                outbox.close()
                if outbox.is_vacant:
                    for ending in ("", "-wal", "-shm"):
                        Path(f"{file}{ending}").unlink(missing_ok=True)
        return
    yield None


@dataclass(frozen=True)
class Backlog:
    """What is in the outboxes of folders, whoever holds them."""

    entries: int = 0
    oldest_age_seconds: float = 0.0
    set_aside: int = 0


def waiting_in(*folders: Path) -> Backlog:
    """A quick look: entries are counted from first to last, as if none between were gone."""
    entries, aside, oldest = 0, 0, None
    for file in (file for folder in folders for file in folder.glob("*.db")):
        with suppress(sqlite3.Error), opened_to_read(file) as connection:
            number, at, refused = connection.execute(LOOK).fetchone()
            entries, aside = entries + number, aside + refused
            if at is not None:
                oldest = min(at, oldest or at)
    age = max(0.0, time.time() - oldest) if oldest is not None else 0.0
    return Backlog(entries, age, aside)


def _has_entries(file: Path) -> bool:
    with suppress(sqlite3.Error), opened_to_read(file) as connection:
        return connection.execute("SELECT 1 FROM entries LIMIT 1").fetchone() is not None
    return False


@contextmanager
def opened_to_read(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an outbox, whoever holds it, that changes nothing. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; False where somebody else has it."""
    lock = _lock(file)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.close()


def _lock(file: Path) -> BinaryIO | None:
    """The lock, until it is closed; None where another process, or part of this one, has it."""
    opened = file.open("ab")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        opened.close()
        return None
    return opened
