"""The WebSocket of each browser tab: how many there are, who may resume which session, and how
often a tab may ask for a run of its page.
"""

import asyncio
import secrets
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from dashboard.web.connections import MAX_HEAD_BYTES
from dashboard.web.gate import head_bytes
from dashboard.web.headers import browser_of
from dashboard.web.sessions import CONNECTION_HEADER, Sessions

STREAM = "/_stcore/stream"
PROTOCOLS = b"sec-websocket-protocol"
# Messages a second, and how many at once: of all tabs of an address that are not signed in, and of
# one that is.
ANONYMOUS_RATE, ANONYMOUS_BURST = 5.0, 60.0
SIGNED_IN_RATE, SIGNED_IN_BURST = 50.0, 500.0
MAX_ADDRESSES = 10_000  # remembered at a time


class TokenBucket:
    """Messages at `rate` a second, and `burst` at once; whoever sends more is slowed down."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, time.monotonic()

    def take(self) -> float:
        """Use one; the seconds to wait before the message may be handled."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._left / self._rate)


class Sockets:
    """Middleware in front of Streamlit's WebSocket endpoint; no other is there."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions
        self._buckets: dict[str, TokenBucket] = {}  # of addresses, the oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an admitted connection on."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        connection = secrets.token_hex(16)
        address = scope["client"][0] if scope["client"] else ""
        is_answered = scope["path"] == STREAM and head_bytes(scope) <= MAX_HEAD_BYTES
        if not is_answered or not self._sessions.open(connection, address):
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "try again later"})
            return
        try:
            await self._app(
                self._marked(scope, connection),
                self._paced(receive, connection, address),
                send,
            )
        finally:
            without_sign_in = self._sessions.close(connection)
            if without_sign_in is not None:  # nothing in it is worth keeping for a reconnection
                runtime.get_instance().close_session(without_sign_in)

    def _marked(self, scope: Scope, connection: str) -> Scope:
        """The handshake with the connection's number, and without a session of another browser."""
        browser = browser_of(Headers(scope=scope))
        name = CONNECTION_HEADER.encode()
        headers = [
            (key, self._own_session(value, browser) if key == PROTOCOLS else value)
            for key, value in scope["headers"]
            if key != name
        ]
        return {**scope, "headers": [*headers, (name, connection.encode())]}

    def _own_session(self, protocols: bytes, browser: str) -> bytes:
        """Streamlit's client names the session to resume in the third place."""
        parts = protocols.decode("latin-1").split(",")
        if len(parts) > 2 and not self._sessions.may_resume(parts[2].strip(), browser):
            parts = parts[:2]
        return ",".join(parts).encode("latin-1")

    def _paced(self, receive: Receive, connection: str, address: str) -> Receive:
        own = TokenBucket(SIGNED_IN_RATE, SIGNED_IN_BURST)
        shared = self._buckets.setdefault(address, TokenBucket(ANONYMOUS_RATE, ANONYMOUS_BURST))
        if len(self._buckets) > MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]

        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                bucket = own if self._sessions.is_signed_in(connection) else shared
                if seconds := bucket.take():
                    await asyncio.sleep(seconds)
            return message

        return received
