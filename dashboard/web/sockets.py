"""The WebSocket of each browser tab: how many there are, who may resume which session, and what a
tab may ask for, and how often.

Streamlit does all that a message asks for, whoever sends it: also clear the caches of all sessions,
and tell of the server's Git folder.
"""

import asyncio
import secrets
import time
from collections.abc import Callable

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg

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
ANONYMOUS_BYTES = 64 * 2**10  # of a message; of others the server's own bound
ANONYMOUS_MESSAGES = frozenset(("rerun_script", "stop_script", "app_heartbeat"))
SIGNED_IN_MESSAGES = ANONYMOUS_MESSAGES | {"file_urls_request", "backend_operation_request"}
MAX_FILE_URLS = 1000  # asked for at once


class TokenBucket:
    """Messages at `rate` a second, and `burst` at once; whoever sends more is slowed down."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, time.monotonic()

    def take(self) -> float:
        """Use one; the seconds to wait before the message may be handled."""
        self._refill()
        self._left -= 1
        return max(0.0, -self._left / self._rate)

    def take_now(self) -> bool:
        """Use one, if one is there."""
        self._refill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _refill(self) -> None:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now


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
        shared = self._bucket(address)
        is_answered = is_answered and shared.take_now()
        if not is_answered or not self._sessions.open(connection, address):
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "try again later"})
            return
        incoming = Incoming(receive, send, lambda: self._sessions.is_signed_in(connection), shared)
        try:
            await self._app(self._marked(scope, connection), incoming.receive, send)
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

    def _bucket(self, address: str) -> TokenBucket:
        """What all tabs of the address share that are not signed in, and new ones."""
        bucket = self._buckets.setdefault(address, TokenBucket(ANONYMOUS_RATE, ANONYMOUS_BURST))
        if len(self._buckets) > MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return bucket


class Incoming:
    """What a browser sends on one WebSocket, as far as Streamlit is to see it.

    is_signed_in: asked at every message; shared: the bucket of tabs that are not.
    """

    def __init__(
        self, receive: Receive, send: Send, is_signed_in: Callable[[], bool], shared: TokenBucket
    ) -> None:
        self._receive, self._send = receive, send
        self._is_signed_in, self._shared = is_signed_in, shared
        self._own = TokenBucket(SIGNED_IN_RATE, SIGNED_IN_BURST)

    async def receive(self) -> Message:
        """The next message that is allowed; a disconnection where one was too large."""
        while True:
            message = await self._receive()
            data = message.get("bytes")
            if message["type"] != "websocket.receive" or data is None:
                return message
            signed_in = self._is_signed_in()
            if seconds := (self._own if signed_in else self._shared).take():
                await asyncio.sleep(seconds)
            if not signed_in and len(data) > ANONYMOUS_BYTES:
                await self._send({"type": "websocket.close", "code": 1009})
                return {"type": "websocket.disconnect", "code": 1009}
            if _is_allowed(data, signed_in):
                return message


def _is_allowed(data: bytes, signed_in: bool) -> bool:
    """Whether Streamlit may handle the message; it refuses by itself what it cannot read."""
    try:
        asked = BackMsg.FromString(data)
    except DecodeError:
        return True
    kind = asked.WhichOneof("type")
    if kind == "file_urls_request" and len(asked.file_urls_request.file_names) > MAX_FILE_URLS:
        return False
    return kind in (SIGNED_IN_MESSAGES if signed_in else ANONYMOUS_MESSAGES)
