"""HTTP connections of the dashboard: how many there are, and how long a request's head may take.

uvicorn bounds the bytes of a head with h11, but neither how slowly it comes nor how many
connections send none at all.
"""

import asyncio
import time
from collections import Counter
from typing import ClassVar

from h11 import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from leafgate.settings import Settings

MAX_HEAD_BYTES = 64 * 2**10


class BoundedProtocol(H11Protocol):
    """uvicorn's, which drops connections beyond the bounds, and those that send no request.

    head_seconds: for a request's head, and for a body that nobody reads. WebSockets are counted by
    themselves.
    """

    max_connections: ClassVar[int]
    max_of_address: ClassVar[int]
    head_seconds: ClassVar[float]
    is_behind_proxy: ClassVar[bool]  # then all addresses are the proxy's
    open_by_address: ClassVar[Counter[str]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and begin to wait for a request."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self._address: str | None = address
        self.open_by_address[address] += 1
        self._idle_since = time.monotonic()
        self._timer = self.loop.call_later(self.head_seconds, self._look)
        if self.open_by_address.total() > self.max_connections or (
            self.open_by_address[address] > self.max_of_address and not self.is_behind_proxy
        ):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._release()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Request) -> None:
        """Another protocol goes on with the connection."""
        self._release()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._idle_since = time.monotonic()
        super().on_response_complete()

    def _look(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering and time.monotonic() - self._idle_since >= self.head_seconds:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(self.head_seconds / 3, self._look)

    def _release(self) -> None:
        self._timer.cancel()
        if self._address is not None:
            self.open_by_address[self._address] -= 1
            if not self.open_by_address[self._address]:
                del self.open_by_address[self._address]
            self._address = None


def protocol(settings: Settings) -> type[BoundedProtocol]:
    """The protocol of one server, with its bounds and its own count."""
    bounds = {
        "max_connections": settings.max_connections,
        "max_of_address": settings.max_connections_per_address,
        "head_seconds": settings.header_timeout_seconds,
        "is_behind_proxy": bool(settings.trusted_proxies),
        "open_by_address": Counter(),
    }
    return type("DashboardProtocol", (BoundedProtocol,), bounds)
