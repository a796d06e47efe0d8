"""Versions and runs by MLflow's own client, which is imported on first use: for any store."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.store import ModelStore, ModelVersion
from registry.store_file import unreachable
from registry.versions import Curve, RunRecord, curve_of, is_askable, is_within

MISSING = "RESOURCE_DOES_NOT_EXIST"

Found = TypeVar("Found")


class StoreVersions:
    """See `registry.versions.VersionReader`."""

    def __init__(self, settings: Settings) -> None:
        self._store = ModelStore(settings)

    def versions(self, name: str, most: int) -> tuple[ModelVersion, ...]:
        """See VersionReader."""
        return self._store.versions(name)[:most]

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See VersionReader."""
        found = self._store.versions(name)
        return next((version for version in found if version.version == number), None)

    def run(self, run_id: str) -> RunRecord | None:
        """See VersionReader."""

        def ask() -> RunRecord:
            found = self._store.client.get_run(run_id)
            data = found.data
            metrics = [(each.key, each.value, each.step) for each in data.to_proto().metrics]
            return RunRecord.of(run_id, found.info.status, data.params, data.tags, metrics)

        return self._unless_missing(ask, None) if run_id else None

    def curves(self, run_id: str, metrics: Iterable[str]) -> dict[str, Curve]:
        """See VersionReader."""

        def ask() -> dict[str, Curve]:
            return {name: self._curve(run_id, name) for name in metrics}

        return self._unless_missing(ask, {})

    def _curve(self, run_id: str, name: str) -> Curve:
        history = self._store.client.get_metric_history(run_id, name)
        return curve_of((each.step, each.timestamp, each.value) for each in history)

    def files(self, run_id: str, folder: str) -> dict[str, int]:
        """See VersionReader."""

        def ask() -> dict[str, int]:
            self._store.require_own_run(run_id)
            listed = self._store.client.list_artifacts(run_id, folder)
            files = (each for each in listed if not each.is_dir)
            return {PurePosixPath(each.path).name: int(each.file_size or 0) for each in files}

        return self._unless_missing(ask, {}) if is_askable(run_id, folder) else {}

    def artifact(self, run_id: str, path: str, most_bytes: int) -> bytes | None:
        """See VersionReader."""
        parts = PurePosixPath(path)
        size = self.files(run_id, str(parts.parent)).get(parts.name)
        if size is None or not is_within(run_id, path, size, most_bytes):
            return None
        with self._answering(), tempfile.TemporaryDirectory(prefix="leafgate-read-") as folder:
            return Path(self._store.client.download_artifacts(run_id, path, folder)).read_bytes()

    def _unless_missing(self, ask: Callable[[], Found], nothing: Found) -> Found:
        from mlflow.exceptions import MlflowException

        with self._answering():
            try:
                return ask()
            except MlflowException as error:
                if error.error_code == MISSING:
                    return nothing
                raise

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What MLflow and the stores behind it raise, each its own, as UserError."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            raise unreachable(self._store.settings, error) from error
