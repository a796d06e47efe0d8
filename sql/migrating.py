"""Bringing a database to the current schema, and back: in one transaction, one process at a time.

Whoever comes second waits, then finds nothing to do. A migration that was cut off has changed
nothing, on any of the three databases, and is repeated from its beginning.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, ProgrammingError

from leafgate.errors import UserError
from sql.database import SQLITE_WAIT_MS, connect, place_of, reason, unreachable
from sql.rollups import rebuild
from sql.schema import hourly, requests

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
REVISION = re.compile(r"^revision = ['\"](\w+)", re.MULTILINE)
FOLLOWS = re.compile(r"^down_revision = ['\"](\w+)", re.MULTILINE)
MIGRATION_LOCK = 7_142_026  # any number that no other user of the database takes
WAIT_MS = 600_000  # for another process that migrates many rows
TIMED_OUT = -1  # sp_getapplock's
# Counts of rows are switched off so that the result is the first thing that comes.
APPLICATION_LOCK = f"""SET NOCOUNT ON;
DECLARE @granted INT;
EXEC @granted = sp_getapplock
    @Resource = '{MIGRATION_LOCK}', @LockMode = 'Exclusive', @LockTimeout = {WAIT_MS};
SET NOCOUNT OFF;
SELECT @granted AS granted;"""


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the schema to `revision`; nothing happens where it is there.

    Raises UserError where the database cannot be reached (`database_unreachable`), goes away or
    refuses meanwhile (`migration_failed`: nothing is changed), or has the schema of a newer
    LeafGate (`database_is_newer`).
    """
    with connect(engine) as connection:
        try:
            found = _revisions(connection)
        except DBAPIError as error:
            raise unreachable(engine, error) from error
        if revision == "head" and found == {head_revision()}:
            return
        if unknown := found - _revisions_here()[0]:
            raise UserError(
                f"the database at {place_of(engine)} has the schema {min(unknown)} of a newer "
                f"LeafGate; this one knows them up to {head_revision()}",
                "run the newer LeafGate, or let it take the schema back first",
                code="database_is_newer",
            )
        with _answering(engine):
            _upgrade(connection, revision)


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Take the schema back to `revision` (`base`: no tables). Raises like `migrate`."""
    from alembic import command

    with connect(engine) as connection, _answering(engine):
        _lock(connection)
        command.downgrade(_config(connection), revision)
        connection.commit()


def head_revision() -> str:
    """The revision of the migrations here that no other one follows, as their files say it."""
    known, followed = _revisions_here()
    (head,) = known - followed
    return head


@contextmanager
def _answering(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise UserError(
            f"the migration of {place_of(engine)} did not finish, and has changed nothing "
            f"({reason(error)})",
            "once the cause is gone, run `leafgate db migrate` again",
            code="migration_failed",
        ) from error


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # a tenth of a second that a start on a current schema is spared

    _lock(connection)
    command.upgrade(_config(connection), revision)
    if _hours_are_missing(connection):
        rebuild(connection)
    connection.commit()


def _hours_are_missing(connection: sa.Connection) -> bool:
    """Whether there are requests from before there were hourly counts."""
    if not sa.inspect(connection).has_table("hourly"):
        return False
    counted = connection.scalar(sa.select(hourly.c.part).limit(1))
    return counted is None and connection.scalar(sa.select(requests.c.id).limit(1)) is not None


def _revisions(connection: sa.Connection) -> set[str]:
    """What Alembic says the schema is at; empty where it has made none yet.

    Raises DBAPIError where the connection is cut.
    """
    try:
        return set(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
    except DBAPIError as error:  # no such table, as a rule
        if error.connection_invalidated:
            raise
        return set()
    finally:
        connection.rollback()


def _revisions_here() -> tuple[set[str], set[str]]:
    """Those of the files, and those of them that another one follows."""
    texts = [file.read_text("utf-8") for file in (MIGRATIONS / "versions").glob("[!_]*.py")]
    return (
        {found for text in texts for found in REVISION.findall(text)},
        {found for text in texts for found in FOLLOWS.findall(text)},
    )


def _lock(connection: sa.Connection) -> None:
    """One migration at a time, until the transaction ends."""
    LOCKS[connection.dialect.name](connection)


def _lock_sqlite(connection: sa.Connection) -> None:
    # Begun here and not by the driver, which would begin at the first row and not at a table.
    connection.exec_driver_sql(f"PRAGMA busy_timeout={WAIT_MS}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_WAIT_MS}")


def _lock_postgresql(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def _lock_mssql(connection: sa.Connection) -> None:
    """The lock belongs to a transaction, which begins when a table is read, and not before."""
    sa.inspect(connection).has_table("alembic_version")
    try:
        granted = connection.exec_driver_sql(APPLICATION_LOCK).scalar()
    except ProgrammingError as error:
        connection.rollback()
        log.warning("no lock to be had, so nobody else may migrate now (%s)", error.orig)
        return
    if granted == TIMED_OUT:
        raise UserError(
            f"another migration did not end within {WAIT_MS // 1000} s",
            "run `leafgate db migrate` again once it has",
            code="migration_failed",
        )
    if granted is None or granted < 0:
        log.warning("no lock to be had, so nobody else may migrate now (%s)", granted)


LOCKS = {"sqlite": _lock_sqlite, "postgresql": _lock_postgresql, "mssql": _lock_mssql}


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
