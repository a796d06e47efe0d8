"""How often one address may ask, before anything of its request is read.

SlowAPI's check comes after the token and the body, so floods of bad tokens or large uploads are
stopped here, in this process. A sliding window of two counters (as nginx and Cloudflare have it):
the former window counts for the part of it that is still in sight.
"""

import math
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from leafgate.settings import Settings
from serving.addresses import client_network
from serving.facts import Facts
from serving.plans import one_limit
from serving.problems import send_problem

NOT_LIMITED = ("/health", "/ready", "/metrics")
MOST_ADDRESSES = 100_000


class SlidingCounters:
    """At most `limit` calls in `period` seconds for each key. clock: seconds, never back."""

    def __init__(
        self, limit: int, period: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit, self.period, self.clock = limit, period, clock
        self._windows: dict[str, tuple[float, int, int]] = {}

    def hit(self, key: str) -> float:
        """0 where the call passes, and is counted; else the seconds until one would."""
        now = self.clock()
        began, former, current = self._window(key, now)
        left = 1 - (now - began) / self.period
        if former * left + current + 1 > self.limit:
            return self._wait(now - began, former, current)
        self._windows[key] = began, former, current + 1
        return 0.0

    def _window(self, key: str, now: float) -> tuple[float, int, int]:
        """When the key's window began, and the calls of the one before and of this one."""
        found = self._windows.get(key)
        if found is None:
            self._make_room(now)
            return now, 0, 0
        began, _, current = found
        passed = int((now - began) / self.period)
        if passed == 0:
            return found
        return began + passed * self.period, current if passed == 1 else 0, 0

    def _wait(self, age: float, former: int, current: int) -> float:
        room = self.limit - 1 - current
        if room >= 0:  # some of the former window must go out of sight
            return max(0.001, (1 - room / former) * self.period - age)
        # This window must become the former one, and enough of it go out of sight.
        return self.period - age + (1 - (self.limit - 1) / current) * self.period

    def _make_room(self, now: float) -> None:
        if len(self._windows) >= MOST_ADDRESSES:
            old = now - 2 * self.period
            self._windows = {k: held for k, held in self._windows.items() if held[0] > old}
        if len(self._windows) >= MOST_ADDRESSES:  # all of them are new: a flood of addresses
            self._windows.clear()


class AddressLimit:
    """ASGI middleware: 429 for an address that asks too often, before anything is read.

    The log holds the number of these refusals, see `serving.counted_requests`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.limit = one_limit(settings.address_limit, "LEAFGATE_ADDRESS_LIMIT")
        self.counters = SlidingCounters(self.limit.amount, self.limit.get_expiry())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] in NOT_LIMITED:
            await self.app(scope, receive, send)
            return
        wait = self.counters.hit(client_network(scope))
        if wait:
            await self._refuse(scope["state"]["facts"], send, wait)
        else:
            await self.app(scope, receive, send)

    async def _refuse(self, facts: Facts, send: Send, wait: float) -> None:
        facts.only_counted = True  # rows would fill the disk, at thousands a second
        detail = f"more than {self.limit} requests from this address"
        fix = "wait as long as Retry-After says"
        headers = {"retry-after": str(math.ceil(wait))}
        await send_problem(send, facts, 429, "too_many_requests", detail, fix, headers)
