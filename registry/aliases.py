"""Which version an alias means right now, asked every few seconds without importing MLflow.

MLflow takes three seconds and hundreds of megabytes to import. Its public REST API and the tables
of its SQLite store are therefore read here as they are. Only for other stores, and for what this
file does not know (a sign-in by plug-in, workspaces, tables of another shape), MLflow itself is
imported, by ModelStore.
"""

import logging
import os
import sqlite3
from collections.abc import Mapping
from typing import Literal, Protocol

from leafgate.settings import Settings
from registry.sqlite_file import SQLITE, SqliteFile, UnknownTables, aliases_in, versions_in
from registry.store import ModelStore, ModelVersion

log = logging.getLogger(__name__)

# What changes how MLflow's client signs in or which models it sees, and is not read here.
UNKNOWN_HERE = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_ENABLE_WORKSPACES")


class AliasReader(Protocol):
    """Looks aliases up; may be called from several threads."""

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that carries `alias`; None where there is none, or no such model.

        Raises UserError `registry_error` where the registry does not answer.
        """


def alias_reader(settings: Settings, environment: Mapping[str, str] = os.environ) -> AliasReader:
    """The lightest reader for the configured store. environment: MLflow's own settings.

    Raises UserError `bad_tracking_uri` for an address or certificate that cannot be used.
    """
    way = way_to(settings, environment)
    if way == "rest":
        from registry.rest_reader import RestReader  # httpx, which others do without

        return RestReader(settings, environment)
    return SqliteReader(settings) if way == "sqlite" else ModelStore(settings)


def way_to(
    settings: Settings, environment: Mapping[str, str]
) -> Literal["rest", "sqlite", "mlflow"]:
    """How the configured store can be read: as it is, or by importing MLflow."""
    uri = settings.tracking_uri
    if any(environment.get(name, "").lower() not in ("", "0", "false") for name in UNKNOWN_HERE):
        return "mlflow"
    if uri.startswith(("http://", "https://")):
        return "rest"
    return "sqlite" if uri.startswith(SQLITE) and "?" not in uri else "mlflow"


class SqliteReader:
    """Reads MLflow's SQLite file, which it cannot change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._file = SqliteFile(settings)
        self._by_mlflow: ModelStore | None = None

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """See AliasReader."""

        def look(connection: sqlite3.Connection) -> ModelVersion | None:
            number = aliases_in(connection, name).get(alias)
            found = versions_in(connection, name, 1, number) if number is not None else ()
            return found[0] if found else None

        if self._by_mlflow is None:
            try:
                return self._file.look(look, None)
            except UnknownTables as unknown:
                log.warning("MLflow's tables in %s are not as known here: importing it", unknown)
                self._by_mlflow = ModelStore(self.settings)
        return self._by_mlflow.find(name, alias)
