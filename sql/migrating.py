"""Bringing a database to the current schema, and back: in one transaction, one process at a time.

Whoever comes second waits, then finds nothing to do. A migration that was cut off has changed
nothing, on any of the three databases, and is repeated from its beginning.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from sql.connections import driver_errors, roll_back
from sql.database import connect, not_allowed, place_of, reason, unreachable
from sql.migration_lock import lock_schema
from sql.rights import lacks_rights
from sql.rollups import rebuild
from sql.schema import hourly, requests

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
REVISION = re.compile(r"^revision = ['\"](\w+)", re.MULTILINE)
FOLLOWS = re.compile(r"^down_revision = ['\"](\w+)", re.MULTILINE)


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the schema to `revision`; nothing happens where it is there.

    On a current schema this takes no more than SELECT on `alembic_version`. Raises UserError where
    the database cannot be reached (`database_unreachable`), does not let the login see what schema
    it has (`database_refuses`) or change it (`migration_not_allowed`), goes away or refuses
    meanwhile (`migration_failed`: nothing is changed), or has the schema of a newer LeafGate
    (`database_is_newer`).
    """
    with connect(engine) as connection:
        try:
            found = _revisions(connection)
        except DBAPIError as error:
            told = not_allowed if lacks_rights(error) else unreachable
            raise told(engine, error) from error
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
        lock_schema(connection)
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
        with driver_errors(engine):
            yield
    except DBAPIError as error:
        if lacks_rights(error):
            raise UserError(
                f"the schema at {place_of(engine)} is not the current one ({head_revision()}), and "
                f"this login may not change it ({reason(error)})",
                "run `leafgate db migrate` as the owner of the tables",
                code="migration_not_allowed",
            ) from error
        raise UserError(
            f"the migration of {place_of(engine)} did not finish, and has changed nothing "
            f"({reason(error)})",
            "once the cause is gone, run `leafgate db migrate` again",
            code="migration_failed",
        ) from error


def _upgrade(connection: sa.Connection, revision: str) -> None:
    from alembic import command  # a tenth of a second that a start on a current schema is spared
    from alembic.migration import MigrationContext

    lock_schema(connection)
    if MigrationContext.configure(connection).get_current_heads() == (head_revision(),):
        connection.rollback()  # somebody else did it meanwhile
        return
    command.upgrade(_config(connection), revision)
    # Counts are made from the columns of today, so not on the way to an older schema.
    if revision in ("head", head_revision()) and _hours_are_missing(connection):
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

    Raises DBAPIError where the connection is cut, or the login may not see it.
    """
    try:
        return _stamped(connection)
    except DBAPIError as error:
        if error.connection_invalidated or lacks_rights(error):
            raise
        # Asked last: where a login has no rights, SQL Server denies that there is a table.
        if not sa.inspect(connection).has_table("alembic_version"):
            return set()
    finally:
        roll_back(connection)
    return _stamped(connection)  # somebody else has just made it


def _stamped(connection: sa.Connection) -> set[str]:
    try:
        return set(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
    finally:
        roll_back(connection)


def _revisions_here() -> tuple[set[str], set[str]]:
    """Those of the files, and those of them that another one follows."""
    texts = [file.read_text("utf-8") for file in (MIGRATIONS / "versions").glob("[!_]*.py")]
    return (
        {found for text in texts for found in REVISION.findall(text)},
        {found for text in texts for found in FOLLOWS.findall(text)},
    )


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
