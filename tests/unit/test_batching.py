"""What queues while the engine is busy goes in one batch, and nobody pays for another's trouble."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from serving.batching import Batcher, EngineFailed, Retired, WaitedTooLong, buckets
from serving.metrics import Metrics


class Engine:
    """Doubles numbers, once it is let; notes the batches. Fails on 13, alone or among others."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()

    def run(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.free.wait(10)
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]

    @contextmanager
    def busy(self) -> Iterator[None]:
        self.free.clear()
        yield
        self.free.set()


def batcher(engine: Engine, lanes: int = 1, largest: int = 8, **more: float) -> Batcher[int, int]:
    return Batcher("colours", engine.run, lanes, largest, Metrics(), **more)


async def eventually(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def while_busy(engine: Engine, queue: Batcher[int, int], items: Sequence[int]) -> list[int]:
    """Answers to items that queued while the engine ran a first one, 0."""
    with engine.busy():
        first = queue.submit([0])
        await eventually(lambda: engine.batches)
        futures = [queue.submit([item])[0] for item in items]
    await asyncio.gather(*first)
    return list(await asyncio.gather(*futures))


def test_what_queued_while_the_engine_was_busy_goes_in_one_batch() -> None:
    engine = Engine()
    answers = asyncio.run(while_busy(engine, batcher(engine), [1, 2, 3, 4]))
    assert answers == [2, 4, 6, 8]
    assert engine.batches == [[0], [1, 2, 3, 4]]


def test_users_take_turns_and_each_one_s_items_stay_in_order() -> None:
    engine = Engine()

    async def main() -> None:
        queue = batcher(engine, largest=4)
        with engine.busy():
            first = queue.submit([0])
            await eventually(lambda: engine.batches)
            eve, ada = queue.submit(range(1, 8), "eve"), queue.submit([101, 102], "ada")
        answers = await asyncio.gather(*first, *eve, *ada)
        assert answers == [0, *range(2, 16, 2), 202, 204]

    asyncio.run(main())
    assert engine.batches == [[0], [1, 101, 2, 102], [3, 4, 5, 6], [7]]


def test_what_does_not_fit_a_batch_is_the_next_one_s() -> None:
    engine = Engine()

    async def main() -> None:
        queue = batcher(engine, largest=4)
        with engine.busy():
            first = queue.submit([0])
            await eventually(lambda: engine.batches)
            gone, rest = queue.submit([1], "eve"), queue.submit([2, 3, 4], "ada")
            gone[0].cancel()
        await asyncio.gather(*first, *rest)

    asyncio.run(main())
    assert engine.batches == [[0], [2, 3], [4]]


def test_batches_are_of_sizes_that_were_warmed_and_nothing_is_padded() -> None:
    engine = Engine()
    answers = asyncio.run(while_busy(engine, batcher(engine), list(range(1, 12))))
    assert answers == [2 * item for item in range(1, 12)]
    assert [len(batch) for batch in engine.batches] == [1, 8, 2, 1]
    assert buckets(6) == (1, 2, 4)
    assert buckets(1) == (1,)


def test_a_lone_item_does_not_wait_for_others() -> None:
    engine = Engine()

    async def ask() -> list[int]:
        return [await future for future in batcher(engine).submit([5])]

    assert asyncio.run(ask()) == [10]
    assert engine.batches == [[5]]


def test_free_lanes_share_what_has_queued() -> None:
    engine = Engine()

    async def ask() -> None:
        queue = batcher(engine, lanes=2)
        await eventually(lambda: queue._idle == 2)
        with engine.busy():
            futures = queue.submit([1, 2, 3, 4])
            await eventually(lambda: len(engine.batches) == 2)
        await asyncio.gather(*futures)

    asyncio.run(ask())
    assert sorted(len(batch) for batch in engine.batches) == [2, 2]


def test_one_bad_item_does_not_spoil_its_batch() -> None:
    engine = Engine()

    async def ask() -> list[int | BaseException]:
        queue = batcher(engine)
        with engine.busy():
            first = queue.submit([0])
            await eventually(lambda: engine.batches)
            futures = queue.submit([1, 13, 3, 4])
        return list(await asyncio.gather(*first, *futures, return_exceptions=True))

    _, one, bad, three, four = asyncio.run(ask())
    assert (one, three, four) == (2, 6, 8)
    assert isinstance(bad, EngineFailed)
    assert bad.code == "engine_failed"
    assert "unlucky" not in str(bad)  # nothing of the inside


def test_a_caller_that_has_hung_up_is_dropped_before_its_turn() -> None:
    engine = Engine()

    async def ask() -> int:
        queue = batcher(engine)
        with engine.busy():
            first = queue.submit([0])
            await eventually(lambda: engine.batches)
            gone, waiting = queue.submit([1])[0], queue.submit([2])[0]
            gone.cancel()
        await asyncio.gather(*first)
        return await waiting

    assert asyncio.run(ask()) == 4
    assert engine.batches == [[0], [2]]


def test_what_waited_too_long_is_refused_rather_than_run() -> None:
    engine = Engine()

    async def ask() -> None:
        queue = batcher(engine, patience_seconds=0.05)
        with engine.busy():
            first = queue.submit([0])
            await eventually(lambda: engine.batches)
            (late,) = queue.submit([1])
            await asyncio.sleep(0.1)
        await asyncio.gather(*first)
        with pytest.raises(WaitedTooLong) as raised:
            await late
        assert raised.value.code == "queue_timeout"

    asyncio.run(ask())
    assert engine.batches == [[0]]


def test_a_closed_batcher_answers_what_it_has_and_takes_no_more() -> None:
    engine = Engine()

    async def ask() -> list[int]:
        queue = batcher(engine)
        with engine.busy():
            futures = queue.submit([1, 2])
            await eventually(lambda: engine.batches)
            futures += queue.submit([3])
            queue.close()
            with pytest.raises(Retired):
                queue.submit([4])
        return list(await asyncio.gather(*futures))

    assert asyncio.run(ask()) == [2, 4, 6]


def test_every_image_of_a_batch_was_on_the_engine_as_long_as_the_batch() -> None:
    engine, metrics = Engine(), Metrics()
    queue = Batcher("colours", engine.run, 1, 8, metrics)
    asyncio.run(while_busy(engine, queue, [1, 2, 3, 4]))
    told = metrics.text().decode()
    assert 'leafgate_stage_seconds_count{stage="engine"} 5.0' in told
    assert 'leafgate_stage_seconds_count{stage="queue"} 5.0' in told
    assert 'leafgate_batch_size_count{model="colours"} 2.0' in told


def test_the_pace_follows_the_engine() -> None:
    engine = Engine()

    async def ask() -> float:
        queue = batcher(engine, pace=5.0)
        for _ in range(60):
            await asyncio.gather(*queue.submit([1]))
        return queue.pace

    assert asyncio.run(ask()) < 0.1
