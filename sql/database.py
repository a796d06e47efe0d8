"""Opening the database of one URL."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from leafgate.errors import UserError
from leafgate.sqlite_url import readable
from leafgate.url_secrets import require_readable
from sql.busy import is_busy
from sql.connections import driver_errors, opened
from sql.database_file import watch_file
from sql.inserting import MAX_PARAMETERS, tell_types
from sql.rights import lacks_rights

log = logging.getLogger(__name__)

SETTING = "LEAFGATE_DATABASE_URL"
SQLITE_WAIT_MS = 15_000
CONNECT_SECONDS = 10
# libpq's: seconds to connect; then a connection whose other end is silent is given up.
PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def open_database(url: str, *, may_create: bool = True) -> sa.Engine:
    """An engine for `url`; nothing is connected yet. Raises UserError for a URL that is none.

    may_create: whether the first connection may create the file of a SQLite database.
    """
    require_readable(url, SETTING, "bad_database_url")
    try:
        parsed = sa.make_url(readable(url))
        # Errors end in logs, where neither names nor hashes of passwords belong.
        always = {"pool_pre_ping": True, "hide_parameters": True}
        engine = sa.create_engine(parsed, **always, **_options(parsed))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise UserError(
            f"the database URL cannot be used ({_cause(error)})",
            "set LEAFGATE_DATABASE_URL to sqlite:///file.db, postgresql+psycopg://… or "
            "mssql+pyodbc://… (which also needs unixODBC: sql/README.md)",
            code="bad_database_url",
        ) from error
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, parsed, may_create)
    elif parsed.drivername == "mssql+pyodbc":
        _prepare_pyodbc(engine)
    return engine


def _cause(error: Exception) -> str:
    """What is wrong with a URL, in one line; a ValueError would quote part of it."""
    told = "a part of it cannot be read" if type(error) is ValueError else str(error)
    return told.partition("\n")[0]


def place_of(engine: sa.Engine) -> str:
    """The URL for a person to read: no password, and no options, which may hold one too."""
    return engine.url.set(query={}).render_as_string()


@contextmanager
def connect(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection, as `opened`. Raises UserError `database_unreachable` where there is none to be
    had.
    """
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(opened(engine))
        except DBAPIError as error:
            raise unreachable(engine, error) from error
        yield connection


def unreachable(engine: sa.Engine, error: DBAPIError) -> UserError:
    """To be raised where there is no way to the database."""
    return UserError(
        f"the database at {place_of(engine)} cannot be reached ({reason(error)})",
        "check that it is up, that LEAFGATE_DATABASE_URL is right and, for SQL Server, that "
        "the driver is installed (sql/README.md)",
        code="database_unreachable",
    )


def not_allowed(engine: sa.Engine, error: DBAPIError) -> UserError:
    """To be raised where the login lacks a right (`sql.rights.lacks_rights`)."""
    return UserError(
        f"the database at {place_of(engine)} does not allow this login that ({reason(error)})",
        "use a login that may, or run `leafgate db migrate --grant ROLE=LOGIN` as the owner of the "
        "tables (roles: sql/README.md)",
        code="database_refuses",
    )


@contextmanager
def within_rights(engine: sa.Engine) -> Iterator[None]:
    """Turn a right that the login lacks inside the block into a UserError, `database_refuses`."""
    try:
        with driver_errors(engine):
            yield
    except DBAPIError as error:
        if not lacks_rights(error):
            raise
        raise not_allowed(engine, error) from error


def reason(error: DBAPIError) -> str:
    """What the driver says, in a line."""
    said = error.orig.args[-1] if error.orig is not None and error.orig.args else error
    return str(said).partition("\n")[0]


def _options(url: sa.URL) -> dict[str, Any]:
    """How an engine is made, by the driver: a server that is gone must be noticed in seconds."""
    if url.get_backend_name() == "postgresql":
        return {"connect_args": {k: v for k, v in PATIENCE.items() if k not in url.query}}
    if url.get_backend_name() == "mssql":
        options: dict[str, Any] = {"connect_args": {"timeout": CONNECT_SECONDS}}
        return {**options, "fast_executemany": True} if _is_pyodbc(url) else options
    return {}


def _is_pyodbc(url: sa.URL) -> bool:
    return url.get_driver_name() == "pyodbc"


def _prepare_pyodbc(engine: sa.Engine) -> None:
    """Neither a data source's name nor a driver's tells which one it is; the driver itself does."""
    tell_types(engine)

    @sa.event.listens_for(engine, "connect", insert=True)
    def _on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - pyodbc's
        import pyodbc

        if not bulk_is_safe(str(connection.getinfo(pyodbc.SQL_DRIVER_NAME))):
            do_without_bulk(engine.dialect)


def bulk_is_safe(driver: str) -> bool:
    """Whether the driver (its file's name, as it says itself) has a bulk mode that can be trusted.

    Under FreeTDS pyodbc's crashes the process (pyodbc#459); of others nothing is known.
    """
    return "msodbcsql" in driver.lower()


def do_without_bulk(dialect: Any) -> None:  # noqa: ANN401 - of mssql+pyodbc
    """Several rows in one INSERT instead, made by `sql.inserting`, or by SQLAlchemy elsewhere.

    Elsewhere the driver is not told the lengths of parameters: FreeTDS mistakes that of long texts.
    """
    dialect.fast_executemany = False
    dialect.use_insertmanyvalues_wo_returning = True
    dialect.insertmanyvalues_max_parameters = MAX_PARAMETERS
    dialect.bind_typing = BindTyping.NONE


def _prepare_sqlite(engine: sa.Engine, url: sa.URL, may_create: bool) -> None:
    if url.database and may_create:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"busy_timeout={SQLITE_WAIT_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    watch_file(engine, may_create)  # after that: it looks at the files of WAL mode


@contextmanager
def answering(engine: sa.Engine) -> Iterator[None]:
    """Turn a database that is away, locked or full inside the block into a UserError,
    `database_away`, that a caller may see, and a right that the login lacks into
    `database_refuses`; the log says more. What else it refuses while it is there is raised as it
    is.
    """
    try:
        with driver_errors(engine):
            yield
    except (DBAPIError, PoolTimeoutError) as error:
        if isinstance(error, DBAPIError) and lacks_rights(error):
            log.error("%s", not_allowed(engine, error))
            raise UserError(
                "the database does not allow what this takes",
                "tell whoever runs it: the log says what the login lacks",
                code="database_refuses",
            ) from error
        passing = (
            isinstance(error, PoolTimeoutError) or error.connection_invalidated or is_busy(error)
        )
        if not passing and is_reachable(engine):
            raise
        log.warning("%s does not answer: %s", place_of(engine), error)
        raise UserError(
            "the database does not answer",
            "try again in a moment; if that lasts, tell whoever runs it",
            code="database_away",
        ) from error


def is_reachable(engine: sa.Engine) -> bool:
    """Whether a trivial query is answered now."""
    try:
        with opened(engine) as connection:
            connection.execute(sa.select(1))
    except DBAPIError:
        return False
    return True
