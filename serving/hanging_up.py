"""A caller that has hung up is dropped from the queue: nobody would hear the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")


async def results_unless_gone(
    futures: Sequence["asyncio.Future[Result]"], request: Request | None
) -> list[Result]:
    """All results, in order. Raises the first failure, or ClientDisconnect.

    request: of the caller to look out for; None where it is not worth a task. Whatever is not done
    in the end is cancelled, and so taken from the queue.
    """
    try:
        if request is None:
            return [await future for future in futures]
        return await _first(request.receive, futures)
    finally:
        for future in futures:
            future.cancel()


async def _first(
    receive: Callable[[], Awaitable[Any]], futures: Sequence["asyncio.Future[Result]"]
) -> list[Result]:
    answer = asyncio.gather(*futures)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return list(answer.result())
    finally:
        gone.cancel()
        answer.cancel()
        with suppress(asyncio.CancelledError):
            await gone


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
