"""The file of a SQLite database, which somebody may delete, move or replace while it is open.

SQLite would go on with the file that was opened, which is then in no folder, and what it stores
ends with the process. So each connection remembers which files it opened (device and inode), and is
used no more once other files, or none, lie at their place. Once a file was there it is not created
anew: an empty database without users and audit trail must not take its place unnoticed.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

CHECKPOINT_WAIT_MS = 500
SAVE_SECONDS = 1.0
log = logging.getLogger(__name__)

INFO = "database_file"  # where a connection keeps its `OpenFiles`

Identity = tuple[int, int]  # device and inode


class DatabaseFileMoved(ConnectionError):
    """What was just stored may be in a file that lies in no folder, or elsewhere."""


@dataclass(frozen=True)
class OpenFiles:
    """The files of a connection: the database, its write-ahead log and that log's index."""

    path: Path
    database: Identity
    wal_path: Path
    wal: Identity | None
    index_path: Path
    index: Identity | None

    @staticmethod
    def at(path: Path) -> "OpenFiles | None":
        """Those that lie there; None where there is no database."""
        database = identity_of(path)
        if database is None:
            return None
        target = path.resolve()  # of a link: SQLite puts the others there
        wal, index = (target.with_name(f"{target.name}{ending}") for ending in ("-wal", "-shm"))
        return OpenFiles(path, database, wal, identity_of(wal), index, identity_of(index))

    @property
    def is_in_place(self) -> bool:
        """Whether they still lie there: all that is committed is in them."""
        return self.has_database and (self.wal is None or identity_of(self.wal_path) == self.wal)

    @property
    def has_database(self) -> bool:
        """Whether the database does; the log alone may be gone."""
        return identity_of(self.path) == self.database

    def remove_leftovers(self) -> None:
        """Remove the log and its index of a database that is not there any more: SQLite would take
        them for those of the next one in its place.
        """
        with suppress(OSError), _folder_locked(self.wal_path.parent):
            for path, identity in ((self.wal_path, self.wal), (self.index_path, self.index)):
                if identity is not None and identity_of(path) == identity:
                    path.unlink()


def identity_of(path: Path) -> Identity | None:
    """Device and inode of a file; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - before each entry is confirmed: twice as quick
    except OSError:
        return None
    return found.st_dev, found.st_ino


def database_path(engine: sa.Engine) -> Path | None:
    """Of the file of a SQLite database; None for another database, or one in memory."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name.startswith((":memory:", "file:")):
        return None
    return Path(name).absolute()


def is_gone(engine: sa.Engine) -> bool:
    """Whether there is no file of a SQLite database."""
    return database_path(engine) is not None and file_identity(engine) is None


def file_identity(engine: sa.Engine) -> Identity | None:
    """Device and inode of the file of a SQLite database; None for other ones, or without a file."""
    path = database_path(engine)
    return identity_of(path) if path is not None else None


def require_in_place(connection: sa.Connection) -> None:
    """Raises DatabaseFileMoved where what this connection has committed is not in its place."""
    files: OpenFiles | None = connection.info.get(INFO)
    if files is None or files.is_in_place:
        return
    raw: Any = connection.connection.dbapi_connection
    if not files.has_database or not save_log(raw):
        raise DatabaseFileMoved("the database file was deleted or replaced while it was written to")


def watch_file(engine: sa.Engine, may_create: bool) -> None:
    """Have the engine use connections only while their files are in place.

    may_create: whether the first connection may create the file; no later one may.
    """
    path = database_path(engine)
    if path is None:
        return
    known = {"file": not may_create}

    @sa.event.listens_for(engine, "do_connect")
    def _on_opening(_dialect: object, _record: object, args: Any, options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        if known["file"]:
            if identity_of(path) is None:
                raise gone()
            args[0] = f"{path.as_uri()}?mode=rw"  # never creates it
            options["uri"] = True

    @sa.event.listens_for(engine, "connect")
    def _on_connect(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        found = OpenFiles.at(path)
        if found is None:
            raise gone()
        known["file"] = True
        record.info[INFO] = found

    @sa.event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: sa.pool.ConnectionPoolEntry, _: object) -> None:  # noqa: ANN401 - sqlite3's
        files: OpenFiles | None = record.info.get(INFO)
        if files is None or files.is_in_place:
            return
        if files.has_database:
            save_log(connection)
            return
        _checkpoint(connection, "TRUNCATE")  # so that the file is whole, wherever it is now
        files.remove_leftovers()
        raise sa.exc.InvalidatePoolError("another file lies in the place of the database, or none")


def gone() -> sqlite3.OperationalError:
    """The error of a database whose file is gone; SQLAlchemy raises it as its own."""
    error = sqlite3.OperationalError(
        "the database file is gone: put it back, or restart the service to begin with an empty one"
    )
    error.sqlite_errorcode = (
        sqlite3.SQLITE_CANTOPEN
    )  # as SQLite says it of one that was never there
    return error


def save_log(connection: sqlite3.Connection) -> bool:
    """Whether all that was committed is in the database file now, where the log was deleted.

    The connection stays in use: another log for the same database, beside the one that is still
    open, would damage it.
    """
    log.error(
        "the write-ahead log of a database was deleted while it was open: restart the service"
    )
    deadline = time.monotonic() + SAVE_SECONDS
    while not _checkpoint(connection, "PASSIVE"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)  # somebody reads what an older checkpoint left
    return True


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Whether the whole write-ahead log is in the database file that the connection opened."""
    with suppress(sqlite3.Error):
        (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")
        (is_busy, frames, written) = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        connection.execute(f"PRAGMA busy_timeout={before}")
        return not is_busy and frames == written
    return False


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """No other process of ours removes files of the folder meanwhile."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
