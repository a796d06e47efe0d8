"""Every request gets an id, is counted, and becomes a row: refused and failed ones too.

(Of floods of refusals only the first are rows of their own, see `serving.counted_requests`.)

The row is on disk before the answer is whole: its last bytes wait for it. ASGI middleware rather
than a background task, which FastAPI skips when a handler raises.
"""

import asyncio
import logging

from opentelemetry import trace
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.addresses import client_address, client_network, client_program
from serving.facts import Facts
from serving.json_logs import REQUEST_ID
from serving.metrics import OTHER, Metrics
from serving.problems import send_problem
from serving.refusals import CODES, STATUS_OF_CODE
from serving.routes.docs import ASSETS
from serving.state import AppState
from serving.traces import name_request
from sql import Entry, OutboxFailed

log = logging.getLogger(__name__)

# Probes ask every few seconds and browsers load the documentation: neither is a use of a model.
NOT_LOGGED = frozenset(
    (
        *("/health", "/ready", "/metrics", "/openapi.json", "/favicon.ico", "/docs"),
        *(f"/docs/{name}" for name in ASSETS),
    )
)
HUNG_UP = 499  # no status of HTTP: the caller left before there was an answer
CLOSE = (b"connection", b"close")
NOT_RECORDED = (b"x-request-log", b"failed")  # the answer is true, and in no row


class RequestLogging:
    """The outermost middleware. Reads log, metrics and shutdown from the application's state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, time it, count it, and hand its rows to the log."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts = Facts.new()
        scope.setdefault("state", {})["facts"] = facts
        REQUEST_ID.set(facts.request_id)
        record = _recorder(scope, facts)
        answer = Answer(facts, send, record, last=scope["app"].state.shutdown.under_way)
        try:
            if record is not None and record.log.is_full:
                await answer.refuse("log_full")
            else:
                await self.app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = HUNG_UP
        except Exception:
            log.exception("a request failed")  # each line names the request's id
            await answer.apologise()
        finally:
            if record is not None:
                record.unless_done(answer.status)
            _count(scope, facts, answer.status)


class Recorder:
    """Puts the rows of one request into the log, or counts it there, once."""

    def __init__(self, state: AppState, scope: Scope, facts: Facts) -> None:
        self.log, self._counted = state.log, state.counted
        self._scope, self._facts = scope, facts
        self.done = False

    async def before_the_answer(self, status: int) -> None:
        """Return when they are on disk. Raises OutboxFailed where they cannot be."""
        if not self.done:
            self.done = True
            if not self._is_counted(status):
                await asyncio.wrap_future(self.log.record(self._entry(status)))

    def unless_done(self, status: int) -> None:
        """Record it though no answer waits: the caller is gone, or it was cut off."""
        if not self.done:
            self.done = True
            if not self._is_counted(status):
                self.log.record(self._entry(status))

    def _is_counted(self, status: int) -> bool:
        scope = self._scope
        source, network = client_address(scope), client_network(scope)
        return self._counted.take(self._facts, status, source, network, client_program(scope))

    def _entry(self, status: int) -> Entry:
        scope = self._scope
        source, client = client_address(scope), client_program(scope)
        return self._facts.entry(scope["method"], scope["path"], status, source, client)


def _recorder(scope: Scope, facts: Facts) -> Recorder | None:
    if scope["path"] in NOT_LOGGED:
        return None
    return Recorder(scope["app"].state.leafgate, scope, facts)


class Answer:
    """The way out: adds the request id to the headers, and has the request recorded in time.

    last: the process is stopping, so that the connection ends with this answer, in good order.
    """

    def __init__(
        self, facts: Facts, send: Send, recorder: Recorder | None, last: bool = False
    ) -> None:
        self.facts = facts
        self.status = 500
        self.started = False  # on its way to the caller
        self._head: Message | None = None
        self._send = send
        self._recorder = recorder
        self._last = last

    async def send(self, message: Message) -> None:
        """Pass a message on; the head waits for the body, and the end of the body for the log."""
        if message["type"] == "http.response.start":
            self._take_head(message)
            return
        if not message.get("more_body", False) and not await self._may_go_out():
            await self.refuse("log_unavailable")
            return
        if self._head is not None:
            head, self._head, self.started = self._head, None, True
            await self._send(head)
        await self._send(message)

    def _take_head(self, message: Message) -> None:
        self.status = message["status"]
        message["headers"] = [
            *(header for header in message.get("headers", []) if self._fits(header[0])),
            (b"x-request-id", self.facts.request_id.encode()),
            *([CLOSE] if self._last else []),
        ]
        name_request(trace.get_current_span(), self.facts)
        self._head = message

    def _fits(self, header: bytes) -> bool:
        """SlowAPI sets Retry-After on every answer; it belongs to those that ask to wait."""
        return self.status >= 400 or header.lower() != b"retry-after"

    async def _may_go_out(self) -> bool:
        """Whether the answer is recorded. One that is on its way already, or says what became of a
        change, goes out in any case.
        """
        if self._recorder is None:
            return True
        try:
            await self._recorder.before_the_answer(self.status)
        except OutboxFailed as error:
            if not self.started and not self.facts.has_begun:
                return False
            self._recorder.log.count_dropped()
            log.error("an answer went out that could not be recorded (%s)", error)
            if self._head is not None:
                self._head["headers"].append(NOT_RECORDED)
        return True

    async def refuse(self, code: str) -> None:
        """Answer that nothing can be recorded; this answer itself is counted, not recorded."""
        if self._recorder is not None:
            self._recorder.done = True
        known = CODES[code]
        await send_problem(self.send, self.facts, known.status, code, known.detail, known.fix)

    async def apologise(self) -> None:
        """Answer 500 without any inside knowledge, unless an answer is on its way already."""
        self.status = 500
        if self.started:
            return
        detail, fix = "the service failed", "try again; tell whoever runs it the request id"
        if self.facts.has_begun:
            detail = "the service failed while it changed something"
            fix = "look whether it was carried out (`leafgate models audit`) before you try again"
        await send_problem(self.send, self.facts, 500, "internal_error", detail, fix)


def _count(scope: Scope, facts: Facts, status: int) -> None:
    """Counted by the route's template: a path that somebody made up is none."""
    metrics: Metrics = scope["app"].state.metrics
    endpoint = getattr(scope.get("route"), "path", OTHER)
    metrics.request_done(endpoint, scope["method"], status, facts.seconds)
    if facts.error_code:
        metrics.refused(facts.error_code if facts.error_code in STATUS_OF_CODE else OTHER)
    elif facts.model_name and facts.model_version is not None:
        metrics.served(facts.model_name, facts.model_version, facts.images)
