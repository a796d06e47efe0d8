"""Opening the database of one URL, and bringing it to the current schema."""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from leafgate.errors import UserError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
DIALECTS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mssql": "mssql+pyodbc://",
}
REVISION = re.compile(r"^revision = ['\"](\w+)", re.MULTILINE)
FOLLOWS = re.compile(r"^down_revision = ['\"](\w+)", re.MULTILINE)
MIGRATION_LOCK = 7_142_026  # any number that no other user of the database takes
SQLITE_WAIT_MS = 15_000


def open_database(url: str) -> sa.Engine:
    """An engine for `url`; nothing is connected yet. Raises UserError for a URL that is none."""
    try:
        parsed = sa.make_url(url)
        options = {"fast_executemany": True} if _bulk_is_safe(parsed) else {}
        engine = sa.create_engine(parsed, pool_pre_ping=True, **options)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise UserError(
            f"the database URL cannot be used ({error})",
            "set LEAFGATE_DATABASE_URL to sqlite:///file.db, postgresql+psycopg://… or "
            "mssql+pyodbc://…",
            code="bad_database_url",
        ) from error
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, parsed)
    return engine


def _bulk_is_safe(url: sa.URL) -> bool:
    """Pyodbc's bulk mode; it crashes the process under FreeTDS (pyodbc#459)."""
    driver = f"{url.query.get('driver', '')}{url.query.get('odbc_connect', '')}".lower()
    freetds = "freetds" in driver or "tdsodbc" in driver
    return url.drivername == "mssql+pyodbc" and not freetds


def _prepare_sqlite(engine: sa.Engine, url: sa.URL) -> None:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"busy_timeout={SQLITE_WAIT_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the schema to `revision`; nothing happens where it is there, or another process does
    it at the same time. Raises UserError where the database cannot be reached.
    """
    try:
        with engine.connect() as connection:
            if revision != "head" or _revisions(connection) != {head_revision()}:
                _upgrade(connection, revision)
    except OperationalError as error:
        raise UserError(
            f"the database at {engine.url.render_as_string()} cannot be reached "
            f"({str(error.orig).splitlines()[0]})",
            "check that it is up and that LEAFGATE_DATABASE_URL is right",
            code="database_unreachable",
        ) from error


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # a tenth of a second that a start on a current schema is spared

    _lock(connection)
    command.upgrade(_config(connection), revision)
    connection.commit()


def _revisions(connection: sa.Connection) -> set[str]:
    """What Alembic says the schema is at; empty where it has made none yet."""
    try:
        return set(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
    except DBAPIError:  # no such table; a database that went away says so again at the upgrade
        return set()
    finally:
        connection.rollback()


def head_revision() -> str:
    """The revision of the migrations here that no other one follows, as their files say it."""
    texts = [file.read_text("utf-8") for file in (MIGRATIONS / "versions").glob("[!_]*.py")]
    revisions = {found for text in texts for found in REVISION.findall(text)}
    (head,) = revisions - {found for text in texts for found in FOLLOWS.findall(text)}
    return head


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Take the schema back to `revision` (`base`: no tables)."""
    from alembic import command

    with engine.connect() as connection:
        _lock(connection)
        command.downgrade(_config(connection), revision)
        connection.commit()


def _lock(connection: sa.Connection) -> None:
    """One migration at a time: SQLite's write lock, PostgreSQL's and SQL Server's named locks."""
    backend = connection.dialect.name
    if backend == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif backend == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    elif backend == "mssql":
        connection.exec_driver_sql(
            f"EXEC sp_getapplock @Resource = '{MIGRATION_LOCK}', @LockMode = 'Exclusive'"
        )


def _config(connection: sa.Connection | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def ddl(dialect: str) -> str:
    """The script that makes the schema from nothing, for a person to review."""
    if dialect not in DIALECTS:
        raise UserError(f"unknown dialect {dialect!r}", f"known are: {', '.join(DIALECTS)}")
    from alembic import command

    script = io.StringIO()
    config = _config(None)
    config.attributes["offline_url"] = DIALECTS[dialect]
    config.output_buffer = script
    command.upgrade(config, "head", sql=True)
    return script.getvalue()


def is_reachable(engine: sa.Engine) -> bool:
    """Whether a trivial query is answered now."""
    try:
        with engine.connect() as connection:
            connection.execute(sa.select(1))
    except DBAPIError:
        return False
    return True
