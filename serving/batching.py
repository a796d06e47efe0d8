"""What has queued while the engine was busy goes in one batch; no timer waits for more.

On a CPU a batch gains little over its images one by one, so waiting to fill one would only make
callers wait. Batches come in a few sizes (buckets), each of which was run once before it was
needed: what fits is taken, nothing is padded. Free lanes of the engine share what has queued.
Users take turns, so that one who queues hundreds of images delays another by a batch at most.

A batch that fails is run again one by one, so that only the job at fault fails; a caller that has
hung up is dropped before its turn.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from leafgate.errors import UserError
from serving.metrics import Metrics
from serving.turns import Turns

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Sequence[Item]], Sequence[Result]]
LEARNING = 0.1  # share of the newest batch in the pace


class Retired(Exception):
    """The batcher takes no more: ask the version that took its place."""


class EngineFailed(UserError):
    """The network itself failed on this one job."""


class WaitedTooLong(UserError):
    """The engine fell so far behind that the answer is of no use any more."""


@dataclass(frozen=True)
class Job(Generic[Item, Result]):
    """One item on its way. since: of the monotonic clock; user: whose turn it takes."""

    item: Item
    future: "asyncio.Future[Result]"
    since: float
    user: str = ""


class Batcher(Generic[Item, Result]):
    """A queue before an engine, and a thread for each of its lanes.

    run: results for up to `largest` items, from several threads at a time. pace: seconds an image
    takes one lane, to begin with. patience_seconds: a job that is older is not run any more.
    """

    def __init__(
        self,
        name: str,
        run: "Run[Item, Result]",
        lanes: int,
        largest: int,
        metrics: Metrics,
        pace: float = 0.0,
        patience_seconds: float = 30.0,
    ) -> None:
        self.name, self.lanes, self.pace = name, lanes, pace
        self._run, self._metrics, self._patience = run, metrics, patience_seconds
        self._buckets = buckets(largest)
        self._queue: Turns[Job[Item, Result]] = Turns()
        self._changed = threading.Condition()
        self._idle, self._closing = 0, False
        for lane in range(lanes):
            threading.Thread(target=self._work, name=f"{name}-{lane}", daemon=True).start()

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._queue)

    def submit(self, items: Sequence[Item], user: str = "") -> "list[asyncio.Future[Result]]":
        """Queue the items of a user, from the event loop. Raises Retired after `close`.

        A future fails with EngineFailed or WaitedTooLong; one that is cancelled is not run.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        jobs = [Job(item, loop.create_future(), now, user) for item in items]
        with self._changed:
            if self._closing:
                raise Retired(self.name)
            self._queue.extend(user, jobs)
            self._changed.notify(len(jobs))
        return [job.future for job in jobs]

    def close(self) -> None:
        """Take no more; what has queued is still answered."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _work(self) -> None:
        while jobs := self._next():
            started = time.monotonic()
            self._measure_wait(jobs, started)
            outcomes = self._outcomes([job.item for job in jobs])
            self._learn(time.monotonic() - started, len(jobs))
            deliver(jobs, outcomes)

    def _next(self) -> "list[Job[Item, Result]]":
        """The next batch; empty once closed and done."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    self._changed.wait_for(lambda: self._queue or self._closing)
                    if jobs := self._take():
                        return jobs
                    if self._closing and not self._queue:
                        return []
            finally:
                self._idle -= 1

    def _take(self) -> "list[Job[Item, Result]]":
        """A fair share of what waits, in the largest bucket that it fills."""
        late = time.monotonic() - self._patience
        jobs: list[Job[Item, Result]] = []
        size = self._bucket(-(-len(self._queue) // max(self._idle, 1)))
        while self._queue and len(jobs) < size:
            job = self._queue.popleft()
            if job.future.cancelled():
                continue
            if job.since < late:
                deliver([job], [_too_late(self._patience)])
            else:
                jobs.append(job)
        fitting = self._bucket(len(jobs))
        for job in reversed(jobs[fitting:]):
            self._queue.put_back(job.user, job)
        return jobs[:fitting]

    def _bucket(self, count: int) -> int:
        """The largest batch that `count` items fill; 0 for none."""
        return max((size for size in self._buckets if size <= count), default=0)

    def _outcomes(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return self._run(items)
        except Exception as error:  # whatever an engine raises; one at a time tells whose fault
            if len(items) == 1:
                log.exception("%s failed", self.name)
                return [_failed(error)]
            return [outcome for item in items for outcome in self._outcomes([item])]

    def _measure_wait(self, jobs: "Sequence[Job[Item, Result]]", now: float) -> None:
        self._metrics.batch(self.name, len(jobs))
        self._metrics.queue(self.name, len(self._queue))
        for job in jobs:
            self._metrics.stage("queue", now - job.since)

    def _learn(self, batch_seconds: float, images: int) -> None:
        for _ in range(images):
            self._metrics.stage("engine", batch_seconds)  # each was in it from beginning to end
        seconds = batch_seconds / images
        if self._idle == 0 or not self.pace:  # alone a lane is quicker than among others
            self.pace += LEARNING * (seconds - self.pace) if self.pace else seconds


def buckets(largest: int) -> tuple[int, ...]:
    """1, 2, 4, … up to `largest`."""
    return tuple(2**power for power in range(largest.bit_length()) if 2**power <= largest)


def deliver(jobs: "Sequence[Job[Item, Result]]", outcomes: Sequence[Result | Exception]) -> None:
    """Hand results to the event loops that wait for them, in one call."""

    def settle() -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    try:
        jobs[0].future.get_loop().call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits any more
        log.debug("results after the end of the service")


def _failed(error: Exception) -> EngineFailed:
    return EngineFailed(
        f"the model failed on this input ({type(error).__name__})",
        "try again; tell whoever runs it the request id",
        code="engine_failed",
    )


def _too_late(patience: float) -> WaitedTooLong:
    return WaitedTooLong(
        f"the request waited more than {patience:g} s",
        "try again when the service is less busy",
        code="queue_timeout",
    )
