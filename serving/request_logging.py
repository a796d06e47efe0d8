"""Every request gets an id, is counted, and becomes one row: refused and failed ones too.

ASGI middleware rather than a background task, which FastAPI skips when a handler raises.
"""

import logging
import time
from datetime import UTC, datetime

from opentelemetry import trace
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.addresses import client_address
from serving.facts import Facts
from serving.json_logs import REQUEST_ID
from serving.metrics import OTHER, Metrics
from serving.problems import send_problem, writable
from serving.refusals import STATUS_OF_CODE
from serving.traces import name_request
from sql import RequestRecord

log = logging.getLogger(__name__)

# Probes ask every few seconds and browsers load the documentation: neither is a use of a model.
NOT_LOGGED = ("/health", "/ready", "/metrics", "/docs", "/openapi.json", "/favicon.ico")
HUNG_UP = 499  # no status of HTTP: the caller left before there was an answer
CLOSE = (b"connection", b"close")


class RequestLogging:
    """The outermost middleware. Reads log, metrics and shutdown from the application's state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, time it, count it, and hand its row to the log."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts = Facts.new()
        scope.setdefault("state", {})["facts"] = facts
        REQUEST_ID.set(facts.request_id)
        answer = Answer(facts, send, last=scope["app"].state.shutdown.under_way)
        at_utc, started = datetime.now(UTC), time.perf_counter()
        try:
            await self.app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = HUNG_UP
        except Exception:
            log.exception("request %s failed", facts.request_id)
            await answer.apologise()
        finally:
            seconds = time.perf_counter() - started
            _count(scope, facts, answer.status, seconds)
            if scope["path"] not in NOT_LOGGED:
                record = _record(scope, facts, answer.status, at_utc, seconds * 1000)
                scope["app"].state.leafgate.log.record(record)


class Answer:
    """The way out: adds the request id to the headers, and remembers the status.

    last: the process is stopping, so that the connection ends with this answer, in good order.
    """

    def __init__(self, facts: Facts, send: Send, last: bool = False) -> None:
        self.facts = facts
        self.status = 500
        self.started = False
        self._send = send
        self._last = last

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            message["headers"] = [
                *(header for header in message.get("headers", []) if self._fits(header[0])),
                (b"x-request-id", self.facts.request_id.encode()),
                *([CLOSE] if self._last else []),
            ]
            name_request(trace.get_current_span(), self.facts)
        await self._send(message)

    def _fits(self, header: bytes) -> bool:
        """SlowAPI sets Retry-After on every answer; it belongs to those that ask to wait."""
        return self.status >= 400 or header.lower() != b"retry-after"

    async def apologise(self) -> None:
        """Answer 500 without any inside knowledge, unless an answer is on its way already."""
        self.status = 500
        if self.started:
            return
        detail, fix = "the service failed", "try again; tell whoever runs it the request id"
        await send_problem(self.send, self.facts, 500, "internal_error", detail, fix)


def _count(scope: Scope, facts: Facts, status: int, seconds: float) -> None:
    """Counted by the route's template: a path that somebody made up is none."""
    metrics: Metrics = scope["app"].state.metrics
    endpoint = getattr(scope.get("route"), "path", OTHER)
    metrics.request_done(endpoint, scope["method"], status, seconds)
    if facts.error_code:
        metrics.refused(facts.error_code if facts.error_code in STATUS_OF_CODE else OTHER)
    elif facts.model_name and facts.model_version is not None:
        metrics.served(facts.model_name, facts.model_version, facts.images)


def _record(
    scope: Scope, facts: Facts, status: int, at_utc: datetime, latency_ms: float
) -> RequestRecord:
    known = facts.known()
    if facts.file_name:
        known["file_name"] = writable(facts.file_name)
    return RequestRecord(
        id=facts.request_id,
        at_utc=at_utc,
        method=scope["method"],
        endpoint=writable(scope["path"]),
        status=status,
        latency_ms=latency_ms,
        source=client_address(scope),
        **known,
    )
