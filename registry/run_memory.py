"""Finished runs, remembered: what has ended seldom changes, and a server is asked much for it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.run_documents import Confusion, confusion_of
from registry.versions import Curve, RunRecord, VersionReader

RUNS, DETAILS = 400, 40  # how many are kept; details of one may have a megabyte
SECONDS = 600.0  # MLflow lets anybody add to a run that is finished
OF_THE_MACHINE = "system/"  # how busy it was while the run lasted

Found = TypeVar("Found")


@dataclass(frozen=True)
class RunDetails:
    """curves: by metric, of those that were logged for more than one step."""

    curves: dict[str, Curve]
    confusion: Confusion | None


class RunMemory:
    """Runs as `reader` has them; those that are finished as they were in the last ten minutes."""

    def __init__(self, reader: VersionReader, clock: Callable[[], float] = time.monotonic) -> None:
        self.reader = reader
        self._runs: _Recent[RunRecord] = _Recent(RUNS, SECONDS, clock)
        self._details: _Recent[RunDetails] = _Recent(DETAILS, SECONDS, clock)

    def run(self, run_id: str) -> RunRecord | None:
        """The run; None: there is none. Raises UserError `registry_error`."""
        found = self._runs.get(run_id) or self.reader.run(run_id)
        if found is not None and found.is_finished:
            self._runs.keep(run_id, found)
        return found

    def details(self, run: RunRecord) -> RunDetails:
        """What takes longer to read. Raises UserError `registry_error`."""
        found = self._details.get(run.run_id) or self._read(run)
        if run.is_finished:
            self._details.keep(run.run_id, found)
        return found

    def _read(self, run: RunRecord) -> RunDetails:
        stepped = [name for name, step in run.steps.items() if step]
        names = [name for name in stepped if not name.startswith(OF_THE_MACHINE)]
        curves = self.reader.curves(run.run_id, names)
        return RunDetails(
            {name: curve for name, curve in curves.items() if len(curve) > 1},
            confusion_of(self.reader, run.run_id),
        )


class _Recent(Generic[Found]):
    """At most so many, of at most that age; the least recently used go first. Safe for threads."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self.most, self.seconds, self.clock = most, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Found]] = OrderedDict()

    def get(self, key: str) -> Found | None:
        with self._lock:
            since, found = self._kept.get(key, (0.0, None))
            if found is None:
                return None
            if self.clock() - since > self.seconds:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return found

    def keep(self, key: str, found: Found) -> None:
        """As of now, unless it is kept already."""
        with self._lock:
            self._kept.setdefault(key, (self.clock(), found))
            if len(self._kept) > self.most:
                self._kept.popitem(last=False)
