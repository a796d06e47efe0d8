"""uvicorn's HTTP protocol with bounds on what a caller may send, and on how long that may take.

Nothing of a request is kept beyond its bounds: the request line, the header lines and what chunked
encoding adds are counted as they come. A head that does not come to its end, an idle connection and
an answer that the caller does not read end the connection; a body that stalls is refused by
`body_limit.py`, where the request has an id and a row. Requests that are refused here have neither:
they are counted by reason (`leafgate_connections_refused_total`).
"""

import asyncio
import math
import urllib.parse
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from serving.connections import Connections
from serving.protocol_refusals import (
    BAD_REQUEST,
    FRAMING_TOO_LARGE,
    HEAD_TIMEOUT,
    HEADERS_TOO_LARGE,
    MAX_HEADER_BYTES,
    MAX_HEADER_LINES,
    MAX_URL_BYTES,
    TOO_MANY_CONNECTIONS,
    URL_TOO_LONG,
    Refusal,
)

MAX_TRAILER_BYTES, MAX_TRAILER_LINES = 4 * 1024, 20
PIECE_BYTES = 16 * 1024  # fed to the parser at a time: how exactly bytes are counted
MAX_HEAD_BYTES = MAX_URL_BYTES + MAX_HEADER_BYTES + PIECE_BYTES  # as they came, spaces and all
MAX_PIPELINED = 16  # requests that wait on one connection
FREE_FRAMING_BYTES = 24 * 1024  # sizes of chunks, extensions, trailers; and half of the body
DRAINED_BYTES = 64 * 1024  # of a body that is not read, to keep the connection for another request
# So that a caller who is still sending reads the answer: longer for a body than for what is none.
LINGER_SECONDS, LINGER_BYTES, BROKEN_LINGER_BYTES = 5.0, 16 * 2**20, 2**18

PIPELINED = "too_many_pipelined"  # reasons that have no answer
SLOW_READER = "slow_reader"
NO_REQUEST = "no_request"


class RefusedByProtocol(Exception):
    """Raised in a callback of the parser, which then stops."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class Outlet:
    """A connection's transport as a request sees it: closing it waits for what still comes."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.is_closing, self.close = transport.write, transport.is_closing, close


