"""Model versions and their runs as they stand in MLflow, read without importing it where possible.

As with `registry.aliases`: its REST API and its SQLite file are read as they are; other stores, and
artifacts that lie neither in files nor behind a server, by MLflow's own client.
"""

import logging
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from leafgate.settings import Settings
from registry.aliases import way_to
from registry.store import ModelVersion

log = logging.getLogger(__name__)

MOST_POINTS = 500  # of a curve that is told
MOST_ROWS = 100_000  # of a metric's history that are looked at
NO_FIGURE = 1e300  # MLflow stores an infinite value as the largest finite one
RUN_ID = re.compile(r"[0-9A-Za-z][\w-]{0,255}", re.ASCII)
ARTIFACT = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)  # no part begins with a dot

Curve = tuple[tuple[int, float], ...]
Row = tuple[int, int, float]  # step, time in ms, value


@dataclass(frozen=True)
class RunRecord:
    """A run. tags: without MLflow's own; metrics: the last value of each, and `steps` its step.

    Values that are no finite number are left out.
    """

    run_id: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    steps: dict[str, int]

    @property
    def is_finished(self) -> bool:
        """Whether its job came to its end."""
        return self.status == "FINISHED"

    @staticmethod
    def of(
        run_id: str,
        status: str,
        params: Mapping[str, str],
        tags: Mapping[str, str | None],
        metrics: Iterable[tuple[str, float, int]],
    ) -> "RunRecord":
        """From what a store has. metrics: name, last value and its step."""
        figures = {name: (value, step) for name, value, step in sorted(metrics) if is_figure(value)}
        return RunRecord(
            run_id=run_id,
            status=status,
            params=dict(sorted(params.items())),
            tags={k: v or "" for k, v in sorted(tags.items()) if not k.startswith("mlflow.")},
            metrics={name: value for name, (value, _) in figures.items()},
            steps={name: step for name, (_, step) in figures.items()},
        )


class VersionReader(Protocol):
    """Reads; may be called from several threads. Each call raises UserError `registry_error` where
    the registry does not answer.
    """

    def versions(self, name: str, most: int) -> tuple[ModelVersion, ...]:
        """The newest of a model, newest first; none of an unknown one."""

    def version(self, name: str, number: int) -> ModelVersion | None:
        """One; None where there is no such version."""

    def run(self, run_id: str) -> RunRecord | None:
        """One; None where there is no such run (any more)."""

    def curves(self, run_id: str, metrics: Iterable[str]) -> dict[str, Curve]:
        """By metric, what was logged for each step, thinned to `MOST_POINTS`."""

    def files(self, run_id: str, folder: str) -> dict[str, int]:
        """Names and sizes, in bytes, of the artifacts right in a folder of the run."""

    def artifact(self, run_id: str, path: str, most_bytes: int) -> bytes | None:
        """An artifact's bytes; None where there is none, or a larger one.

        path: of the shape `ARTIFACT`; there is none under any other.
        """


def version_reader(
    settings: Settings, environment: Mapping[str, str] = os.environ
) -> VersionReader:
    """The lightest reader for the configured store. environment: MLflow's own settings.

    Raises UserError `bad_tracking_uri` for an address or certificate that cannot be used.
    """
    way = way_to(settings, environment)
    if way == "rest":
        from registry.rest_versions import RestVersions  # httpx, which others do without

        return RestVersions(settings, environment)
    if way == "sqlite":
        from registry.sqlite_versions import SqliteVersions

        return SqliteVersions(settings)
    from registry.store_versions import StoreVersions

    return StoreVersions(settings)


def is_figure(value: float) -> bool:
    """Whether it is a number to show: finite, and not what MLflow has for an infinite one."""
    return math.isfinite(value) and abs(value) < NO_FIGURE


def curve_of(rows: Iterable[Row]) -> Curve:
    """What was logged for each step, in order; of several for one, as after a job was resumed, the
    newest. Evenly thinned, the first and the last step among them.
    """
    newest = {step: value for step, _, value in sorted(row for row in rows if is_figure(row[2]))}
    points = tuple(newest.items())
    if len(points) <= MOST_POINTS:
        return points
    return tuple(
        points[round(i * (len(points) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)
    )


def is_askable(run_id: str, path: str) -> bool:
    """Whether a run may have that id and an artifact of that path; both come from people's texts,
    and none may lead out of the run's folder.
    """
    return bool(RUN_ID.fullmatch(run_id) and ARTIFACT.fullmatch(path))


def is_within(run_id: str, path: str, size: int, most_bytes: int) -> bool:
    """Whether an artifact is small enough to be read; says so in the log where it is not."""
    if size > most_bytes:
        log.warning(
            "%s of run %s has %d bytes: at most %d are read", path, run_id, size, most_bytes
        )
    return size <= most_bytes
