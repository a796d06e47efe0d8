"""Migrating a database that comes up, or makes our login, while we already run."""

import time
from collections.abc import Callable

import sqlalchemy as sa

from leafgate.errors import UserError
from sql.migrating import migrate

PAUSES_SECONDS = (0.5, 1.0, 2.0)  # the last one again and again


def migrate_once_reachable(
    engine: sa.Engine, wait_seconds: float, on_wait: Callable[[UserError], object]
) -> None:
    """`migrate`, tried again for so long as there is no way to the database.

    on_wait: told, once, why it has to be waited for. Raises UserError like `migrate`; whatever is
    not `database_unreachable` at once, and that when the time is over.
    """
    deadline, tries = time.monotonic() + wait_seconds, 0
    while True:
        try:
            return migrate(engine)
        except UserError as error:
            left = deadline - time.monotonic()
            if error.code != "database_unreachable" or left <= 0:
                raise
            if not tries:
                on_wait(error)
        time.sleep(min(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)], left))
        tries += 1
