"""How often one may ask: SlowAPI by token subject, and a small limiter by address before sign-in.

SlowAPI checks after the token and the body have been read, so floods of bad tokens or large uploads
are stopped earlier, by address, in this process. With Redis the subject's limits are shared by all
workers; while Redis is away each worker counts by itself.
"""

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from slowapi import Limiter
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from leafgate.settings import Settings
from serving.facts import Facts
from serving.problems import send_problem

NOT_LIMITED = ("/health", "/ready", "/metrics")


def client_address(scope: Scope) -> str:
    """The peer's address."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def subject_or_address(request: Request) -> str:
    """SlowAPI's key; never empty, since an empty key means no limit."""
    subject = getattr(request.state, "subject", None)
    return f"user:{subject}" if subject else f"address:{client_address(request.scope)}"


def make_limiter(settings: Settings) -> Limiter:
    """The limiter that routes are decorated with; one bucket for each endpoint and key."""
    return Limiter(
        key_func=subject_or_address,
        key_style="endpoint",
        headers_enabled=True,
        storage_uri=settings.redis_url or "memory://",
        in_memory_fallback_enabled=bool(settings.redis_url),
    )


class AddressLimit:
    """ASGI middleware: 429 for an address that asks too often, before anything is read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.limit = parse(settings.address_limit)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if (
            scope["type"] != "http"
            or scope["path"] in NOT_LIMITED
            or await self.limiter.hit(self.limit, client_address(scope))
        ):
            await self.app(scope, receive, send)
        else:
            await self._refuse(scope["state"]["facts"], send)

    async def _refuse(self, facts: Facts, send: Send) -> None:
        detail = f"more than {self.limit} requests from this address"
        fix = "wait as long as Retry-After says"
        wait = {"retry-after": str(self.limit.get_expiry())}
        await send_problem(send, facts, 429, "too_many_requests", detail, fix, wait)