class Cycle(RequestResponseCycle):
    """One request and its answer. announced_bytes: of its body; infinite where it is chunked."""

    announced_bytes: float = 0.0
    received_bytes = 0

    async def send(self, message: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Send; the answer to a request whose body nobody read ends the connection."""
        unread = self.announced_bytes - self.received_bytes if self.more_body else 0
        if unread > DRAINED_BYTES and message["type"] == "http.response.start":
            self.keep_alive = False
        await super().send(message)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. Give uvicorn `functools.partial(BoundedHttpProtocol, connections)`."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits, self._counted = connections.limits, connections
        self.idle_since = 0.0
        self._deadline = math.inf  # of the loop's clock
        self._outlet: Outlet
        self._active: Cycle | None = None  # whose answer is being made
        self._receiving: Cycle | None = None  # whose body is coming
        self._refusal: Refusal | None = None  # of what came after the requests under way
        self._parsing = True
        self._waiting = False  # for the first byte of a further request
        self._was_asked = False
        self._is_lingering = False
        self._discardable = LINGER_BYTES
        # Of the message that is coming.
        self._began = self._in_body = False
        self._head_bytes = self._header_bytes = self._framing_bytes = self._body_bytes = 0
        self._header_lines = self._body_bytes_fed = 0
        # Of an answer that waits to be read: until when, and how much it was.
        self._unread_until, self._unread_bytes = math.inf, 0

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or refuse it at once."""
        super().connection_made(transport)
        self._outlet = Outlet(transport, self._close)
        now = self.loop.time()
        host = self.client[0] if self.client else ""
        reason = self._counted.admit(self, host, now)
        self._deadline = now + self.limits.header_timeout_seconds
        if reason is not None:
            self._counted.refused(reason)
            self._parsing = False
            transport.write(TOO_MANY_CONNECTIONS.answer())
            transport.close()
            self.loop.call_later(1.0, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; whatever runs for it learns that the caller is gone."""
        self._counted.leave(self)
        active, self._parsing = self._active, False
        if active is not None and not active.response_complete:
            active.disconnected = True
            active.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, piece by piece, while it stays within the bounds."""
        if not self._parsing:
            self._discard(len(data))
            return
        if self._waiting:  # a new connection has had its deadline since it was opened
            self._waiting = False
            self._deadline = self.loop.time() + self.limits.header_timeout_seconds
        if len(data) <= PIECE_BYTES:
            self._feed(data)
            return
        with memoryview(data) as view:
            for start in range(0, len(data), PIECE_BYTES):
                if self._parsing:
                    self._feed(view[start : start + PIECE_BYTES])

    def check(self, now: float) -> None:
        """End what has taken too long."""
        if self._is_unread(now):
            self._counted.refused(SLOW_READER)
            self.transport.abort()
        elif now >= self._deadline:
            self._deadline = math.inf
            self._time_out(now)

    def end(self) -> None:
        """Close it to make room; no request is under way."""
        self.transport.abort()

    def shutdown(self) -> None:
        """The process is stopping: what is under way is answered, nothing else is waited for."""
        if self._active is None and (not self._parsing or self.transport.is_closing()):
            self.transport.abort()
        elif self._active is None:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            self._counted.refused(PIPELINED)
            raise RefusedByProtocol(BAD_REQUEST)
        super().on_message_begin()
        self._began = True
        self._head_bytes = self._header_bytes = self._framing_bytes = self._body_bytes = 0
        self._header_lines = 0

    def on_url(self, url: bytes) -> None:
        """A part of its URL."""
        self.url += url
        if len(self.url) > MAX_URL_BYTES:
            raise RefusedByProtocol(URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or one after a chunked body: that is counted and not kept."""
        self._header_lines += 1
        self._header_bytes += len(name) + len(value)
        if self._in_body:
            too_many = self._header_lines > MAX_TRAILER_LINES
            if too_many or self._header_bytes > MAX_TRAILER_BYTES:
                raise RefusedByProtocol(HEADERS_TOO_LARGE)
            return
        if self._header_lines > MAX_HEADER_LINES or self._header_bytes > MAX_HEADER_BYTES:
            raise RefusedByProtocol(HEADERS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the request can be answered, or waits for the one before it."""
        self._in_body = self._was_asked = True
        self._header_bytes = self._header_lines = 0  # now of the trailers
        self._deadline = math.inf
        self._counted.set_busy(self)
        self._fill_scope()
        cycle = self._receiving = self.cycle = self._new_cycle()
        if self._active is None:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """A part of the body; dropped where the answer is out already."""
        cycle = self._receiving
        if cycle is None:
            return
        self._body_bytes += len(body)
        self._body_bytes_fed += len(body)
        cycle.received_bytes += len(body)
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The body is complete."""
        self._began = self._in_body = False
        self._head_bytes = 0
        cycle, self._receiving = self._receiving, None
        if cycle is not None:
            cycle.more_body = False
            cycle.message_event.set()
            if cycle.response_complete and self._active is None:
                self._wait_for_next()

    def on_response_complete(self) -> None:
        """An answer is out: go on with the next request, or wait for one."""
        self.server_state.total_requests += 1
        done, self._active = self._active, None
        if self.transport.is_closing() or self._is_lingering:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start(cast(Cycle, self.pipeline.pop()[0]))
        elif self._refusal is not None:
            self._answer(self._refusal)
        elif done is not None and done.more_body:
            self._deadline = self.loop.time() + LINGER_SECONDS  # for the little that is drained
        else:
            self._wait_for_next()

    # How it is done

    def _feed(self, piece: bytes | memoryview) -> None:
        self._body_bytes_fed = 0
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._parsing = False  # HTTP/1.1 it stays, and this is its last request
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, RefusedByProtocol) else BAD_REQUEST)
        else:
            self._count(len(piece) - self._body_bytes_fed)

    def _count(self, came: int) -> None:
        """What came and is not passed on, or not yet, must stay within bounds, too."""
        if self._in_body:
            self._framing_bytes += came
            if self._framing_bytes > FREE_FRAMING_BYTES + self._body_bytes // 2:
                self._refuse(FRAMING_TOO_LARGE)
        else:
            self._head_bytes += came
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HEADERS_TOO_LARGE)

    def _fill_scope(self) -> None:
        version, method = self.parser.get_http_version(), self.parser.get_method()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["method"] = method.decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = self.root_path + (urllib.parse.unquote(path) if "%" in path else path)
        self.scope["raw_path"] = self.root_path.encode("ascii") + url.path
        self.scope["query_string"] = url.query or b""

    def _new_cycle(self) -> Cycle:
        cycle = Cycle(
            scope=self.scope,
            transport=cast(asyncio.Transport, self._outlet),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        for name, value in self.headers:
            if name == b"transfer-encoding":
                cycle.announced_bytes = math.inf
            elif name == b"content-length" and cycle.announced_bytes != math.inf:
                cycle.announced_bytes = int(value)  # the parser has refused what is no number
        return cycle

    def _start(self, cycle: Cycle) -> None:
        self._active = cycle
        self._start_asgi_task(cycle, self.app)

    def _wait_for_next(self) -> None:
        now = self.loop.time()
        self._waiting = not self._began
        patience = self.timeout_keep_alive if self._waiting else self.limits.header_timeout_seconds
        self._deadline = now + patience
        self._counted.set_idle(self, now)

    def _refuse(self, refusal: Refusal) -> None:
        """Parse no more; answer once the requests before have been."""
        self._counted.refused(refusal.code)
        self._parsing = False
        active, broken = self._active, self._receiving
        if broken is None:  # the head of a request, or what is none
            if active is None:
                self._answer(refusal)
            else:
                self._refusal = refusal
                self.flow.resume_reading()  # to notice that the caller hangs up
            return
        broken.disconnected = True  # its body will never be complete
        broken.message_event.set()
        if broken is not active:
            self.pipeline.popleft()
            self._refusal = refusal
        elif broken.response_started:
            self.transport.abort()
        else:
            self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        self.transport.write(refusal.answer())
        self._discardable = BROKEN_LINGER_BYTES
        self._linger()

    def _time_out(self, now: float) -> None:
        if self.transport.is_closing() or self._is_lingering:
            self.transport.abort()
        elif self._began and not self._in_body:
            self._refuse(HEAD_TIMEOUT)
        else:
            if not self._was_asked:
                self._counted.refused(NO_REQUEST)
            self._close()

    # How it ends

    def _close(self) -> None:
        """Close once what is to be sent is sent, and what the caller is sending has come."""
        active = self._active
        if self.transport.is_closing() or self._is_lingering:
            return
        if active is not None and active.more_body and not active.disconnected:
            self._linger()
            return
        self.transport.close()
        self._watch_reader(self.loop.time())

    def _linger(self) -> None:
        """Send nothing more, and throw away what comes: closing at once would lose the answer."""
        self._parsing = False
        self._is_lingering = True
        if self._receiving is not None:
            self._receiving.body = bytearray()
        now = self.loop.time()
        self._deadline = now + LINGER_SECONDS
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._counted.set_idle(self, now)

    def _discard(self, number: int) -> None:
        self._discardable -= number
        if self._discardable < 0:
            self.transport.abort()

    # Callers who read slowly

    def pause_writing(self) -> None:
        """The caller reads more slowly than the answer is made."""
        super().pause_writing()
        self._watch_reader(self.loop.time())

    def resume_writing(self) -> None:
        """The caller has read most of it."""
        super().resume_writing()
        self._unread_until = math.inf

    def _watch_reader(self, now: float) -> None:
        self._unread_until = now + self.limits.stall_timeout_seconds
        self._unread_bytes = self.transport.get_write_buffer_size()

    def _is_unread(self, now: float) -> bool:
        """Whether the caller read less of the answer than the slowest rate that is allowed."""
        if now < self._unread_until:
            return False
        before = self._unread_bytes
        self._watch_reader(now)
        wanted = self.limits.min_bytes_per_second * self.limits.stall_timeout_seconds
        return before - self._unread_bytes < min(wanted, before or math.inf)
