"""The database at the start: one that was there before may be away now."""

import logging
from typing import Any

from leafgate.errors import UserError
from leafgate.settings import Settings
from sql import folder_of, former_folders, migrate, open_database

log = logging.getLogger(__name__)


def reached_database(settings: Settings, *, may_create: bool = True) -> Any:  # noqa: ANN401 - a SQLAlchemy engine
    """An engine for the configured database, brought to the current schema.

    Where this host has used it before and it does not answer, the service starts all the same:
    requests are recorded and refused until it is back. Raises UserError where it never answered,
    since its URL may be wrong.
    """
    database = open_database(settings.database, may_create=may_create)
    folder = folder_of(settings.var_dir, settings.database)
    is_known = folder.is_dir() or former_folders(settings.var_dir, settings.database)
    try:
        migrate(database)
    except UserError as error:
        if error.code != "database_unreachable" or not is_known:
            raise
        log.warning("%s: requests are refused until it is back", error.problem)
    folder.mkdir(parents=True, exist_ok=True)
    return database
