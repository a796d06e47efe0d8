"""What a version has done lately: the figures that its bake time is judged by.

Only the newest requests count, so that the version before is remembered as it was just before the
change and not as it was weeks ago.
"""

import threading
from collections import deque
from dataclasses import dataclass
from statistics import median

RECENT = 1000


@dataclass(frozen=True)
class Figures:
    """Of up to the last 1,000 images. milliseconds: median on the engine, None where unknown."""

    images: int
    failed: int
    unknown: int
    milliseconds: float | None


class Tally:
    """Outcomes of the newest images; may be written from any thread."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[bool, bool]] = deque(maxlen=RECENT)
        self._milliseconds: deque[float] = deque(maxlen=RECENT)
        self._lock = threading.Lock()

    def answered(self, unknown: bool) -> None:
        """One image got an answer."""
        with self._lock:
            self._outcomes.append((False, unknown))

    def failed(self) -> None:
        """The network failed on one image."""
        with self._lock:
            self._outcomes.append((True, False))

    def took(self, milliseconds: float) -> None:
        """What an image of one batch took on the engine."""
        with self._lock:
            self._milliseconds.append(milliseconds)

    def forget(self) -> None:
        """Begin anew: what it did when it was live before is not what it does now."""
        with self._lock:
            self._outcomes.clear()
            self._milliseconds.clear()

    def figures(self) -> Figures:
        """As they stand."""
        with self._lock:
            outcomes, times = list(self._outcomes), list(self._milliseconds)
        return Figures(
            len(outcomes),
            sum(failed for failed, _ in outcomes),
            sum(unknown for _, unknown in outcomes),
            median(times) if times else None,
        )
