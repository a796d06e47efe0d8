"""What a request's body may be: how large, how slow, and how much of all bodies together.

A route refuses a body by its announced length. It is refused as well as soon as it exceeds its
bound, stalls, or no memory is left for it. FastAPI's own `max_body_size` stands outside all
middleware: its refusals have no request id, no problem document and no row in the log.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leafgate.settings import Settings
from serving.addresses import client_network
from serving.refusals import BodyRefused

OTHER_PATHS = "*"
RETRY_SECONDS = 5
SHARE_OF_ONE = 2  # of the memory that others leave for bodies, one user gets at most a half


class BodyMemory:
    """The bytes of all bodies under way in this process, which are held in memory."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self._of_one: Counter[str] = Counter()

    def take(self, owner: str, size: int) -> None:
        """Count them in. Raises BodyRefused `uploads_full`."""
        own = self._of_one[owner]
        if own + size > (self.max_bytes - (self.bytes - own)) // SHARE_OF_ONE:
            raise BodyRefused(
                503,
                "uploads_full",
                f"uploads of {self.bytes:,} bytes are under way",
                f"try again in {RETRY_SECONDS} s",
                RETRY_SECONDS,
            )
        self.bytes += size
        self._of_one[owner] += size

    def give_back(self, owner: str, size: int) -> None:
        """Count them out."""
        self.bytes -= size
        self._of_one[owner] -= size
        if not self._of_one[owner]:
            del self._of_one[owner]


@dataclass
class Body:
    """One body on its way in. taken: its bytes by owner; waited_seconds: for the caller."""

    scope: Scope
    receive: Receive
    limit: "BodyLimit"
    max_bytes: int
    size: int = 0
    waited_seconds: float = 0.0
    is_complete: bool = False
    taken: list[tuple[str, int]] = field(default_factory=list)

    async def next(self) -> Message:
        """The next part. Raises BodyRefused."""
        if self.is_complete:  # what follows is only whether the caller hangs up
            return await self.receive()
        message = await self._in_time()
        size = len(message.get("body", b""))
        self.size += size
        self.is_complete = not message.get("more_body", False)
        if self.size > self.max_bytes:
            fix = f"send at most {self.max_bytes:,}"
            detail = f"the body is larger than {self.max_bytes:,} bytes"
            raise BodyRefused(413, "body_too_large", detail, fix)
        if size:
            owner = self._owner()
            self.limit.memory.take(owner, size)
            self.taken.append((owner, size))
        return message

    def end(self) -> None:
        """The request is over: nothing of it is held any more."""
        for owner, size in self.taken:
            self.limit.memory.give_back(owner, size)

    async def _in_time(self) -> Message:
        limit, began = self.limit, time.monotonic()
        try:
            async with asyncio.timeout(limit.stall_timeout_seconds):
                message = await self.receive()
        except TimeoutError:
            wait = f"no byte of the body came for {limit.stall_timeout_seconds:g} s"
            raise _too_slow(wait) from None
        self.waited_seconds += time.monotonic() - began
        wanted = self.waited_seconds * limit.min_bytes_per_second
        if self.waited_seconds > limit.stall_timeout_seconds and self.size < wanted:
            raise _too_slow(f"the body comes at less than {limit.min_bytes_per_second:,} bytes/s")
        return message

    def _owner(self) -> str:
        subject = self.scope["state"].get("subject")
        return f"user {subject}" if subject else f"address {client_network(self.scope)}"


def _too_slow(detail: str) -> BodyRefused:
    return BodyRefused(408, "request_timeout", detail, "send it again, over a better connection")


class BodyLimit:
    """ASGI middleware: refuses bodies that are too large, too slow, or too much together.

    max_bytes: by path; `OTHER_PATHS` for every other one.
    """

    def __init__(self, app: ASGIApp, max_bytes: Mapping[str, int], settings: Settings) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.memory = BodyMemory(settings.upload_memory_mb * 2**20)
        self.stall_timeout_seconds = settings.stall_timeout_seconds
        self.min_bytes_per_second = settings.min_bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a bounded body, or refuse it."""
        if scope["type"] != "http" or not announced_bytes(scope):
            await self.app(scope, receive, send)
            return
        max_bytes = self.max_bytes.get(scope["path"], self.max_bytes[OTHER_PATHS])
        scope["state"]["max_body_bytes"] = max_bytes
        body = Body(scope, receive, self, max_bytes)
        try:
            await self.app(scope, body.next, send)
        finally:
            body.end()


def require_small(scope: Scope) -> None:
    """Raises BodyRefused `body_too_large` where the announced length is beyond the bound.

    For routes: where there is none, or none of that method, the answer is the same for all sizes.
    """
    announced, max_bytes = announced_bytes(scope), scope["state"].get("max_body_bytes", math.inf)
    if max_bytes < announced < math.inf:
        detail, fix = f"the body has {int(announced):,} bytes", f"send at most {max_bytes:,}"
        raise BodyRefused(413, "body_too_large", detail, fix)


def announced_bytes(scope: Scope) -> float:
    """What the request says of its body's length: 0 for none, infinite where it will be seen."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
        if name == b"transfer-encoding":
            return math.inf
    return 0
