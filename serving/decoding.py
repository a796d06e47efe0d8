"""Images are opened, and then decoded by other threads than the one that answers.

Opening reads the header alone, which says what decoding will cost before anything is spent on it.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from leafgate.errors import ImageError
from leafgate.images import ImageLimits, OpenedImage
from serving.admission import OVERLOADED
from serving.decode_budget import DecodeBudget, Expected, Share
from serving.memory import trim_memory
from serving.refusals import TryLater

OPENED_AT_ONCE = 2**16  # bytes of a JPEG, which take a tenth of a millisecond
HASHED_AT_ONCE = 2**18
JPEG = b"\xff\xd8"
TRIM_SECONDS = 1.0  # after a large image
COST_WORK = 4_000_000  # an image's worth of a user's limit: so much work is included in each
Opened = OpenedImage | ImageError
Result = TypeVar("Result")


def image_cost(opened: Opened, wanted_size: int | None) -> int:
    """What an image costs of its user's limit beyond the runs of the network: 0 for usual ones."""
    if isinstance(opened, ImageError):
        return 0
    return math.ceil(opened.header.work(wanted_size) / COST_WORK) - 1


class Decoding:
    """Threads that read images within a budget. Use it from one event loop.

    max_wait_seconds: reckoned; beyond it images are refused.
    """

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        budget: DecodeBudget,
        limits: ImageLimits,
        max_wait_seconds: float,
    ) -> None:
        self.budget = budget
        self._threads, self._limits, self._max_wait_seconds = threads, limits, max_wait_seconds
        self._trimming: asyncio.TimerHandle | None = None

    async def open(self, data: bytes, wanted_size: int | None) -> tuple[str, Opened]:
        """SHA-256 of the file, and the file opened, or why it cannot be decoded."""
        loop = asyncio.get_running_loop()
        if data.startswith(JPEG) and len(data) <= OPENED_AT_ONCE:
            return _sha256(data), self._open(data, wanted_size)
        if len(data) <= HASHED_AT_ONCE:
            digest = _sha256(data)
        else:
            digest = await loop.run_in_executor(self._threads, _sha256, data)
        return digest, await loop.run_in_executor(self._threads, self._open, data, wanted_size)

    def _open(self, data: bytes, wanted_size: int | None) -> Opened:
        try:
            return OpenedImage(data, self._limits, wanted_size)
        except ImageError as error:
            return error

    def require_room(self, user: str, work: Sequence[int]) -> None:
        """Raise TryLater where images of that work would wait too long for those before them."""
        wait = self.budget.wait_seconds(user, work)
        if wait <= self._max_wait_seconds:
            return
        seconds = math.ceil(wait)
        raise TryLater(
            f"large images are under way, which takes {wait:.1f} s",
            f"try again in {seconds} s, or send smaller images",
            code=OVERLOADED,
            retry_after_seconds=seconds,
        )

    async def run(
        self, user: str, work: int, job: Callable[[], Result], expected: Expected | None = None
    ) -> Result:
        """What `job` returns, run by a thread when it is the turn of an image of that work.

        Its share of the budget is held until the thread is done, also where nobody waits for it.
        """
        share = await self.budget.take(user, work, expected)
        taken = 0.0

        def timed() -> Result:
            nonlocal taken
            started = time.perf_counter()
            try:
                return job()
            finally:
                taken = time.perf_counter() - started

        try:
            future = self._threads.submit(timed)
        except RuntimeError:  # the service is stopping
            self.budget.release(share)
            raise
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._release_later(share, future)
            raise
        except BaseException:
            self._release(share, taken)
            raise
        self._release(share, taken)
        return result

    def _release_later(self, share: Share, future: "Future[Result]") -> None:
        """When the thread is done, of which nobody waits for the result."""
        loop = asyncio.get_running_loop()

        def done(future: "Future[Result]") -> None:
            with suppress(RuntimeError):  # the loop is closed: the service has ended
                loop.call_soon_threadsafe(self._release, share)

        future.add_done_callback(done)

    def _release(self, share: Share, seconds: float | None = None) -> None:
        self.budget.release(share, seconds)
        if share.is_large and self._trimming is None:
            later = asyncio.get_running_loop().call_later
            self._trimming = later(TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        """Give memory back, once no large image is under way."""
        self._trimming = None
        if self.budget.large:
            return  # which comes here again when it is done
        with suppress(RuntimeError):  # the service is stopping
            self._threads.submit(trim_memory)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
