"""MLflow's SQLite file, looked into without MLflow, and without being able to change it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from leafgate.settings import Settings
from leafgate.sqlite_url import sqlite_file
from registry.store import ModelVersion
from registry.store_file import unreachable

WAIT_SECONDS = 5.0
WORKSPACE = "default"

ALIASES = """SELECT alias, version FROM registered_model_aliases
WHERE name = :name AND workspace = :workspace"""
VERSIONS = """SELECT version, run_id, creation_time FROM model_versions
WHERE name = :name AND workspace = :workspace AND version = coalesce(:number, version)
AND current_stage != 'Deleted_Internal' ORDER BY version DESC LIMIT :most"""
TAGS = """SELECT key, value FROM model_version_tags
WHERE name = :name AND workspace = :workspace AND version = :number"""
TAGS_OF_ALL = """SELECT value FROM model_version_tags
WHERE name = :name AND workspace = :workspace AND substr(key, 1, length(:start)) = :start"""

Found = TypeVar("Found")


class UnknownTables(Exception):
    """They are not of the shape that is known here: MLflow itself has to be asked."""


class SqliteFile:
    """The store of settings whose tracking URI is of SQLite; may be used by several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = (sqlite_file(settings.tracking_uri) or Path()).absolute()
        self._seen = False  # a file that was never there means no model; one that is gone does not

    def look(self, at: Callable[[sqlite3.Connection], Found], nothing: Found) -> Found:
        """What `at` finds, all of one moment; `nothing` where the store was not made yet.

        Raises UserError `registry_error` where the file cannot be read, or is gone, and
        UnknownTables.
        """
        if not self.path.is_file():
            if self._seen:
                raise unreachable(self.settings, FileNotFoundError(f"{self.path} is gone"))
            return nothing
        self._seen = True
        try:
            return self._look(at)
        except sqlite3.Error as error:
            if "no such table" in str(error):
                return nothing
            if "no such column" in str(error):
                raise UnknownTables(str(self.path)) from error
            raise unreachable(self.settings, error) from error

    def _look(self, at: Callable[[sqlite3.Connection], Found]) -> Found:
        uri = f"{self.path.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, timeout=WAIT_SECONDS, uri=True)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN")  # what is read together belongs together
            return at(connection)


def aliases_in(connection: sqlite3.Connection, name: str) -> dict[str, int]:
    """Which version each alias of a model means."""
    return dict(connection.execute(ALIASES, {"name": name, "workspace": WORKSPACE}))


def versions_in(
    connection: sqlite3.Connection, name: str, most: int, number: int | None = None
) -> tuple[ModelVersion, ...]:
    """The newest versions of a model, newest first, or only that number."""
    model = {"name": name, "workspace": WORKSPACE}
    rows = connection.execute(VERSIONS, {**model, "number": number, "most": most}).fetchall()
    aliases = aliases_in(connection, name)
    return tuple(
        ModelVersion(
            name=name,
            version=int(found),
            run_id=run_id or "",
            aliases=tuple(sorted(alias for alias, each in aliases.items() if each == found)),
            tags=dict(connection.execute(TAGS, {**model, "number": found})),
            created_at_ms=int(created),
        )
        for found, run_id, created in rows
    )


def tags_in(connection: sqlite3.Connection, name: str, start: str) -> tuple[str, ...]:
    """The texts of all tags of a model's versions whose names begin so; of removed ones too."""
    asked = {"name": name, "workspace": WORKSPACE, "start": start}
    return tuple(text or "" for (text,) in connection.execute(TAGS_OF_ALL, asked))
