"""A caller that has hung up takes its place in the queue along."""

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from serving.hanging_up import results_unless_gone


def caller(leaves: asyncio.Event) -> Request:
    """One who stays until the event."""

    async def receive() -> dict[str, Any]:
        await leaves.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


def test_whoever_leaves_before_the_answer_has_its_work_cancelled() -> None:
    async def ask() -> None:
        leaves = asyncio.Event()
        work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(results_unless_gone([work], caller(leaves)))
        await asyncio.sleep(0)
        leaves.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        assert work.cancelled()

    asyncio.run(ask())


def test_whoever_stays_gets_every_answer_in_order() -> None:
    async def ask() -> list[int]:
        loop = asyncio.get_running_loop()
        work = [loop.create_future() for _ in range(3)]
        waiting = asyncio.ensure_future(results_unless_gone(work, caller(asyncio.Event())))
        for number in (2, 0, 1):
            await asyncio.sleep(0)
            work[number].set_result(number)
        return await waiting

    assert asyncio.run(ask()) == [0, 1, 2]


@pytest.mark.parametrize("watched", [True, False])
def test_a_failure_is_passed_on_and_the_rest_is_cancelled(watched: bool) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        bad, other = loop.create_future(), loop.create_future()
        bad.set_exception(ValueError("unlucky"))
        request = caller(asyncio.Event()) if watched else None
        with pytest.raises(ValueError, match="unlucky"):
            await results_unless_gone([bad, other], request)
        await asyncio.sleep(0)
        assert other.cancelled()

    asyncio.run(ask())
