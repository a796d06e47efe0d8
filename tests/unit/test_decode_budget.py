"""A budget of pixels under decoding: never exceeded, always given back, fair among users."""

import asyncio
import math
import random
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from leafgate.images import ImageLimits
from serving.decode_budget import DecodeBudget, Share
from serving.decoding import Decoding
from serving.refusals import TryLater

BUDGET = 8_000_000  # of which a million is still small
LARGE = 3_000_000


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(test)


async def settle() -> None:
    """Let what is ready go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def queue(budget: DecodeBudget, user: str, work: int) -> "asyncio.Task[Share]":
    return asyncio.ensure_future(budget.take(user, work))


def test_the_budget_is_never_exceeded_and_all_of_it_comes_back() -> None:
    budget, draw = DecodeBudget(BUDGET, max_large=3), random.Random(1)

    async def one(user: str) -> None:
        share = await budget.take(user, draw.choice((50_000, 900_000, LARGE, 50_000_000)))
        assert budget.used <= BUDGET
        assert budget.large <= 3
        await asyncio.sleep(draw.random() / 1000)
        budget.release(share)

    async def many() -> None:
        await asyncio.gather(*(one(f"user{number % 5}") for number in range(300)))

    run(many())
    assert BUDGET / 2 < budget.peak <= BUDGET
    assert (budget.used, budget.large, budget.waiting) == (0, 0, 0)
    assert budget.small_wait_seconds == budget.wait_seconds("user1", [LARGE]) == 0


def test_small_images_pass_however_many_large_ones_wait() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=2)
        large = [queue(budget, "mallory", 50_000_000) for _ in range(16)]
        await settle()
        assert budget.large == 1  # larger than the budget: by itself
        for _ in range(20):
            assert not budget.would_wait(60_000)
            budget.release(await asyncio.wait_for(budget.take("ada", 60_000), 1))
        for task in large:
            task.cancel()

    run(main())


def test_another_user_s_large_image_waits_for_one_of_sixteen_and_not_for_all() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=1)
        order: list[str] = []

        async def one(user: str) -> None:
            share = await budget.take(user, LARGE)
            order.append(user)
            await asyncio.sleep(0)
            budget.release(share)

        theirs = [asyncio.ensure_future(one("mallory")) for _ in range(16)]
        await settle()
        await asyncio.gather(*theirs, *(one("ada") for _ in range(2)))
        assert order.index("ada") <= 5  # those that were done before it came, and one more
        assert len(order) - 1 - order[::-1].index("ada") <= 8
        assert order.count("mallory") == 16

    run(main())


def test_a_burst_of_small_work_is_taken_in_the_order_of_arrival() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=2)
        first = [await budget.take("ada", 1_000_000) for _ in range(8)]
        waiting = [queue(budget, "ada", work) for work in (900_000, 50_000)]
        await settle()
        assert budget.waiting == 2
        budget.release(first[0])
        await settle()
        assert [task.done() for task in waiting] == [True, True]

    run(main())


def test_users_take_turns_with_small_images_too() -> None:
    async def main() -> None:
        budget = DecodeBudget(60_000_000, max_large=2)
        taken = [await budget.take("eve", 100_000) for _ in range(budget.max_small)]
        eve = [queue(budget, "eve", 100_000) for _ in range(50)]
        await settle()
        ada = [queue(budget, "ada", 100_000) for _ in range(3)]
        await settle()
        for share in taken[:6]:
            budget.release(share)
        await settle()
        assert all(task.done() for task in ada)
        assert sum(task.done() for task in eve) == 3
        assert budget.wait_seconds("bob", [100_000]) < budget.wait_seconds("eve", [100_000])
        for share in taken[6:]:
            budget.release(share)
        for task in eve + ada:
            budget.release(await task)
        assert budget.small == budget.used == 0
        assert not budget._small_of

    run(main())


def test_one_that_hangs_up_gives_its_place_to_the_next() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=1)
        running = await budget.take("mallory", LARGE)
        gone, next_one = queue(budget, "mallory", LARGE), queue(budget, "ada", LARGE)
        await settle()
        assert budget.waiting == 2
        gone.cancel()
        await settle()
        assert budget.waiting == 1
        budget.release(running)
        budget.release(await asyncio.wait_for(next_one, 1))
        assert budget.used == 0
        assert budget.wait_seconds("ada", [LARGE]) == 0

    run(main())


def test_one_cancelled_in_the_moment_of_its_turn_gives_its_share_back() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=1)
        running = await budget.take("mallory", LARGE)
        waiting = queue(budget, "ada", LARGE)
        await settle()
        budget.release(running)  # it is its turn now, and it has not gone on yet
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        assert (budget.used, budget.large) == (0, 0)

    run(main())


def test_the_wait_is_that_of_fair_turns_and_small_images_do_not_wait_for_large_ones() -> None:
    async def main() -> None:
        budget = DecodeBudget(BUDGET, max_large=1)
        budget.measured(10**9, 100.0)  # 100 ns a pixel: the slowest that is believed
        expected = [budget.expect("mallory", LARGE) for _ in range(16)]
        a_large_one = LARGE * budget.pace
        assert math.isclose(budget.wait_seconds("mallory", [LARGE]), 16 * a_large_one)
        assert math.isclose(budget.wait_seconds("ada", [LARGE]), a_large_one)
        assert math.isclose(budget.wait_seconds("ada", [LARGE] * 4), 4 * a_large_one)
        assert budget.wait_seconds("ada", [60_000]) == 0
        small = budget.expect("ada", 500_000)
        assert math.isclose(budget.small_wait_seconds, 500_000 * budget.pace)
        for each in (*expected, small, small):
            each.end()
        assert budget.wait_seconds("mallory", [LARGE]) == budget.small_wait_seconds == 0

    run(main())


def test_the_pace_is_measured_and_nothing_odd_makes_it_absurd() -> None:
    budget = DecodeBudget(BUDGET, max_large=1)
    for _ in range(200):
        budget.measured(LARGE, LARGE * 20e-9)
    assert math.isclose(budget.pace, 20e-9, rel_tol=0.01)
    budget.measured(50_000, 60.0)
    assert budget.pace == 100e-9


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def decoding(threads: ThreadPoolExecutor, max_wait: float = 3.0) -> Decoding:
    return Decoding(threads, DecodeBudget(BUDGET, max_large=1), ImageLimits(), max_wait)


def test_a_share_is_given_back_where_decoding_fails(threads: ThreadPoolExecutor) -> None:
    async def main() -> None:
        shared = decoding(threads)

        def fail() -> None:
            assert shared.budget.used == LARGE
            raise ValueError("damaged")

        with pytest.raises(ValueError, match="damaged"):
            await shared.run("ada", LARGE, fail)
        await settle()
        assert shared.budget.used == 0

    run(main())


def test_a_share_is_held_until_the_thread_is_done_though_nobody_waits(
    threads: ThreadPoolExecutor,
) -> None:
    async def main() -> None:
        shared, may_end = decoding(threads), threading.Event()
        running = asyncio.ensure_future(shared.run("ada", LARGE, may_end.wait))
        waiting = asyncio.ensure_future(shared.run("ada", LARGE, may_end.wait))
        await settle()
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        assert (shared.budget.used, shared.budget.waiting) == (LARGE, 0)
        may_end.set()
        while shared.budget.used:
            await asyncio.sleep(0.001)

    run(main())


def test_beyond_the_longest_wait_a_user_is_refused_and_told_when_to_come_back(
    threads: ThreadPoolExecutor,
) -> None:
    async def main() -> None:
        shared = decoding(threads, max_wait=1.0)
        shared.budget.measured(10**9, 100.0)
        shared.require_room("mallory", [LARGE] * 16)  # an idle service takes any
        for _ in range(16):
            shared.budget.expect("mallory", LARGE)
        with pytest.raises(TryLater) as raised:
            shared.require_room("mallory", [LARGE])
        assert (raised.value.code, raised.value.retry_after_seconds) == ("overloaded", 5)
        assert "4.8 s" in raised.value.problem
        shared.require_room("ada", [LARGE, 60_000])
        shared.require_room("mallory", [60_000])

    run(main())
