"""Which version an alias means right now, asked every few seconds without importing MLflow.

MLflow takes three seconds and hundreds of megabytes to import. Its public REST API and the tables
of its SQLite store are therefore read here as they are. Only for other stores, and for what this
file does not know (a sign-in by plug-in, workspaces, tables of another shape), MLflow itself is
imported, by StoreReader.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TypeVar

from leafgate.settings import Settings
from leafgate.sqlite_url import sqlite_file, sqlite_options
from registry.ledger import TAG, record_tags
from registry.sqlite_file import (
    SqliteFile,
    UnknownTables,
    aliases_in,
    tags_in,
    versions_in,
)
from registry.store import ModelStore, ModelVersion

log = logging.getLogger(__name__)

Found = TypeVar("Found")

# What changes how MLflow's client signs in or which models it sees, and is not read here.
UNKNOWN_HERE = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_ENABLE_WORKSPACES")


class AliasReader(Protocol):
    """Looks aliases up; may be called from several threads. Each call raises UserError
    `registry_error` where the registry does not answer.
    """

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that carries `alias`; None where there is none, or no such model."""

    def version(self, name: str, number: int) -> ModelVersion | None:
        """The version of that number; None where there is none."""

    def audit_tags(self, name: str) -> tuple[str, ...]:
        """The texts of the tags of all versions of a model that hold audit records."""


def alias_reader(settings: Settings, environment: Mapping[str, str] = os.environ) -> AliasReader:
    """The lightest reader for the configured store. environment: MLflow's own settings.

    Raises UserError `bad_tracking_uri` for an address or certificate that cannot be used.
    """
    way = way_to(settings, environment)
    if way == "rest":
        from registry.rest_reader import RestReader  # httpx, which others do without

        return RestReader(settings, environment)
    return SqliteReader(settings) if way == "sqlite" else StoreReader(settings)


def way_to(
    settings: Settings, environment: Mapping[str, str]
) -> Literal["rest", "sqlite", "mlflow"]:
    """How the configured store can be read: as it is, or by importing MLflow."""
    uri = settings.tracking_uri
    if any(environment.get(name, "").lower() not in ("", "0", "false") for name in UNKNOWN_HERE):
        return "mlflow"
    if uri.startswith(("http://", "https://")):
        return "rest"
    return "sqlite" if sqlite_file(uri) is not None and not sqlite_options(uri) else "mlflow"


class StoreReader:
    """Asks MLflow itself: for any store."""

    def __init__(self, settings: Settings) -> None:
        self._store = ModelStore(settings)

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """See AliasReader."""
        return self._store.find(name, alias)

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See AliasReader."""
        return next((each for each in self._store.versions(name) if each.version == number), None)

    def audit_tags(self, name: str) -> tuple[str, ...]:
        """See AliasReader."""
        return tuple(text for _, _, text in record_tags(self._store.versions(name)))


class SqliteReader:
    """Reads MLflow's SQLite file, which it cannot change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._file = SqliteFile(settings)
        self._by_mlflow: StoreReader | None = None

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """See AliasReader."""

        def look(connection: sqlite3.Connection) -> ModelVersion | None:
            number = aliases_in(connection, name).get(alias)
            found = versions_in(connection, name, 1, number) if number is not None else ()
            return found[0] if found else None

        return self._look(look, None, lambda store: store.find(name, alias))

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See AliasReader."""

        def look(connection: sqlite3.Connection) -> ModelVersion | None:
            return next(iter(versions_in(connection, name, 1, number)), None)

        return self._look(look, None, lambda store: store.version(name, number))

    def audit_tags(self, name: str) -> tuple[str, ...]:
        """See AliasReader."""
        return self._look(
            lambda connection: tags_in(connection, name, TAG),
            (),
            lambda store: store.audit_tags(name),
        )

    def _look(
        self,
        at: Callable[[sqlite3.Connection], Found],
        nothing: Found,
        by_mlflow: Callable[[StoreReader], Found],
    ) -> Found:
        if self._by_mlflow is None:
            try:
                return self._file.look(at, nothing)
            except UnknownTables as unknown:
                log.warning("MLflow's tables in %s are not as known here: importing it", unknown)
                self._by_mlflow = StoreReader(self.settings)
        return by_mlflow(self._by_mlflow)
