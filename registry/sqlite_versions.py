"""Versions and runs from the tables of MLflow's SQLite file; artifacts from the files they are."""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from leafgate.settings import Settings
from registry.artifact_places import folder_of, present_folder
from registry.sqlite_file import SqliteFile, UnknownTables, versions_in
from registry.store import ModelVersion
from registry.store_file import unreachable
from registry.store_versions import StoreVersions
from registry.versions import MOST_ROWS, Curve, RunRecord, curve_of, is_askable, is_within

log = logging.getLogger(__name__)

RUN = "SELECT status, artifact_uri FROM runs WHERE run_uuid = ?"
PARAMS = "SELECT key, value FROM params WHERE run_uuid = ?"
TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"
METRICS = "SELECT key, value, step FROM latest_metrics WHERE run_uuid = ? AND is_nan = 0"
HISTORY = """SELECT step, timestamp, value FROM metrics
WHERE run_uuid = ? AND key = ? AND is_nan = 0 ORDER BY timestamp, step, value LIMIT ?"""

Found = TypeVar("Found")


class SqliteVersions:
    """See `registry.versions.VersionReader`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._file = SqliteFile(settings)
        self._by_mlflow = StoreVersions(settings)  # imports nothing until it is asked
        self._is_known = True

    def versions(self, name: str, most: int) -> tuple[ModelVersion, ...]:
        """See VersionReader."""

        def look(connection: sqlite3.Connection) -> tuple[ModelVersion, ...]:
            return versions_in(connection, name, most)

        return self._look(look, (), lambda: self._by_mlflow.versions(name, most))

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See VersionReader."""

        def look(connection: sqlite3.Connection) -> ModelVersion | None:
            return next(iter(versions_in(connection, name, 1, number)), None)

        return self._look(look, None, lambda: self._by_mlflow.version(name, number))

    def run(self, run_id: str) -> RunRecord | None:
        """See VersionReader."""

        def look(connection: sqlite3.Connection) -> RunRecord | None:
            found = connection.execute(RUN, (run_id,)).fetchone()
            if found is None:
                return None
            pairs = [dict(connection.execute(sql, (run_id,))) for sql in (PARAMS, TAGS)]
            metrics = connection.execute(METRICS, (run_id,)).fetchall()
            return RunRecord.of(run_id, found[0] or "", pairs[0], pairs[1], metrics)

        return self._look(look, None, lambda: self._by_mlflow.run(run_id))

    def curves(self, run_id: str, metrics: Iterable[str]) -> dict[str, Curve]:
        """See VersionReader."""
        names = list(metrics)

        def look(connection: sqlite3.Connection) -> dict[str, Curve]:
            return {
                name: curve_of(connection.execute(HISTORY, (run_id, name, MOST_ROWS)))
                for name in names
            }

        return self._look(look, {}, lambda: self._by_mlflow.curves(run_id, names))

    def files(self, run_id: str, folder: str) -> dict[str, int]:
        """See VersionReader."""

        def read(place: Path) -> dict[str, int]:
            return {each.name: each.stat().st_size for each in place.iterdir() if each.is_file()}

        return self._read(run_id, folder, read, {}, lambda: self._by_mlflow.files(run_id, folder))

    def artifact(self, run_id: str, path: str, most_bytes: int) -> bytes | None:
        """See VersionReader."""

        def read(place: Path) -> bytes | None:
            there = place.is_file() and is_within(run_id, path, place.stat().st_size, most_bytes)
            return place.read_bytes() if there else None

        def by_mlflow() -> bytes | None:
            return self._by_mlflow.artifact(run_id, path, most_bytes)

        return self._read(run_id, path, read, None, by_mlflow)

    def _look(
        self,
        at: Callable[[sqlite3.Connection], Found],
        nothing: Found,
        by_mlflow: Callable[[], Found],
    ) -> Found:
        if self._is_known:
            try:
                return self._file.look(at, nothing)
            except UnknownTables as unknown:
                log.warning("MLflow's tables in %s are not as known here: importing it", unknown)
                self._is_known = False
        return by_mlflow()

    def _read(
        self,
        run_id: str,
        path: str,
        read: Callable[[Path], Found],
        nothing: Found,
        by_mlflow: Callable[[], Found],
    ) -> Found:
        """What `read` finds at a path within the run's folder; links may not lead out of it."""
        place = self._artifacts(run_id) if is_askable(run_id, path) else None
        if place is None:
            return nothing
        noted = folder_of(place)
        if noted is None:
            return by_mlflow()
        root = present_folder(self.settings, noted)
        try:
            found = (root / path).resolve()
            return read(found) if found.is_relative_to(root.resolve()) else nothing
        except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last: links in a ring
            return nothing
        except OSError as error:
            raise unreachable(self.settings, error) from error

    def _artifacts(self, run_id: str) -> str | None:
        """The URI of the run's artifacts; None: no such run; empty where only MLflow knows."""

        def look(connection: sqlite3.Connection) -> str | None:
            found = connection.execute(RUN, (run_id,)).fetchone()
            return None if found is None else str(found[1] or "")

        return self._look(look, None, lambda: "")
