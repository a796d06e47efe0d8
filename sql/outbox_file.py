"""The SQLite file of an outbox: opened, and written anew where it was deleted while it was open."""

import logging
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Sync = Literal["normal", "full"]
FORMAT = 1
TABLES = (
    "CREATE TABLE IF NOT EXISTS entries ("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, body TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS set_aside ("
    "number INTEGER PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL, error TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS trials (body BLOB NOT NULL)",
)
# Numbers stay: who has read entries removes them by theirs.
COPIED = {"entries": "number, at, body", "set_aside": "number, at, body, error"}
LAST_NUMBER = "SELECT seq FROM sqlite_sequence WHERE name = 'entries'"
WAIT_SECONDS = 10.0


def open_outbox_file(file: Path, sync: Sync) -> sqlite3.Connection:
    """A connection to the file; one that is damaged is kept for a person, and another one begun."""
    try:
        return connect_outbox(file, sync)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # no such folder, full disk
            raise
        broken = file.with_suffix(f".broken-{int(time.time())}")
        file.rename(broken)
        for beside in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{file}{beside}").rename(f"{broken}{beside}")
        log.error("outbox: %s is damaged (%s); it is kept as %s", file, error, broken)
        return connect_outbox(file, sync)


def connect_outbox(file: Path, sync: Sync) -> sqlite3.Connection:
    """A connection to the file, with its tables. Raises sqlite3.DatabaseError."""
    connection = sqlite3.connect(
        file, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", f"synchronous={sync}"):
            connection.execute(f"PRAGMA {pragma}")
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA user_version={FORMAT}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def copy_entries(source: sqlite3.Connection, file: Path, sync: Sync) -> sqlite3.Connection:
    """A new file with all that an open one holds, and a connection to it. Raises sqlite3.Error."""
    copy = connect_outbox(file, sync)
    try:
        copy.execute("BEGIN IMMEDIATE")
        for table, columns in COPIED.items():
            places = ", ".join("?" * len(columns.split(",")))
            rows = source.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - our names
            copy.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)  # noqa: S608
        last = source.execute(LAST_NUMBER).fetchone()
        copy.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        if last is not None:
            copy.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", last)
        copy.execute("COMMIT")
    except BaseException:
        copy.close()
        raise
    return copy
