"""What has been asked lately, counted in the memory of this process.

A window moves with the clock and holds about a thousand entries at most: calls that come within a
thousandth of it are one entry, which leaves the window when the last of them would. So a limit is
never exceeded, and a busy subject costs no more memory than a quiet one.

Time is monotonic, so that a clock that is set changes no limit; only answers are in Unix time.
"""

import threading
import time
from collections import deque

STEPS = 1000
SWEEP_EVERY = 1024
MOST_COUNTERS = 100_000
LASTING_SECONDS = 48 * 3600  # counters of that length are not pushed out by a flood of short ones


class Window:
    """The calls of one key. entries: monotonic times of the first and the last call in it, and
    their amount, oldest first; total: of all amounts.
    """

    __slots__ = ("entries", "expiry", "total")

    def __init__(self, expiry: float) -> None:
        self.expiry = expiry
        self.entries: deque[tuple[float, float, int]] = deque()
        self.total = 0

    def forget(self, now: float) -> None:
        """Drop what has left the window."""
        while self.entries and self.entries[0][1] + self.expiry <= now:
            self.total -= self.entries.popleft()[2]

    def add(self, now: float, amount: int) -> None:
        """Take a call in."""
        first, merged = now, 0
        if self.entries and now < self.entries[-1][0] + self.expiry / STEPS:
            first, _, merged = self.entries.pop()
        self.entries.append((first, now, merged + amount))
        self.total += amount

    def wait_seconds(self, now: float, excess: int) -> float:
        """How long until `excess` of the calls have left; 0 where none must."""
        if excess <= 0:
            return 0.0
        for _, last, amount in self.entries:
            excess -= amount
            if excess <= 0:
                return last + self.expiry - now
        return self.expiry


class LocalCounts:
    """Windows and counters by key; use from any thread. shares: among how many processes each
    limit is divided.
    """

    def __init__(self) -> None:
        self.shares = 1
        self._windows: dict[str, Window] = {}
        self._counters: dict[str, tuple[int, float]] = {}
        self._lasting: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, key: str, limit: int, expiry: int, amount: int) -> bool:
        """Count `amount` in the window of `expiry` seconds, if it stays within the limit.

        A call that is larger than this process's share passes while nothing else has.
        """
        share = max(1, limit // self.shares)
        with self._lock:
            now = time.monotonic()
            window = self._window(key, expiry, now)
            if window.total + amount > share and (window.total or amount > limit):
                return False
            window.add(now, amount)
            return True

    def look(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The Unix time of the oldest call in the window (now, where there is none), and how much
        of the limit is used.
        """
        with self._lock:
            now = time.monotonic()
            window = self._window(key, expiry, now)
            used = min(limit, window.total + limit - max(1, limit // self.shares))
            age = now - window.entries[0][1] if window.entries else 0.0
            return time.time() - age, used

    def wait_seconds(self, key: str, limit: int, expiry: int, amount: int) -> float:
        """How long until `amount` would pass."""
        share = max(1, limit // self.shares)
        with self._lock:
            now = time.monotonic()
            window = self._window(key, expiry, now)
            return window.wait_seconds(now, min(window.total, window.total + amount - share))

    def incr(self, key: str, expiry: int, amount: int) -> int:
        """Add to a counter that ends `expiry` seconds after its first addition; its sum."""
        with self._lock:
            now = time.monotonic()
            counters = self._lasting if expiry >= LASTING_SECONDS else self._counters
            count, ends = counters.pop(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + expiry
            counters[key] = count + amount, ends
            while len(counters) > MOST_COUNTERS:
                del counters[next(iter(counters))]
            return count + amount

    def get(self, key: str) -> int:
        """A counter's sum; 0 where it has ended."""
        count, ends = self._found(key)
        return count if ends > time.monotonic() else 0

    def seconds_left(self, key: str, at_most: float) -> float:
        """How long until a counter ends, `at_most` that; 0 where it has."""
        return min(at_most, max(0.0, self._found(key)[1] - time.monotonic()))

    def get_expiry(self, key: str) -> float:
        """The Unix time when a counter ends; now where it has."""
        return time.time() + max(0.0, self._found(key)[1] - time.monotonic())

    def _found(self, key: str) -> tuple[int, float]:
        return self._counters.get(key) or self._lasting.get(key, (0, 0.0))

    def clear(self, key: str) -> None:
        """Forget a counter or a window."""
        with self._lock:
            self._counters.pop(key, None)
            self._lasting.pop(key, None)
            self._windows.pop(key, None)

    def _window(self, key: str, expiry: int, now: float) -> Window:
        self._taken += 1
        if self._taken % SWEEP_EVERY == 0:
            self._sweep(now)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(expiry)
        window.forget(now)
        return window

    def _sweep(self, now: float) -> None:
        for window in self._windows.values():
            window.forget(now)
        self._windows = {key: found for key, found in self._windows.items() if found.entries}
        self._counters = {key: held for key, held in self._counters.items() if held[1] > now}
        self._lasting = {key: held for key, held in self._lasting.items() if held[1] > now}
