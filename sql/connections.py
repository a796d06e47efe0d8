"""Connections and transactions, with the errors that a caller expects.

Two gaps in SQLAlchemy's own blocks are closed here. Some calls of a driver (to set an isolation
level, to put it back, to close) raise the driver's own error, which `except DBAPIError` misses. And
where the block fails and the ROLLBACK after it fails too, as over a connection that was cut, only
the second error would be seen; the first is the one that says what to do.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import DBAPIError

DRIVERS = frozenset({"sqlite3", "psycopg", "pyodbc"})

log = logging.getLogger(__name__)


@contextmanager
def opened(
    engine: sa.Engine, isolation_level: IsolationLevel | None = None
) -> Iterator[sa.Connection]:
    """Yield a connection, and close it. Its transaction is rolled back where it is not committed.

    Raises what the block raises, whatever happens while the connection is closed; the driver's own
    errors as SQLAlchemy's.
    """
    with driver_errors(engine):
        connection = engine.connect()
        try:
            if isolation_level is not None:
                connection.execution_options(isolation_level=isolation_level)
            yield connection
        finally:
            if isolation_level is not None:
                _put_back_level(connection)
            _close(connection)


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection whose transaction is committed at the end of the block, or rolled back."""
    with opened(engine) as connection, committing(connection):
        yield connection


@contextmanager
def committing(connection: sa.Connection) -> Iterator[None]:
    """Begin a transaction, and commit it at the end of the block, unless the block rolled back.

    Raises what the block raises, or COMMIT. A failing ROLLBACK is not raised: the connection is
    given up, and the server rolls back what it was cut off from.
    """
    begun = connection.begin()
    try:
        yield
        if begun.is_active:
            begun.commit()
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sa.Connection) -> None:
    """Roll back; where that fails, the connection is given up, and the server does it."""
    _give_up_unless(connection, connection.rollback)


@contextmanager
def driver_errors(engine: sa.Engine) -> Iterator[None]:
    """Raise an error of the driver's own as SQLAlchemy's DBAPIError."""
    try:
        yield
    except Exception as error:
        if not is_of_a_driver(error):
            raise
        raise wrapped(engine, error) from error


def is_of_a_driver(error: Exception) -> bool:
    """Whether it is a driver's own `Error` (PEP 249), which SQLAlchemy has not wrapped."""
    return any(
        kind.__name__ == "Error" and kind.__module__.partition(".")[0] in DRIVERS
        for kind in type(error).__mro__
    )


def wrapped(engine: sa.Engine, error: Exception, statement: str | None = None) -> DBAPIError:
    """Return the error as SQLAlchemy would raise it."""
    base = next(kind for kind in type(error).__mro__ if kind.__name__ == "Error")
    dialect = engine.dialect
    cut = False
    with suppress(Exception):  # a dialect that is asked about another driver's error
        cut = dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
    found = DBAPIError.instance(
        statement, None, error, base, connection_invalidated=cut, dialect=dialect
    )
    assert isinstance(found, DBAPIError)  # noqa: S101 - of any other error it makes others
    return found


def _put_back_level(connection: sa.Connection) -> None:
    """Before the pool does: it would lose a connection whose level it cannot put back."""
    roll_back(connection)
    if not connection.invalidated:
        raw = connection.connection.dbapi_connection
        assert raw is not None  # noqa: S101 - it is not invalidated
        _give_up_unless(connection, partial(connection.dialect.reset_isolation_level, raw))


def _close(connection: sa.Connection) -> None:
    _give_up_unless(connection, connection.close)
    with suppress(Exception):
        connection.close()


def _give_up_unless(connection: sa.Connection, end: Callable[[], object]) -> None:
    """Roll back or close; where that fails, nobody gets the connection again."""
    try:
        end()
    except Exception as error:  # noqa: BLE001 - what came before is what counts
        log.warning("a connection to the database did not end well: %s", _line(error))
        with suppress(Exception):
            connection.invalidate()


def _line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:300]
