"""A queue in which a long line delays itself, and not the others."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from serving.fair_queue import FairQueue, QueueFull


class Work:
    """Calls that run until they are let go; the order in which they ran."""

    def __init__(self, at_a_time: int = 1, max_waiting: int = 64) -> None:
        self.queue = FairQueue("test", at_a_time, max_waiting, ranks=2)
        self.gate = threading.Event()
        self.order: list[str] = []
        self.running = self.most = 0

    def call(self, name: str) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.gate.wait(20)
        self.running -= 1
        self.order.append(name)
        return name

    def ask(self, name: str, group: str, rank: int = 1) -> "asyncio.Task[str]":
        return asyncio.ensure_future(self.queue.run(rank, group, self.call, name))


def run(test: Callable[[Work], Awaitable[None]], **how: int) -> Work:
    """The test in a loop of its own."""

    async def inside() -> Work:
        work = Work(**how)
        try:
            await test(work)
        finally:
            work.gate.set()
            work.queue.close()
        return work

    return asyncio.run(inside())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_lines_take_turns_and_the_first_rank_goes_first() -> None:
    async def test(work: Work) -> None:
        asked = [work.ask("first", "crowd")]
        await settled()
        asked += [work.ask(f"crowd {n}", "crowd") for n in range(3)]
        asked += [work.ask("one", "a"), work.ask("two", "b"), work.ask("known", "c", rank=0)]
        await settled()
        assert (work.queue.waiting(0), work.queue.waiting(1)) == (1, 5)
        work.gate.set()
        assert await asyncio.gather(*asked)

    work = run(test)
    assert work.order == ["first", "known", "crowd 0", "one", "two", "crowd 1", "crowd 2"]
    assert work.most == 1
    assert work.queue.waiting(1) == 0


def test_where_there_is_no_room_the_longest_line_gives_some_up() -> None:
    async def test(work: Work) -> None:
        crowd = [work.ask("crowd", "crowd") for _ in range(5)]  # one runs, four wait
        await settled()
        with pytest.raises(QueueFull):
            await work.ask("too many", "crowd")
        newcomers = [work.ask("new", "a"), work.ask("new", "b"), work.ask("new", "c")]
        await settled()
        assert [each.done() for each in crowd] == [False] * 2 + [True] * 3
        assert all(isinstance(each.exception(), QueueFull) for each in crowd[2:])
        for group in ("a", "d"):  # now each waits in a line of one
            with pytest.raises(QueueFull):
                await work.ask("too many", group)
        preferred = work.ask("known", "d", rank=0)  # its room is its own
        await settled()
        work.gate.set()
        await asyncio.gather(preferred, *newcomers, *crowd[:2])

    run(test, max_waiting=4)


def test_who_gives_up_waiting_takes_no_turn_and_none_is_lost() -> None:
    async def test(work: Work) -> None:
        first, gone, last = (work.ask(name, name) for name in ("first", "gone", "last"))
        await settled()
        gone.cancel()
        work.gate.set()
        assert await first == "first"
        assert await last == "last"
        again = [work.ask(str(n), "a") for n in range(20)]
        await settled()
        for each in again[::2]:
            each.cancel()
        await asyncio.gather(*again, return_exceptions=True)
        assert await asyncio.gather(*(work.ask("", "b") for _ in range(4))) == [""] * 4

    work = run(test)
    assert "gone" not in work.order
    assert work.most == 1


def test_a_call_that_fails_passes_its_turn_on() -> None:
    async def test(work: Work) -> None:
        work.gate.set()

        def fail() -> None:
            raise ValueError("no")

        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                await work.queue.run(1, "a", fail)
        assert await work.ask("fine", "a") == "fine"

    run(test)
