"""Entries that the database refused: looking at them, and trying them again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leafgate.errors import UserError
from sql.outbox_folder import Backlog, locked, move_outbox, opened_to_read, waiting_in


@dataclass(frozen=True)
class SetAside:
    """One of them. at: Unix time in seconds; body: JSON, see sql/records.py."""

    file: Path
    number: int
    at: float
    body: str
    error: str


def outboxes(var_dir: Path) -> dict[Path, Backlog]:
    """What is in each folder of outboxes on this host: one a database that was written to."""
    return {folder: waiting_in(folder) for folder in sorted((var_dir / "outbox").glob("*/"))}


def list_set_aside(folder: Path) -> list[SetAside]:
    """All that was set aside in a folder, in the order of arrival."""
    found = []
    for file in sorted(folder.glob("*.db")):
        with suppress(sqlite3.Error), opened_to_read(file) as connection:
            rows = connection.execute(
                "SELECT number, at, body, error FROM set_aside ORDER BY number"
            )
            found += [SetAside(file, *row) for row in rows]
    return found


def retry_set_aside(folder: Path) -> int:
    """Put them back among those that wait. Returns how many.

    Raises UserError where a running service has an outbox open: it counts what is in its own.
    """
    with_some = sorted({each.file for each in list_set_aside(folder)})
    return sum(_put_back(file) for file in with_some)


def adopt_outboxes(folder: Path, own: Path) -> int:
    """Move the outboxes of a folder into `own`, for whose database they are from now on.

    Returns how many entries wait or are set aside in them. Raises UserError where it is no folder
    of outboxes, or a running service has one open.
    """
    files = sorted(folder.glob("*.db"))
    if not files or folder.resolve() == own.resolve():
        raise UserError(
            f"{folder} has no outboxes to adopt",
            "name another folder that `leafgate db outbox` lists",
            code="bad_option",
        )
    backlog = waiting_in(folder)
    for file in files:
        with _held(file):
            move_outbox(file, own)
    return backlog.entries + backlog.set_aside


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Hold an outbox. Raises UserError where a service has it."""
    with locked(file.with_suffix(".lock")) as ours:
        if not ours:
            raise UserError(
                f"{file} belongs to a service that runs",
                "stop the service, give the command again, and start it: it moves them at once",
                code="outbox_in_use",
            )
        yield


def _put_back(file: Path) -> int:
    with _held(file), closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "INSERT INTO entries (at, body) SELECT at, body FROM set_aside ORDER BY number"
        )
        return connection.execute("DELETE FROM set_aside").rowcount
