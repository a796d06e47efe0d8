"""Work that takes a core for a moment, a few at a time, in turn among those who ask.

Callers wait in lines, one a group (for sign-ins: a network). Lines take turns, so that a long one
delays itself and not the others; and where there is no more room, the longest gives some up.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
Line = deque[asyncio.Future[None]]


class QueueFull(Exception):
    """There is no room to wait, or no longer."""


class FairQueue:
    """Runs calls in threads; use from one event loop.

    at_a_time: threads. max_waiting: callers of one rank that wait at most. ranks: how many there
    are; a lower one goes first.
    """

    def __init__(self, name: str, at_a_time: int, max_waiting: int, ranks: int) -> None:
        self.max_waiting = max_waiting
        self._free = at_a_time
        self._lines: list[OrderedDict[str, Line]] = [OrderedDict() for _ in range(ranks)]
        self._threads = ThreadPoolExecutor(at_a_time, name)

    async def run(self, rank: int, group: str, call: Callable[..., Result], *args: Any) -> Result:  # noqa: ANN401
        """What `call` returns. Raises QueueFull, and what `call` raises."""
        if not self._free:
            await self._wait(self._lines[rank], group)
        else:
            self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)
        finally:
            self._pass_on()

    def waiting(self, rank: int) -> int:
        """How many callers of a rank wait."""
        return sum(map(len, self._lines[rank].values()))

    def close(self) -> None:
        """Begin no further call."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _wait(self, lines: OrderedDict[str, Line], group: str) -> None:
        """Until it is this caller's turn; one of the threads is then this caller's."""
        if sum(map(len, lines.values())) >= self.max_waiting:
            self._make_room(lines, group)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines.setdefault(group, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # its turn had come
            _leave(lines, group, turn)
            raise

    def _make_room(self, lines: OrderedDict[str, Line], group: str) -> None:
        """Send away the last of the longest line. Raises QueueFull where that is this group's."""
        longest = max(lines, key=lambda name: len(lines[name]))
        if len(lines[longest]) <= len(lines.get(group, ())) + 1:
            raise QueueFull
        last = lines[longest][-1]
        _leave(lines, longest, last)
        last.set_exception(QueueFull())

    def _pass_on(self) -> None:
        """Give a thread that is free to the next caller."""
        for lines in self._lines:
            while lines:
                group, line = next(iter(lines.items()))
                turn = line.popleft()
                lines.move_to_end(group)
                if not line:
                    del lines[group]
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


def _leave(lines: OrderedDict[str, Line], group: str, turn: asyncio.Future[None]) -> None:
    line = lines.get(group)
    if line is not None and turn in line:
        line.remove(turn)
        if not line:
            del lines[group]
