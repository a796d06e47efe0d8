"""Putting entries into the tables: many at a time, once each, with the hourly counts they make."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from sql.by_ids import rows_by_ids
from sql.connections import committing, opened
from sql.database_file import require_in_place
from sql.inserting import insert_rows
from sql.records import TABLES, Entry, Row, Rows, rows_of
from sql.refusals import is_duplicate
from sql.schema import feedback, hourly
from sql.tallies import part_of, tally
from sql.told import with_what_was_told

MEETINGS = 5  # with others who store the same


def store(engine: sa.Engine, entries: Sequence[Rows]) -> None:
    """Store those that are not stored yet, in one transaction.

    Raises what the database does, and then nothing is stored. Others may store some of the same
    entries meanwhile; only where they do so again and again, IntegrityError comes of it. Whatever
    else the database refuses is not tried again here.
    DatabaseFileMoved: they may be stored in a file that is in no folder any more.
    """
    known: dict[tuple[str, str], Rows] = {_key(entry): entry for entry in entries}
    unexplained = False
    for last in (False,) * MEETINGS + (True,):
        try:
            with opened(engine) as connection:
                with committing(connection):
                    _insert_all(connection, list(known.values()))
                require_in_place(connection)
            return
        except DBAPIError as error:
            if last or not is_duplicate(error):
                raise
            found_duplicate = error
        # Some are there: an answer was lost on its way, or others have them.
        with opened(engine) as connection:
            there = _stored(connection, list(known))
            require_in_place(connection)
        if not there and unexplained:  # two of these have the same key
            raise found_duplicate
        unexplained = not there
        for key in there:
            del known[key]


def store_entries(engine: sa.Engine, entries: Sequence[Entry]) -> None:
    """The same with entries that lay in no outbox."""
    store(engine, [rows_of(entry.as_json()) for entry in entries])


def _key(entry: Rows) -> tuple[str, str]:
    """Table and id of the row that says whether the entry is stored."""
    table = next(iter(entry))
    return table, entry[table][0]["id"]


def _insert_all(connection: sa.Connection, entries: Sequence[Rows]) -> None:
    for name, table in TABLES.items():
        rows = [row for entry in entries for row in entry.get(name, ())]
        if table is feedback:
            rows = with_what_was_told(connection, entries)
        rows.sort(key=_id)  # in everybody's order: else two who have the same wait for each other
        insert_rows(connection, table, rows)
    insert_rows(connection, hourly, part_of(tally(entries)))


def _id(row: Row) -> str:
    return str(row["id"])


def _stored(connection: sa.Connection, keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, table in TABLES.items():
        ids = [identifier for of, identifier in keys if of == name]
        rows = rows_by_ids(connection, sa.select(table.c.id), table.c.id, ids)
        found += [(name, row["id"]) for row in rows]
    return found
