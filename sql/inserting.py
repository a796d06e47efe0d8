"""Full rows into a table, the fastest way that the driver has."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from sql.records import Row

# SQL Server's bounds. Of 2,100 parameters a driver takes three to send a statement: its handle, its
# text, and what its own parameters are.
MAX_PARAMETERS, MAX_ROWS = 2100 - 3, 1000
MAX_TEXT = 4000  # units of NVARCHAR; longer ones go another way
TYPES = "leafgate_parameter_types"  # an execution option
ParameterType = tuple[int, int, int]  # ODBC's number, size, digits
SQL_WVARCHAR = -9
PARAMETER_TYPES: tuple[tuple[type[Any], ParameterType], ...] = (
    (sa.BigInteger, (-5, 0, 0)),
    (sa.Integer, (4, 0, 0)),
    (sa.Float, (8, 0, 0)),
    (sa.Boolean, (-7, 0, 0)),
    (sa.DateTime, (93, 27, 7)),
)
UNKNOWN = -1  # the number of rows, where a server was told not to count (SET NOCOUNT ON)


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert full rows the fastest way that the driver has: COPY on PostgreSQL, pyodbc's bulk mode
    with Microsoft's driver, as many rows in a statement as SQL Server takes with FreeTDS.

    All of them are inserted, or an error is raised, and the transaction is to be rolled back.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    elif connection.dialect.name == "sqlite":
        _insert_tuples(connection, table, rows)
    elif takes_bulk(connection.dialect):
        connection.execute(table.insert(), list(rows))
    else:
        _insert_pages(connection, table, rows)


def takes_bulk(dialect: sa.Dialect) -> bool:
    """Whether the driver sends many rows by itself, or wants other marks for parameters."""
    return bool(getattr(dialect, "fast_executemany", False)) or dialect.paramstyle != "qmark"


def _insert_pages(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Several rows in one INSERT: a statement costs a server much more than a row.

    A column that is NULL in all rows takes none of the parameters: it is left out. The driver is
    told the types of the columns (`tell_types`), so that a statement for as many rows is the same
    one to the server, whose plan it keeps: by itself FreeTDS declares each text as long as it is.
    """
    names = [
        column.name
        for column in table.columns
        if not column.nullable or any(row[column.name] is not None for row in rows)
    ]
    head = f"INSERT INTO {table.name} ({_quoted(connection, names)}) VALUES "  # noqa: S608 - our names
    marks = f"({', '.join('?' * len(names))})"
    size, types = rows_at_once(len(names)), [_type(table.c[name], rows) for name in names]
    for first in range(0, len(rows), size):
        page = rows[first : first + size]
        values = tuple(chain.from_iterable([row[name] for name in names] for row in page))
        done = connection.exec_driver_sql(
            head + ", ".join([marks] * len(page)),
            values,
            execution_options={TYPES: types * len(page)},
        )
        if done.rowcount not in (len(page), UNKNOWN):
            raise RuntimeError(f"{len(page)} rows were sent, and {done.rowcount} stored")


def _type(column: sa.Column[Any], rows: Sequence[Row]) -> ParameterType | None:
    """None: left to the driver."""
    kind = column.type
    if isinstance(kind, sa.String):
        length = kind.length or 0
        fits = 0 < length <= MAX_TEXT and all(_units(row[column.name]) <= length for row in rows)
        return (SQL_WVARCHAR, length, 0) if fits else None
    return next((known for of, known in PARAMETER_TYPES if isinstance(kind, of)), None)


def _units(text: str | None) -> int:
    """Of UTF-16, as SQL Server counts."""
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def tell_types(engine: sa.Engine) -> None:
    """Have what `insert_rows` says of the types of its parameters told to pyodbc."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _on_execute(
        _connection: object,
        cursor: Any,  # noqa: ANN401 - pyodbc's
        _statement: str,
        _values: object,
        context: Any,  # noqa: ANN401 - SQLAlchemy's
        _many: bool,
    ) -> None:
        types = context.execution_options.get(TYPES) if context is not None else None
        if types is not None:
            cursor.setinputsizes(types)


def rows_at_once(columns: int) -> int:
    """How many rows SQL Server takes in one INSERT."""
    return max(1, min(MAX_ROWS, MAX_PARAMETERS // columns))


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
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table.name} ({_quoted(connection, names)}) VALUES ({places})"  # noqa: S608 - our names
    connection.exec_driver_sql(statement, [tuple(each) for each in values])


def _copy(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    names = [column.name for column in table.columns]
    cursor: Any = connection.connection.cursor()  # psycopg's own: SQLAlchemy knows no COPY
    statement = f"COPY {table.name} ({_quoted(connection, names)}) FROM STDIN"
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


def _quoted(connection: sa.Connection, names: Sequence[str]) -> str:
    return ", ".join(connection.dialect.identifier_preparer.quote(name) for name in names)
