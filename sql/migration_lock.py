"""Changing the schema, or who may use it: one process at a time, until its transaction ends."""

import logging

import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from leafgate.errors import UserError
from sql.connections import roll_back
from sql.database import SQLITE_WAIT_MS

log = logging.getLogger(__name__)

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


def lock_schema(connection: sa.Connection) -> None:
    """Wait for one's turn. Raises UserError `migration_failed` where it does not come."""
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
        roll_back(connection)
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
