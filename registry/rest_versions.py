"""Versions and runs by MLflow's REST API; artifacts through its server."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx

from leafgate.settings import Settings
from registry.rest_client import RestClient, version_of
from registry.store import ModelVersion
from registry.store_versions import StoreVersions
from registry.versions import (
    MOST_ROWS,
    RUN_ID,
    Curve,
    Row,
    RunRecord,
    curve_of,
    is_askable,
    is_within,
)

log = logging.getLogger(__name__)

PAGE = 10_000
# What a server reads for its clients. Other stores its clients may read without it.
BY_SERVER = ("", "file", "http", "https", "mlflow-artifacts")


class RestVersions:
    """See `registry.versions.VersionReader`. Raises UserError as RestClient does."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._client = RestClient(settings, environment)
        self._by_mlflow = StoreVersions(settings)  # imports nothing until it is asked

    def versions(self, name: str, most: int) -> tuple[ModelVersion, ...]:
        """See VersionReader."""
        with self._client.answering():
            aliases = self._client.aliases(name)
            asked = {"filter": f"name='{name}'", "max_results": str(most)}
            newest = ["version_number DESC"]
            answer = self._client.ask("model-versions/search", **asked, order_by=newest) or {}
            return tuple(version_of(found, aliases) for found in answer.get("model_versions", []))

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See VersionReader."""
        with self._client.answering():
            answer = self._client.ask("model-versions/get", name=name, version=str(number))
            if answer is None:
                return None
            return version_of(answer["model_version"], self._client.aliases(name))

    def run(self, run_id: str) -> RunRecord | None:
        """See VersionReader."""
        if not RUN_ID.fullmatch(run_id):
            return None
        with self._client.answering():
            answer = self._client.ask("runs/get", run_id=run_id)
            return _run_of(run_id, answer["run"]) if answer else None

    def curves(self, run_id: str, metrics: Iterable[str]) -> dict[str, Curve]:
        """See VersionReader."""
        with self._client.answering():
            return {name: curve_of(self._history(run_id, name)) for name in metrics}

    def _history(self, run_id: str, metric: str) -> Iterator[Row]:
        """At most `MOST_ROWS`; a server that knows no pages tells all at once."""
        page = {"max_results": str(PAGE)}
        for _ in range(MOST_ROWS // PAGE):
            asked = {"run_id": run_id, "metric_key": metric, **page}
            answer = self._client.ask("metrics/get-history", **asked) or {}
            for each in answer.get("metrics", []):
                yield int(each.get("step", 0)), int(each["timestamp"]), float(each["value"])
            page["page_token"] = answer.get("next_page_token", "")
            if not page["page_token"]:
                return

    def files(self, run_id: str, folder: str) -> dict[str, int]:
        """See VersionReader."""
        if not is_askable(run_id, folder):
            return {}
        with self._client.answering():
            try:
                answer = self._client.ask("artifacts/list", run_id=run_id, path=folder) or {}
            except httpx.HTTPStatusError:
                if self._is_read_by_server(run_id):
                    raise
                return self._by_mlflow.files(run_id, folder)
            files = (each for each in answer.get("files", []) if not each.get("is_dir"))
            return {PurePosixPath(f["path"]).name: int(f.get("file_size", 0)) for f in files}

    def artifact(self, run_id: str, path: str, most_bytes: int) -> bytes | None:
        """See VersionReader."""
        parts = PurePosixPath(path)
        size = self.files(run_id, str(parts.parent)).get(parts.name)
        if size is None or not is_within(run_id, path, size, most_bytes):
            return None
        with self._client.answering():
            try:
                found = self._client.file(run_id, path, most_bytes)
            except httpx.HTTPStatusError:
                if self._is_read_by_server(run_id):
                    raise
                return self._by_mlflow.artifact(run_id, path, most_bytes)
        return found if is_within(run_id, path, len(found), most_bytes) else None

    def _is_read_by_server(self, run_id: str) -> bool:
        """Else its server may have no way to them, and MLflow's client has to be imported."""
        answer = self._client.ask("runs/get", run_id=run_id) or {}
        uri = answer.get("run", {}).get("info", {}).get("artifact_uri", "")
        return urlsplit(uri).scheme in BY_SERVER


def _run_of(run_id: str, told: Mapping[str, Any]) -> RunRecord:
    data = told.get("data", {})
    pairs = {
        kind: {each["key"]: each.get("value", "") for each in data.get(kind, [])}
        for kind in ("params", "tags")
    }
    metrics = [
        (each["key"], float(each["value"]), int(each.get("step", 0)))
        for each in data.get("metrics", [])
    ]
    return RunRecord.of(run_id, told["info"]["status"], pairs["params"], pairs["tags"], metrics)
