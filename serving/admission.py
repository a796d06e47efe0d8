"""How much is taken on: beyond a number of images, or a wait, a request is told so at once.

The wait is reckoned from the images under way and the pace of the engine that runs them, and from
what is being decoded, of which large images have a budget of their own (`decode_budget`). Users
take turns at the engine (`batching`), so of another one's images only as many are reckoned as the
caller has, and one more: a user who sends hundreds is refused, and not everybody else.

Requests are looked at before their body is read, where a refusal costs next to nothing: whoever it
is, and again once the token is known; and when their images are known, where they are counted until
they are answered.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import send_problem
from serving.refusals import TryLater

OVERLOADED = "overloaded"


class Admission:
    """The images under way to one model.

    pace: seconds an image adds to the wait, all lanes together, of whichever version is live.
    before: seconds that even a small image waits before it gets to the model.
    """

    def __init__(
        self,
        most_images: int,
        most_wait_seconds: float,
        pace: Callable[[], float],
        before: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.most_images, self.most_wait_seconds = most_images, most_wait_seconds
        self.images = 0
        self._of: dict[str, int] = {}  # by user
        self._pace, self._before = pace, before

    def ahead(self, user: str | None = None) -> int:
        """Images that are run before the next one of a user; None: of one who has none here."""
        if not self._of:
            return 0
        own = 0 if user is None else self._of.get(user, 0)
        return own + sum(min(each, own + 1) for name, each in self._of.items() if name != user)

    def wait_seconds(self, user: str | None = None) -> float:
        """What a request that comes now has to wait for."""
        return self._seconds(self.ahead(user))

    def is_full(self, user: str | None = None) -> bool:
        """Whether a request that comes now is refused; None: whoever it is of.

        An idle service takes any.
        """
        ahead = self.ahead(user)
        if ahead == 0:
            return False
        return ahead >= self.most_images or self._seconds(ahead) > self.most_wait_seconds

    def require_room(self, user: str) -> None:
        """Raises TryLater where a request of that user is refused now."""
        if self.is_full(user):
            raise self.refusal(user)

    @contextmanager
    def admit(self, images: int, user: str = "") -> Iterator[None]:
        """Count `images` until the block ends. Raises TryLater where there are too many."""
        self.require_room(user)
        with self.hold(images, user):
            yield

    @contextmanager
    def hold(self, images: int, user: str = "") -> Iterator[None]:
        """Count them for an answer that has begun already, and must not end half-way."""
        self._count(images, user)
        try:
            yield
        finally:
            self._count(-images, user)

    def _count(self, images: int, user: str) -> None:
        self.images += images
        if left := self._of.pop(user, 0) + images:
            self._of[user] = left

    def _seconds(self, ahead: int) -> float:
        return ahead * self._pace() + self._before()

    def refusal(self, user: str | None = None) -> TryLater:
        """What a caller is told, with the seconds after which most of the queue is done."""
        wait = self.wait_seconds(user)
        seconds = max(math.ceil(wait), 1)
        return TryLater(
            f"{self.ahead(user)} images are under way, which takes {wait:.1f} s",
            f"try again in {seconds} s",
            code=OVERLOADED,
            retry_after_seconds=seconds,
        )


class RefuseEarly:
    """ASGI middleware: 503 where the service is full for anybody, before the body is read.

    Where it is full for one user only, `GuardedRoute` says so, which finds the door in the state.

    doors: which admission stands before which path, read from the state of a started app.
    """

    def __init__(self, app: ASGIApp, doors: Callable[[Scope], Admission | None]) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        door = self.doors(scope) if scope["type"] == "http" else None
        if door is not None:
            scope["state"]["door"] = door
        if door is None or not door.is_full():
            await self.app(scope, receive, send)
            return
        told = door.refusal()
        wait = {"retry-after": str(told.retry_after_seconds)}
        facts = scope["state"]["facts"]
        await send_problem(send, facts, 503, OVERLOADED, told.problem, told.fix, wait)
