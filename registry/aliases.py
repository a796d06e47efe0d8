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
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from leafgate.settings import Settings
from registry.connection import unreachable
from registry.store import ModelStore, ModelVersion

log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
WAIT_SECONDS = 5.0
# What changes how MLflow's client signs in or which models it sees, and is not read here.
UNKNOWN_HERE = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_ENABLE_WORKSPACES")

ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ? AND workspace = ?"
VERSION = """SELECT run_id, creation_time FROM model_versions WHERE name = ? AND workspace = ?
AND version = ? AND current_stage != 'Deleted_Internal'"""
TAGS = """SELECT key, value FROM model_version_tags WHERE name = ? AND workspace = ?
AND version = ?"""
WORKSPACE = "default"


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
    uri = settings.tracking_uri
    if any(environment.get(name, "").lower() not in ("", "0", "false") for name in UNKNOWN_HERE):
        return ModelStore(settings)
    if uri.startswith(("http://", "https://")):
        from registry.rest_reader import RestReader  # httpx, which others do without

        return RestReader(settings, environment)
    if uri.startswith(SQLITE) and "?" not in uri:
        return SqliteReader(settings)
    return ModelStore(settings)


class SqliteReader:
    """Reads MLflow's SQLite file, which it cannot change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._file = Path(settings.tracking_uri.removeprefix(SQLITE)).absolute()
        self._by_mlflow: ModelStore | None = None
        self._seen = False  # a file that was never there means no model; one that is gone does not

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """See AliasReader."""
        if self._by_mlflow is not None:
            return self._by_mlflow.find(name, alias)
        if not self._file.is_file():
            if self._seen:
                gone = FileNotFoundError(f"{self._file} is gone")
                raise unreachable(self.settings, gone)
            return None
        self._seen = True
        try:
            return self._find(name, alias)
        except sqlite3.Error as error:
            if "no such table" in str(error):
                return None
            if "no such column" not in str(error):
                raise unreachable(self.settings, error) from error
        log.warning("MLflow's tables in %s are not as known here: importing MLflow", self._file)
        self._by_mlflow = ModelStore(self.settings)
        return self._by_mlflow.find(name, alias)

    def _find(self, name: str, alias: str) -> ModelVersion | None:
        uri = f"{self._file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, timeout=WAIT_SECONDS, uri=True)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN")  # what is read together belongs together
            aliases = dict(connection.execute(ALIASES, (name, WORKSPACE)))
            number = aliases.get(alias)
            of_version = (name, WORKSPACE, number)
            row: Any = connection.execute(VERSION, of_version).fetchone()
            tags = dict(connection.execute(TAGS, of_version))
        if row is None:
            return None
        carried = tuple(sorted(each for each, v in aliases.items() if v == number))
        return ModelVersion(name, int(number or 0), row[0] or "", carried, tags, int(row[1]))
