"""SlowAPI's storage: in memory, or in Redis with the memory as its stand-in.

SlowAPI finds it by its scheme. Redis gone, each process counts by itself what is its share among
those last seen alive; a thread asks once a second whether it is back, so that no request waits.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from limits.storage import MovingWindowSupport, Storage
from redis import RedisError

from serving.local_counts import LocalCounts
from serving.redis_counts import RedisCounts

log = logging.getLogger(__name__)

SCHEME = "leafgate"
BEAT_SECONDS = 1.0
Answer = TypeVar("Answer")


COUNTED_HERE, COUNTED_TOGETHER = "memory", "redis"
REDIS_AWAY = "redis away: counting locally"


class Counts(Storage, MovingWindowSupport):
    """Windows and counters by key, as `limits` asks for them. redis_url: empty: in memory."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - as limits has it
    base_exceptions = RedisError

    def __init__(self, uri: str = "", redis_url: str = "", **options: Any) -> None:  # noqa: ANN401
        super().__init__(uri, **options)
        self.local = LocalCounts()
        self.shared = RedisCounts(redis_url) if redis_url else None
        self.away = False
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Follow whether Redis is there, and who else uses it."""
        if self.shared is not None:
            self._beat(self.shared)
            self._watcher = threading.Thread(target=self._watch, name="limits", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()
        if self.shared is not None and self._watcher is not None:
            self._watcher.join(2 * BEAT_SECONDS)
            try:
                self.shared.leave()
            except RedisError:
                return  # it will find out by itself

    @property
    def health(self) -> str:
        """Where is counted, in words."""
        if self.shared is None:
            return COUNTED_HERE
        return REDIS_AWAY if self.away else COUNTED_TOGETHER

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount`, if it stays within the limit."""
        return self._ask(lambda counts: counts.take(key, limit, expiry, amount))

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest call in the window, and how much of the limit is used."""
        return self._ask(lambda counts: counts.look(key, limit, expiry))

    def wait_seconds(self, key: str, limit: int, expiry: int, amount: int) -> float:
        """How long until `amount` would pass."""
        return self._ask(lambda counts: counts.wait_seconds(key, limit, expiry, amount))

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter that ends `expiry` seconds after its first addition; its sum."""
        return self._ask(lambda counts: counts.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """A counter's sum; 0 where it has ended."""
        return self._ask(lambda counts: counts.get(key))

    def seconds_left(self, key: str, at_most: float) -> float:
        """How long until a counter ends; 0 where it has. at_most: no counter like it lasts longer,
        whatever a clock that was set back says.
        """
        return self._ask(lambda counts: counts.seconds_left(key, at_most))

    def get_expiry(self, key: str) -> float:
        """The Unix time when a counter ends; now where it has."""
        return self._ask(lambda counts: counts.get_expiry(key))

    def clear(self, key: str) -> None:
        """Forget a counter."""
        self._ask(lambda counts: counts.clear(key))

    def check(self) -> bool:
        """Whether the store that was configured answers."""
        return not self.away

    def reset(self) -> int | None:
        """Not offered, which is said as `limits` has it: others count in the same Redis."""
        raise NotImplementedError

    def _ask(self, question: Callable[[LocalCounts | RedisCounts], Answer]) -> Answer:
        if self.shared is not None and not self.away:
            try:
                return question(self.shared)
            except RedisError as error:
                self._lose(error)
        return question(self.local)

    def _watch(self) -> None:
        assert self.shared is not None  # noqa: S101 - started for it
        while not self._stopping.wait(BEAT_SECONDS):
            self._beat(self.shared)

    def _beat(self, shared: RedisCounts) -> None:
        try:
            self.local.shares = max(1, shared.beat())
        except RedisError as error:
            self._lose(error)
            return
        if self.away:
            log.info("limits: Redis is back")
        self.away = False

    def _lose(self, error: RedisError) -> None:
        if not self.away:
            log.warning("limits: Redis is away, counting locally (%s)", error)
        self.away = True
