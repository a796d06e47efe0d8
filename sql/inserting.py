"""Full rows into a table, the fastest way that the driver has."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sql.records import Row


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert full rows the fastest way that the driver has: COPY on PostgreSQL, pyodbc's bulk mode
    with Microsoft's driver, as many rows in a statement as SQL Server takes with FreeTDS.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    elif connection.dialect.name == "sqlite":
        _insert_tuples(connection, table, rows)
    else:
        connection.execute(table.insert(), list(rows))


def _insert_tuples(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """As SQLAlchemy would store them in SQLite, where most of the time would be its own."""
    names = [column.name for column in table.columns]
    moments = [
        place for place, column in enumerate(table.columns) if isinstance(column.type, sa.DateTime)
    ]
    values = [[row[name] for name in names] for row in rows]
    for each in values:
        for place in moments:
            if each[place] is not None:
                each[place] = each[place].isoformat(" ", "microseconds")
    quoted = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in names)
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table.name} ({quoted}) VALUES ({places})"  # noqa: S608 - our names
    connection.exec_driver_sql(statement, [tuple(each) for each in values])


def _copy(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    names = [column.name for column in table.columns]
    quoted = ", ".join(connection.dialect.identifier_preparer.quote(name) for name in names)
    cursor: Any = connection.connection.cursor()  # psycopg's own: SQLAlchemy knows no COPY
    statement = f"COPY {table.name} ({quoted}) FROM STDIN"
    try:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    except Exception as error:
        wrapped = connection.dialect.dbapi  # as SQLAlchemy would raise it
        if wrapped is not None and isinstance(error, wrapped.Error):
            raise sa.exc.DBAPIError.instance(
                statement, None, error, wrapped.Error, dialect=connection.dialect
            ) from error
        raise
    finally:
        cursor.close()
