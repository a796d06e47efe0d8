"""The load generator's loop: all connections in one thread, on epoll. See `benchmarks.load`."""

import errno
import gc
import resource
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.http_bytes import Answer, AnswerReader, MalformedAnswer
from benchmarks.load_figures import Figures, Record, Window, figures_of

PAUSE_SECONDS = 0.01  # after a failed connection: a service that is away is not to be hammered
LOOK_SECONDS = 0.25  # how often overdue answers are looked for
RECEIVE_BYTES = 256 * 1024
WAITING = (502, 503, 429)

OnAnswer = Callable[[float, float, Answer], object]


@dataclass(frozen=True)
class Plan:
    """connections: in use (closed loop), or at most (open loop); rate: requests/s, or closed.

    step_seconds: of the timeline.
    """

    port: int
    connections: int = 8
    seconds: float = 10.0
    warm_seconds: float = 1.0
    rate: float | None = None
    timeout_seconds: float = 30.0
    step_seconds: float = 1.0
    host: str = "127.0.0.1"


class Connection:
    """One connection and the request that is on it, if any."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.refused = self.socket.connect_ex(address) not in (0, errno.EINPROGRESS)
        self.reader = AnswerReader()
        self.rest = memoryview(b"")
        self.due = self.sent = 0.0
        self.busy = False

    def send(self, request: bytes, due: float, now: float) -> bool:
        """Begin with a request; whether all of it is on its way. Raises OSError."""
        self.due, self.sent, self.busy = due, now, True
        if self.refused:
            raise ConnectionRefusedError
        self.rest = memoryview(request)
        return self.send_rest()

    def send_rest(self) -> bool:
        """Go on sending; whether that was all. Raises OSError for a broken connection."""
        with suppress(BlockingIOError):
            self.rest = self.rest[self.socket.send(self.rest) :]
        return not self.rest


class Load:
    """One run of a plan. on_answer: called with when it was sent, when it ended, and the answer."""

    def __init__(
        self, plan: Plan, requests: Sequence[bytes], on_answer: OnAnswer | None = None
    ) -> None:
        self.plan, self.requests, self.on_answer = plan, requests, on_answer
        self.records: list[Record] = []
        self.reconnects = self.unsent = 0
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._sent, self._paused_until = 0, 0.0
        start = time.monotonic()
        begin = start + plan.warm_seconds
        self.window = Window(begin, begin + plan.seconds)
        self._next_due, self._next_look = start, start

    def run(self) -> Figures:
        """Send until the time is over, and wait for what is under way."""
        gc.disable()  # no cycles are made here, and its pauses would be taken for the service's
        used = _cpu_seconds()
        try:
            while self._step():
                pass
        finally:
            gc.enable()
            self._close_all()
        own_cpu_us = 1e6 * (_cpu_seconds() - used) / max(len(self.records), 1)
        return figures_of(
            self.records,
            self.window,
            self.unsent,
            self.reconnects,
            round(own_cpu_us, 1),
            self.plan.step_seconds,
        )

    def stop(self) -> None:
        """Send nothing more from now on; may be called by a signal's handler."""
        self.window = Window(self.window.begin, max(self.window.begin, time.monotonic()))

    def _step(self) -> bool:
        now = time.monotonic()
        if now < self.window.end:
            self._send_due(now)
        elif len(self._idle) == len(self._open):
            self._count_unsent()
            return False
        for number, events in self._poll.poll(self._wait_seconds(now)):
            connection = self._open.get(number)
            if connection is not None:
                self._move_on(connection, events)
        if now >= self._next_look:
            self._end_overdue(now)
        return True

    def _wait_seconds(self, now: float) -> float:
        """Until something is due; answers end the waiting early."""
        if now >= self.window.end:
            return LOOK_SECONDS
        soonest = self.window.end
        if now < self._paused_until:
            soonest = self._paused_until
        elif self._may_send():
            soonest = self._next_due if self.plan.rate else now
        return max(0.0, min(soonest - now, LOOK_SECONDS))

    def _may_send(self) -> bool:
        return bool(self._idle) or len(self._open) < self.plan.connections

    def _send_due(self, now: float) -> None:
        while self._may_send() and now >= self._paused_until:
            if not self.plan.rate:
                self._send(now, now)
            elif self._next_due <= now:
                due, self._next_due = self._next_due, self._next_due + 1 / self.plan.rate
                self._send(due, now)
            else:
                return

    def _send(self, due: float, now: float) -> None:
        connection = self._idle.pop() if self._idle else self._connect()
        request = self.requests[self._sent % len(self.requests)]
        self._sent += 1
        try:
            if not connection.send(request, due, now):
                self._poll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)
        except OSError as error:
            self._fail(connection, _how(error))
            self._paused_until = now + PAUSE_SECONDS

    def _connect(self) -> Connection:
        connection = Connection((self.plan.host, self.plan.port))
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)
        return connection

    def _move_on(self, connection: Connection, events: int) -> None:
        try:
            if events & select.EPOLLOUT and connection.rest and connection.send_rest():
                self._poll.modify(connection.socket, select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                self._receive(connection)
        except MalformedAnswer:
            self._fail(connection, "malformed")
        except OSError as error:
            self._fail(connection, _how(error))

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        answer = connection.reader.feed(data, closed=not data)
        if answer is not None and connection.busy:
            self._finish(connection, answer)
        elif not data:
            self._fail(connection, "closed")

    def _finish(self, connection: Connection, answer: Answer) -> None:
        now = time.monotonic()
        waits = answer.status in WAITING and b"\r\nretry-after:" in answer.head
        self.records.append(Record(connection.due, now, str(answer.status), waits))
        if self.on_answer is not None:
            self.on_answer(connection.sent, now, answer)
        connection.busy = False
        if answer.keeps and not connection.rest:
            self._idle.append(connection)
        else:
            self.reconnects += 1
            self._drop(connection)

    def _fail(self, connection: Connection, how: str) -> None:
        """The connection is gone; so is its request, if it had one."""
        now = time.monotonic()
        if connection.busy:
            self.records.append(Record(connection.due, now, how))
        else:
            self._idle.remove(connection)
        if how == "refused":
            self._paused_until = now + PAUSE_SECONDS
        else:
            self.reconnects += 1
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        del self._open[connection.socket.fileno()]
        connection.socket.close()

    def _end_overdue(self, now: float) -> None:
        self._next_look = now + LOOK_SECONDS
        oldest = now - self.plan.timeout_seconds
        for connection in [one for one in self._open.values() if one.busy and one.sent < oldest]:
            self._fail(connection, "timeout")

    def _count_unsent(self) -> None:
        if self.plan.rate:
            self.unsent = max(0, int((self.window.end - self._next_due) * self.plan.rate))

    def _close_all(self) -> None:
        for connection in list(self._open.values()):
            self._drop(connection)
        self._poll.close()


def _how(error: OSError) -> str:
    return "refused" if isinstance(error, ConnectionRefusedError) else "closed"


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
