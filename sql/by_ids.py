"""Rows by their ids, however many: a database takes only so many in one question."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

ASKED_AT_ONCE = 500  # ids; SQL Server takes 2,100 parameters


def rows_by_ids(
    connection: sa.Connection,
    query: sa.Select[Any],
    column: sa.ColumnElement[str],
    ids: Sequence[str],
) -> Iterator[sa.RowMapping]:
    """The rows of `query` whose `column` is one of the ids."""
    for first in range(0, len(ids), ASKED_AT_ONCE):
        among = column.in_(ids[first : first + ASKED_AT_ONCE])
        yield from connection.execute(query.where(among)).mappings().all()
