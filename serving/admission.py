"""How much is taken on: beyond a number of images, or a wait, a request is told so at once.

The wait is reckoned from the images under way and the pace of the engine that runs them, and from
what is being decoded, of which large images have a budget of their own (`decode_budget`). Requests
are looked at twice: before their body is read, where a refusal costs next to nothing, and when
their images are known, where they are counted until they are answered.
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
        self._pace, self._before = pace, before

    @property
    def wait_seconds(self) -> float:
        """What a request that comes now has to wait for."""
        return self.images * self._pace() + self._before()

    @property
    def is_full(self) -> bool:
        """Whether a request that comes now is refused. An idle service takes any."""
        if self.images == 0:
            return False
        return self.images >= self.most_images or self.wait_seconds > self.most_wait_seconds

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Count `images` until the block ends. Raises TryLater where there are too many."""
        if self.is_full:
            raise self.refusal()
        with self.hold(images):
            yield

    @contextmanager
    def hold(self, images: int) -> Iterator[None]:
        """Count them for an answer that has begun already, and must not end half-way."""
        self.images += images
        try:
            yield
        finally:
            self.images -= images

    def refusal(self) -> TryLater:
        """What a caller is told, with the seconds after which most of the queue is done."""
        seconds = max(math.ceil(self.wait_seconds), 1)
        return TryLater(
            f"{self.images} images are under way, which takes {self.wait_seconds:.1f} s",
            f"try again in {seconds} s",
            code=OVERLOADED,
            retry_after_seconds=seconds,
        )


class RefuseEarly:
    """ASGI middleware: 503 where the service is full, before the body is read or parsed.

    doors: which admission stands before which path, read from the state of a started app.
    """

    def __init__(self, app: ASGIApp, doors: Callable[[Scope], Admission | None]) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        door = self.doors(scope) if scope["type"] == "http" else None
        if door is None or not door.is_full:
            await self.app(scope, receive, send)
            return
        told = door.refusal()
        wait = {"retry-after": str(told.retry_after_seconds)}
        facts = scope["state"]["facts"]
        await send_problem(send, facts, 503, OVERLOADED, told.problem, told.fix, wait)
