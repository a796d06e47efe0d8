"""Cheap requests are counted beyond a number a minute, and not written to the log one by one.

A request that came to nothing but its own row (no image, no pictures, no feedback) costs its caller
next to nothing, and the log half a kilobyte. So of those without a user, and of a user's refusals,
the first of each minute are rows and further ones are counted: by caller, status and error code.
Once a minute each count becomes one row that stands for all of its requests (`request_count`), so
every figure of the log still holds all of them. What the address limit refuses is only counted.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from serving.facts import Facts, new_id
from sql import Entry, OutboxFailed, RequestLog, RequestRecord

MINUTE = 60.0
ANY = "*"  # endpoint and method of a row that stands for several requests
STRANGERS = 5  # times the rows of one caller: what all without a user have together
MAX_GROUPS = 100  # counted apart in a minute; what is beyond has no address


@dataclass(frozen=True)
class Group:
    """Requests that are counted together. network: None for those of too many callers; client: the
    program, of which there are few.
    """

    network: str | None
    user_name: str | None
    status: int
    error_code: str | None
    client: str | None = None


@dataclass
class Count:
    """number: of requests; source, at_utc: of the first; latency_ms: of all together."""

    number: int
    source: str | None
    at_utc: datetime
    latency_ms: float


class CountedRequests:
    """Decides which requests are only counted, and writes the counts to the log.

    rows: a minute, of one caller. clock: seconds, never back. Use it in one event loop.
    """

    def __init__(
        self, log: RequestLog, rows: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log, self.rows, self.clock = log, rows, clock
        self.total = 0  # requests since the start that have no row of their own
        self._minute = 0
        self._written: dict[str, int] = {}  # rows of this minute: by caller, and of all strangers
        self._counts: dict[Group, Count] = {}

    def take(
        self,
        facts: Facts,
        status: int,
        source: str | None,
        network: str,
        client: str | None = None,
    ) -> bool:
        """Whether the request is counted here, and gets no row. source: the address; network: what
        is limited as one; client: the program.
        """
        if not facts.is_cheap(status) or (not facts.only_counted and self._has_row(facts, network)):
            return False
        self.total += 1
        group = Group(network, facts.user_name, status, facts.error_code, client)
        if group not in self._counts and len(self._counts) >= MAX_GROUPS:
            group, source = Group(None, None, status, facts.error_code, client), None
        self._add(group, Count(1, source, facts.at_utc, facts.seconds * 1000))
        return True

    def _has_row(self, facts: Facts, network: str) -> bool:
        """Whether the caller has a row left in this minute; it is taken."""
        minute = int(self.clock() / MINUTE)
        if minute != self._minute:
            self._minute, self._written = minute, {}
        if facts.user_name is not None:
            return self._spend({f"user {facts.user_name}": self.rows})
        return self._spend({"": STRANGERS * self.rows, network: self.rows})

    def _spend(self, budgets: dict[str, int]) -> bool:
        if any(self._written.get(key, 0) >= rows for key, rows in budgets.items()):
            return False
        for key in budgets:
            self._written[key] = self._written.get(key, 0) + 1
        return True

    def _add(self, group: Group, more: Count) -> None:
        known = self._counts.setdefault(group, Count(0, more.source, more.at_utc, 0.0))
        known.number += more.number
        known.at_utc = min(known.at_utc, more.at_utc)
        known.latency_ms += more.latency_ms

    async def keep_writing(self) -> None:
        """For ever: write the counts of each minute."""
        while True:
            await asyncio.sleep(MINUTE)
            await self.write()

    async def write(self) -> None:
        """Turn the counts into rows now. What cannot be written is kept, and written later."""
        for group in [] if self.log.is_full else list(self._counts):
            count = self._counts.pop(group)
            try:
                await asyncio.wrap_future(self.log.record(_entry(group, count)))
            except OutboxFailed:
                self._add(group, count)


def _entry(group: Group, count: Count) -> Entry:
    return Entry(
        request=RequestRecord(
            id=new_id(),
            at_utc=count.at_utc,
            method=ANY,
            endpoint=ANY,
            status=group.status,
            latency_ms=count.latency_ms / count.number,
            user_name=group.user_name,
            source=count.source,
            error_code=group.error_code,
            request_count=count.number,
            client=group.client,
        )
    )
