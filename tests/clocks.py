"""Clocks that are moved by hand."""

import pytest

from serving import local_counts


class Clock:
    """Stands in for the module `time`. now: monotonic seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._ahead = 1_000_000_000.0

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.now

    def time(self) -> float:
        """What the clock on the wall says."""
        return self.now + self._ahead

    def set_by(self, seconds: float) -> None:
        """Set the clock on the wall, forward or back."""
        self._ahead += seconds


def clock_of_counts(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that counts in memory go by, from now on."""
    clock = Clock()
    monkeypatch.setattr(local_counts, "time", clock)
    return clock
