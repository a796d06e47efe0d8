"""How much is decoded at a time, and in which order: a shared budget of pixels, fair among users.

Work is counted in pixels of a plain image (`ImageHeader.work`). Small images need only free budget;
large ones also one of a few places, so that threads and budget are always left for small ones. What
has to wait is taken in the order of fair queueing: as if each user's images were decoded side by
side, so sixteen large images of one user delay another one's by one or two of them, not by all.
Small ones take turns likewise, once more are under way than keep the threads busy.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

SMALL_WORK = 1_000_000
SMALL_SHARE = 8  # of the budget, at most, is still small
SMALL_A_PLACE = 6  # small images under way for each place of large ones: threads never wait
KEPT_FREE = 2  # small images' worth of budget that large ones leave
FIRST_PACE = 15e-9  # seconds a pixel, until it was measured
SLOWEST_PACE = 100e-9
MEMORY = 0.95  # of the measured pace, from one image to the next


@dataclass(order=True, slots=True)
class Share:
    """Part of the budget. turn: when it ends in the order of fair queueing; number: of arrival."""

    turn: float
    number: int
    user: str = field(compare=False)
    work: int = field(compare=False)
    is_large: bool = field(compare=False)
    ready: "asyncio.Future[None] | None" = field(default=None, compare=False)


class Expected:
    """Work of an image that was let in: it counts until the image asks for its share."""

    def __init__(self, budget: "DecodeBudget", user: str, work: int) -> None:
        self._budget, self._user, self._work = budget, user, work
        budget.count(user, work)

    def end(self) -> None:
        """Count it no longer; again, nothing happens."""
        self._budget.count(self._user, -self._work)
        self._work = 0


class DecodeBudget:
    """Use it from one event loop. max_work: under decoding at a time; max_large: large images.

    An image that is larger than the whole budget is decoded with no other large one.
    """

    def __init__(self, max_work: int, max_large: int) -> None:
        self.max_work, self.max_large = max_work, max_large
        self.small_work = min(SMALL_WORK, max_work // SMALL_SHARE)
        self.max_small = SMALL_A_PLACE * max_large
        self.used = self.peak = self.large = self.small = 0
        self._waiting_small: list[Share] = []
        self._waiting_large: list[Share] = []
        self._backlog: Counter[str] = Counter()  # large work by user, waiting or under way
        self._small_of: dict[str, int] = {}  # likewise small work
        self._small_backlog = 0  # of all
        self._turns: dict[str, float] = {}
        self._small_turns: dict[str, float] = {}
        self._clock = self._small_clock = 0.0
        self._arrived = 0
        self._seconds, self._measured_work = FIRST_PACE * SMALL_WORK, float(SMALL_WORK)

    @property
    def pace(self) -> float:
        """Seconds of a thread that a pixel of work takes."""
        return min(self._seconds / self._measured_work, SLOWEST_PACE)

    @property
    def waiting(self) -> int:
        """Images that wait for their share."""
        queues = (self._waiting_small, self._waiting_large)
        return sum(not _gone(share) for queue in queues for share in queue)

    @property
    def small_wait_seconds(self) -> float:
        """How long small images keep one of a user waiting who has none: large ones pass nobody."""
        return self._small_wait(None)

    def wait_seconds(self, user: str, work: Sequence[int]) -> float:
        """How long others, and the user's own earlier images, keep images of that work waiting."""
        large = sum(each for each in work if self.is_large(each))
        if not large:
            return self._small_wait(user)
        own = self._backlog[user]
        others = sum(min(each, own + large) for name, each in self._backlog.items() if name != user)
        return (own + others + self._small_backlog) * self.pace / self.max_large

    def _small_wait(self, user: str | None) -> float:
        if not self._small_of:
            return 0.0
        own = 0 if user is None else self._small_of.get(user, 0)
        most = own + self.small_work
        others = sum(min(each, most) for name, each in self._small_of.items() if name != user)
        return (own + others) * self.pace / self.max_large

    def is_large(self, work: int) -> bool:
        """Whether it needs one of the places of large images."""
        return work > self.small_work

    def would_wait(self, work: int) -> bool:
        """Whether an image of that work has to wait now."""
        is_large = self.is_large(work)
        queue = self._waiting_large if is_large else self._waiting_small
        return bool(queue) or not self._fits(self._counted(work), is_large)

    def expect(self, user: str, work: int) -> Expected:
        """Count an image that is about to ask for its share. End it in any case."""
        return Expected(self, user, self._counted(work))

    async def take(self, user: str, work: int, expected: Expected | None = None) -> Share:
        """A share for an image, once it is its turn; give it back with `release`.

        One that is cancelled while it waits is forgotten. expected: it is no longer.
        """
        share = self._share(user, work)
        if expected is not None:
            expected.end()
        queue = self._waiting_large if share.is_large else self._waiting_small
        if not queue and self._fits(share.work, share.is_large):
            self._start(share)
            return share
        share.ready = asyncio.get_running_loop().create_future()
        heapq.heappush(queue, share)
        try:
            await share.ready
        except asyncio.CancelledError:
            if share.ready.cancelled():
                self.count(user, -share.work)
                self._start_waiting()
            else:  # it was given its share and cancelled in the same moment
                self.release(share)
            raise
        return share

    def release(self, share: Share, seconds: float | None = None) -> None:
        """Give a share back. seconds: that decoding took, where it is known."""
        self.used -= share.work
        self.large -= share.is_large
        self.small -= not share.is_large
        self.count(share.user, -share.work)
        if seconds is not None:
            self.measured(share.work, seconds)
        self._start_waiting()

    def measured(self, work: int, seconds: float) -> None:
        """Learn how long work takes."""
        self._seconds = MEMORY * self._seconds + seconds
        self._measured_work = MEMORY * self._measured_work + work

    def count(self, user: str, work: int) -> None:
        """Add to what waits or is under way; negative: it is over."""
        if not self.is_large(abs(work)):
            self._small_backlog += work
            if (left := self._small_of.get(user, 0) + work) > 0:
                self._small_of[user] = left
            elif self._small_of.pop(user, None) is not None:
                self._small_turns.pop(user, None)
            return
        self._backlog[user] += work
        if self._backlog[user] <= 0:
            del self._backlog[user]
            self._turns.pop(user, None)

    def _share(self, user: str, work: int) -> Share:
        is_large = self.is_large(work)
        counted = self._counted(work)
        turns = self._turns if is_large else self._small_turns
        clock = self._clock if is_large else self._small_clock
        turn = max(clock, turns.get(user, 0.0)) + counted
        self._arrived += 1
        self.count(user, counted)
        turns[user] = turn
        return Share(turn, self._arrived, user, counted, is_large)

    def _counted(self, work: int) -> int:
        return min(work, self.max_work - KEPT_FREE * self.small_work)

    def _fits(self, work: int, is_large: bool) -> bool:
        if not is_large:
            return self.small < self.max_small and self.used + work <= self.max_work
        most = self.max_work - KEPT_FREE * self.small_work
        return self.large < self.max_large and self.used + work <= most

    def _start(self, share: Share) -> None:
        self.used += share.work
        self.large += share.is_large
        self.peak = max(self.peak, self.used)
        if share.is_large:
            self._clock = max(self._clock, share.turn - share.work)
        else:
            self.small += 1
            self._small_clock = max(self._small_clock, share.turn - share.work)

    def _start_waiting(self) -> None:
        for queue in (self._waiting_small, self._waiting_large):
            while queue:
                if _gone(queue[0]):
                    heapq.heappop(queue)
                elif self._fits(queue[0].work, queue[0].is_large):
                    share = heapq.heappop(queue)
                    self._start(share)
                    assert share.ready is not None  # noqa: S101 - it waited
                    share.ready.set_result(None)
                else:
                    break


def _gone(share: Share) -> bool:
    return share.ready is not None and share.ready.cancelled()
