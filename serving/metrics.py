"""What the service counts, in Prometheus's text form. One object an app; nothing is global.

Labels have few values by construction: endpoints are route templates, never raw paths, and no user
name, address or request id is one. With several worker processes the values lie in files of one
folder (prometheus_client's multi-process mode) and any worker answers with the sum.
"""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it as it is imported
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"
SAMPLE_SECONDS = 2.0
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)

# How the values of several workers make one, over those alive.
Mode = Literal["livesum", "livemax", "livemin"]

# Read at each scrape by the functions given to `watch`: name, meaning, how workers add up.
WATCHED: dict[str, tuple[str, Mode]] = {
    "request_log_backlog": ("Rows not in the database yet.", "livesum"),
    "request_log_oldest_age_seconds": ("How long the oldest of them has waited.", "livemax"),
    "request_log_dropped": ("Rows lost since the start: the queue was full.", "livesum"),
    "request_log_counted": (
        "Requests since the start that are counted in the log without a row of their own.",
        "livesum",
    ),
    "request_log_set_aside": ("Rows that the database refused since the start.", "livesum"),
    "connections": ("Connections that are open.", "livesum"),
    "decoding_pixels": ("Pixels of images being decoded, weighted by format.", "livesum"),
    "limits_shared": ("1: workers share the rate limits; 0: each counts by itself.", "livemin"),
    "models_with_problem": ("Models whose newest version does not answer.", "livemax"),
}

_PAST = re.compile(
    rb"^(?:# \w+ )?leafgate_\w+_created\b.*\n|^leafgate_model_live\{.* 0\.0\n", re.MULTILINE
)
Metric = TypeVar("Metric", Counter, Gauge, Histogram)


class Children(dict[tuple[str, ...], Metric], Generic[Metric]):
    """A metric's children by label values; prometheus_client's own look-up costs three times it."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric: Metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Metric:
        child: Metric = self._metric.labels(*labels)
        self[labels] = child
        return child


class Metrics:
    """Every method is cheap (microseconds), never raises, and may be called from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.on_stage: Callable[[str, float], None] | None = None  # told of each stage, too

        def counter(name: str, text: str, *labels: str) -> Children[Counter]:
            return Children(Counter(f"leafgate_{name}", text, labels, registry=registry))

        def histogram(
            name: str, text: str, buckets: tuple[float, ...], *labels: str
        ) -> Children[Histogram]:
            made = Histogram(f"leafgate_{name}", text, labels, registry=registry, buckets=buckets)
            return Children(made)

        def gauge(name: str, text: str, mode: Mode, *labels: str) -> Children[Gauge]:
            made = Gauge(
                f"leafgate_{name}", text, labels, registry=registry, multiprocess_mode=mode
            )
            return Children(made)

        self._requests = counter("requests", "Answers.", "endpoint", "method", "status")
        self._seconds = histogram("request_seconds", "Arrival to last byte.", SECONDS, "endpoint")
        self._stages = histogram("stage_seconds", "One part of a request.", SECONDS, "stage")
        self._batches = histogram("batch_size", "Images in a batch.", BATCH_SIZES, "model")
        self._queues = gauge("queue_length", "Images waiting for the engine.", "livesum", "model")
        self._refused = counter("refused", "Requests not taken, by code.", "reason")
        self._connections_refused = counter(
            "connections_refused", "Ended without a request that was answered.", "reason"
        )
        self._images = counter("images", "Images answered for or made.", "model", "version")
        self._live = gauge(
            "model_live",
            "Workers that answer with this version.",
            "livesum",
            *("model", "version", "engine", "digest"),
        )
        self._swaps = counter("swaps", "New versions taken up, or failed.", "model", "outcome")
        self._rollbacks = counter("rollbacks", "Back by the bake time's bounds.", "model", "reason")
        self._shadows = counter("shadow", "Answers beside.", "model", "version", "outcome")
        self._watched: dict[str, tuple[Gauge, Callable[[], float]]] = {}

    def request_done(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """One answer. endpoint: the route's template, or `OTHER`; seconds: arrival to last byte."""
        known = method if method in METHODS else OTHER
        self._requests[endpoint, known, str(status)].inc()
        self._seconds[(endpoint,)].observe(seconds)

    def stage(self, stage: str, seconds: float) -> None:
        """A part of a request: `decode`, `queue` (waiting for the engine), `engine`."""
        self._stages[(stage,)].observe(seconds)
        if self.on_stage:
            self.on_stage(stage, seconds)

    def batch(self, model: str, size: int) -> None:
        """A batch of `size` images went to the engine."""
        self._batches[(model,)].observe(size)

    def queue(self, model: str, length: int) -> None:
        """`length` images wait for the engine now."""
        self._queues[(model,)].set(length)

    def refused(self, reason: str) -> None:
        """A request was not taken. reason: its stable code, such as `overloaded`."""
        self._refused[(reason,)].inc()

    def connection_refused(self, reason: str) -> None:
        """A connection, or a request that could not be read, was refused or has timed out."""
        self._connections_refused[(reason,)].inc()

    def served(self, model: str, version: int, images: int = 1) -> None:
        """`images` were classified or made by this version."""
        self._images[model, str(version)].inc(images)

    def live(self, model: str, version: int, engine: str, digest: str) -> None:
        """The version that answers from now on, instead of any other of the model."""
        self.gone(model)
        self._live[model, str(version), engine, digest].set(1)

    def gone(self, model: str) -> None:
        """No version of the model answers any more."""
        for (name, *_), child in list(self._live.items()):
            if name == model:
                child.set(0)

    def swapped(self, model: str, outcome: str) -> None:
        """A newer version was found. outcome: `swapped`, or `failed` where the old one stays."""
        self._swaps[model, outcome].inc()

    def rolled_back(self, model: str, reason: str) -> None:
        """The bake time ended with the version before. reason: the bound that was passed."""
        self._rollbacks[model, reason].inc()

    def shadowed(self, model: str, version: int, outcome: str) -> None:
        """A candidate answered beside. outcome: such as `same`, `different`, `failed`."""
        self._shadows[model, str(version), outcome].inc()

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Show what `read` returns as the gauge `name`, one of `WATCHED`; once for each name."""
        if name not in WATCHED:
            raise ValueError(f"{name} is none of {', '.join(WATCHED)}")
        text, mode = WATCHED[name]
        made = Gauge(f"leafgate_{name}", text, registry=self._registry, multiprocess_mode=mode)
        self._watched[name] = made, read

    def sample(self) -> None:
        """Read what is watched."""
        for made, read in self._watched.values():
            with suppress(Exception):  # what cannot be read keeps its last value
                made.set(read())

    async def keep_sampling(self) -> None:
        """For ever, now and then: a worker's values must not wait until it is the one asked."""
        while os.environ.get(FOLDER_VARIABLE):
            self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    def text(self) -> bytes:
        """Everything, over all workers, in the text form 0.0.4."""
        self.sample()
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return _present(generate_latest(self._registry))
        _forget_the_dead(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)
        return _present(generate_latest(together))


def _present(text: bytes) -> bytes:
    """Without series that only say when a counter was made, and versions that were live once."""
    return _PAST.sub(b"", text)


def _forget_the_dead(folder: Path) -> None:
    """What a worker that is gone had live or queued no longer counts; its counters still do."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))
