"""One connection can neither fill the memory nor hold the service, whatever is sent on it."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import uvicorn

from serving.connections import ConnectionLimits, Connections
from serving.http_protocol import MAX_PIPELINED, BoundedHttpProtocol
from tests.commands import free_port
from tests.raw_http import RawClient, raw_client

GET = "GET /ignore HTTP/1.1\r\nHost: a\r\n"
QUICK: dict[str, Any] = {"header_timeout_seconds": 0.4, "stall_timeout_seconds": 0.4}


@dataclass
class Served:
    """A server of a small app. refused: by reason; bodies: that were read; gone: callers who left;
    waiting: set when a request waits.
    """

    port: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    bodies: list[int] = field(default_factory=list)
    gone: int = 0
    waiting: threading.Event = field(default_factory=threading.Event)
    connections: Connections | None = None

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """/read reads the body, /ignore does not, /wait answers nobody, /large is a long answer."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/read":
            size = await self._read(receive)
            if size is None:
                return
        elif scope["path"] == "/wait":
            self.waiting.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone += 1
            return
        large = scope["path"] == "/large"
        size = 64 * 2**20 if large else 2
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if large:
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            self.gone += 1
        else:
            await send({"type": "http.response.body", "body": b"ok"})

    async def _read(self, receive: Any) -> int | None:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                return None
            size += len(message["body"])
            if not message["more_body"]:
                self.bodies.append(size)
                return size


@contextmanager
def serving(
    is_proxy: Callable[[str], bool] = lambda address: False, **limits: Any
) -> Iterator[Served]:
    """The small app under uvicorn, on a port of its own, until the block ends."""
    served = Served(free_port())
    served.connections = Connections(ConnectionLimits(**limits), refuse(served), is_proxy)
    config = uvicorn.Config(
        served.app,  # type: ignore[arg-type]
        port=served.port,
        loop="uvloop",
        http=partial(BoundedHttpProtocol, served.connections),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        interface="asgi3",
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(20)


def refuse(served: Served) -> Callable[[str], None]:
    def count(reason: str) -> None:
        served.refused[reason] += 1

    return count


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


def eventually(look: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.02)
    return False


def refusal(client: RawClient) -> tuple[int, object]:
    answer = client.answer()
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["fix"]
    return answer.status, answer.json()["code"]


FLOODS = {
    "header lines": (f"{GET}", b"X-Many: " + b"a" * 56 + b"\r\n", 431, "headers_too_large"),
    "tiny header lines": (f"{GET}", b"a:\r\n" * 4000, 431, "headers_too_large"),
    "one header value": (f"{GET}X-Long: ", b"a" * 4096, 431, "headers_too_large"),
    "one header value, byte by byte": (f"{GET}X-Long: ", b"a", 431, "headers_too_large"),
    "one header name": (GET, b"a" * 4096, 431, "headers_too_large"),
    "blanks before a value": (f"{GET}X-Long:", b" " * 4096, 431, "headers_too_large"),
    "a URL": ("GET /", b"a" * 4096, 414, "url_too_long"),
    "a query": ("GET /?", b"a" * 512, 414, "url_too_long"),
    "empty lines before the request": ("", b"\r\n" * 2048, 431, "headers_too_large"),
    "chunk extensions": (
        "POST /wait HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"x" * 4096,
        400,
        "bad_request",
    ),
    "chunks of a byte": (
        "POST /wait HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n" * 1000,
        400,
        "bad_request",
    ),
    "trailers": (
        "POST /wait HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X-Many: a\r\n" * 100,
        431,
        "headers_too_large",
    ),
    "one trailer": (
        "POST /wait HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
        b"a" * 4096,
        400,
        "bad_request",
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_what_has_no_end_is_refused_after_some_kilobytes(name: str, served: Served) -> None:
    begin, piece, status, code = FLOODS[name]
    before = served.refused[code]
    with raw_client(served.port) as client:
        client.send(begin)
        for _ in range(-(-300_000 // len(piece))):
            client.send(piece)
            if len(piece) > 1 or served.refused[code] > before:
                break
        refused = client.flood(piece * max(1, 4096 // len(piece)), 400_000) and refusal(client)
    assert refused == (status, code)
    assert served.refused[code] == before + 1


def test_after_a_refusal_what_is_still_sent_is_soon_not_taken(served: Served) -> None:
    with raw_client(served.port) as client:
        client.send(GET)
        sent = client.flood(b"X-Many: " + b"a" * 1000 + b"\r\n", 200 * 2**20)
        assert sent < 20 * 2**20  # with what the buffers of the kernel hold
    assert eventually(lambda: not len(served.connections or ()))


def test_ordinary_requests_pass_one_after_the_other_on_one_connection(served: Served) -> None:
    with raw_client(served.port) as client:
        for number in range(5):
            client.send(f"POST /read HTTP/1.1\r\nContent-Length: {number}\r\n\r\n" + "x" * number)
            assert client.answer().body == b"ok"
        chunks = "4\r\nabcd\r\n3;name=value\r\nxyz\r\n0\r\nX-Trailer: dropped\r\n\r\n"
        client.send(f"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
        assert client.answer().body == b"ok"
        token = "t" * 4096
        client.send(f"{GET}Authorization: Bearer {token}\r\n" + "X-A: b\r\n" * 90 + "\r\n")
        assert client.answer().body == b"ok"
    assert served.bodies[-6:] == [0, 1, 2, 3, 4, 7]


def test_a_large_body_passes_whole_however_it_is_cut(served: Served) -> None:
    body = bytes(range(256)) * 4096
    with raw_client(served.port) as client:
        client.send(f"POST /read HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        assert client.answer().status == 200
        client.send("POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 1000):
            client.send(
                b"%x\r\n%b\r\n" % (len(body[start : start + 1000]), body[start : start + 1000])
            )
        client.send("0\r\n\r\n")
        assert client.answer().status == 200
    assert served.bodies[-2:] == [len(body), len(body)]


def test_pipelined_requests_are_answered_in_order_and_bounded(served: Served) -> None:
    with raw_client(served.port) as client:
        client.send(f"{GET}\r\n" * 5)
        assert [client.answer().body for _ in range(5)] == [b"ok"] * 5
    served.waiting.clear()
    before, gone = served.refused["too_many_pipelined"], served.gone
    with raw_client(served.port) as client:
        client.send("GET /wait HTTP/1.1\r\n\r\n")
        assert served.waiting.wait(10)
        client.flood(f"{GET}\r\n".encode() * 100, 2**20)
        assert eventually(lambda: served.refused["too_many_pipelined"] == before + 1)
    assert eventually(lambda: served.gone == gone + 1)
    assert MAX_PIPELINED < 100


def test_an_answer_without_reading_the_body_arrives_and_ends_the_connection(served: Served) -> None:
    with raw_client(served.port) as client:
        client.send(f"POST /ignore HTTP/1.1\r\nContent-Length: {8 * 2**20}\r\n\r\n")
        client.send(bytes(8 * 2**20))  # as clients do that read afterwards
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.ends()


def test_a_small_body_that_nobody_reads_does_not_cost_the_connection(served: Served) -> None:
    with raw_client(served.port) as client:
        client.send("POST /ignore HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        assert client.answer().body == b"ok"
        client.send("x" * 1000 + f"{GET}\r\n")
        assert client.answer().body == b"ok"


def test_a_caller_who_expects_100_gets_none_where_the_body_is_not_wanted(served: Served) -> None:
    wants = "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
    with raw_client(served.port) as client:
        client.send(f"POST /ignore HTTP/1.1\r\n{wants}")
        assert client.answer().status == 200
    with raw_client(served.port) as client:
        client.send(f"POST /read HTTP/1.1\r\n{wants}")
        assert client.answer().status == 100


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_another_protocol_is_not_spoken(protocol: str, served: Served) -> None:
    with raw_client(served.port) as client:
        client.send(f"{GET}Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.ends()


POST = "POST /read HTTP/1.1\r\n"
NO_HTTP = [
    "\x16\x03\x01\x02\x00",
    "NONSENSE\r\n\r\n",
    "GET /\u00fc HTTP/1.1\r\n\r\n",
    "GET http://[ HTTP/1.1\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    f"{POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    f"{POST}Content-Length: -1\r\n\r\n",
    f"{POST}Content-Length: 9999999999999999999999\r\n\r\n",
    f"{POST}Transfer-Encoding: gzip\r\n\r\n",
    f"{GET}A b: c\r\n\r\n",
]


@pytest.mark.parametrize("text", NO_HTTP)
def test_what_is_no_http_is_a_problem(text: str, served: Served) -> None:
    with raw_client(served.port) as client:
        client.send(text)
        assert refusal(client) == (400, "bad_request")
        assert client.ends()


SLOW = {
    "nothing": ("", "", "no_request"),
    "one byte": ("G", "", "request_timeout"),
    "half a head": (GET, "", "request_timeout"),
    "a head byte by byte": (f"{GET}X-Slow: ", "a", "request_timeout"),
    "empty lines": ("", "\r\n", "no_request"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_head_that_does_not_come_to_its_end_ends_the_connection(name: str) -> None:
    begin, piece, reason = SLOW[name]
    with serving(**QUICK) as served, raw_client(served.port) as client:
        client.send(begin)
        deadline = time.monotonic() + 10
        while not served.refused[reason] and time.monotonic() < deadline:
            client.send(piece)
            time.sleep(0.05)
        assert served.refused[reason] == 1
        if reason == "request_timeout":
            assert refusal(client) == (408, "request_timeout")
        assert client.ends()
        client.close()
        assert eventually(lambda: not len(served.connections or ()))


def test_the_head_of_a_later_request_has_its_time_too() -> None:
    with serving(**QUICK) as served, raw_client(served.port) as client:
        client.send(f"{GET}\r\n")
        assert client.answer().status == 200
        client.send(GET)
        assert refusal(client) == (408, "request_timeout")


def test_a_caller_who_does_not_read_the_answer_is_cut_off() -> None:
    with serving(**QUICK) as served, raw_client(served.port) as client:
        client.send("GET /large HTTP/1.1\r\n\r\n")
        assert eventually(lambda: served.refused["slow_reader"] == 1)
        assert eventually(lambda: not len(served.connections or ()))


def test_one_who_reads_steadily_gets_all_of_it() -> None:
    with serving(**QUICK) as served, raw_client(served.port) as client:
        client.send("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
        seen = 0
        while data := client.socket.recv(2**20):
            seen += len(data)
            time.sleep(0.002)
        assert seen > 64 * 2**20
    assert not served.refused


def test_connections_of_one_address_are_bounded() -> None:
    with serving(max_per_address=5) as served, ExitStack() as stack:
        clients = [stack.enter_context(raw_client(served.port)) for _ in range(5)]
        extra = stack.enter_context(raw_client(served.port))
        assert extra.answer().json()["code"] == "too_many_connections"
        assert extra.ends()
        assert served.refused["too_many_from_address"] == 1
        clients[0].send(f"{GET}\r\n")
        assert clients[0].answer().status == 200
        clients[0].close()
        assert eventually(lambda: len(served.connections or ()) == 4)
        again = stack.enter_context(raw_client(served.port))
        again.send(f"{GET}\r\n")
        assert again.answer().status == 200


class Held:
    """A connection that is never idle."""

    idle_since = 0.0

    def check(self, now: float) -> None:
        pass

    def end(self) -> None:
        raise AssertionError("it was busy")


def test_some_addresses_with_busy_connections_keep_out_no_other_one() -> None:
    async def main() -> None:
        connections = Connections(ConnectionLimits(), lambda reason: None)

        def open_all(address: str) -> int:
            for number in range(300):
                held = Held()
                if connections.admit(held, address, 0.0) is not None:
                    return number
                connections.set_busy(held)
            return 300

        opened = [open_all(f"192.0.2.{number}") for number in range(6)]
        assert opened == [250, 250, 250, 125, 63, 31]
        assert connections.admit(Held(), "198.51.100.7", 0.0) is None

    asyncio.run(main())


def test_an_idle_connection_makes_room_for_another_of_its_address() -> None:
    with serving(max_per_address=3) as served, ExitStack() as stack:
        idle = [stack.enter_context(raw_client(served.port)) for _ in range(3)]
        time.sleep(1.1)
        fresh = stack.enter_context(raw_client(served.port))
        fresh.send(f"{GET}\r\n")
        assert fresh.answer().status == 200
        assert idle[0].ends()
        assert served.refused["idle_connection_closed"] == 1


def test_those_of_a_proxy_are_not_bounded_by_address() -> None:
    trusted = lambda address: address == "127.0.0.1"  # noqa: E731
    with serving(trusted, max_per_address=2) as served, ExitStack() as stack:
        clients = [stack.enter_context(raw_client(served.port)) for _ in range(6)]
        for client in clients:
            client.send(f"{GET}\r\n")
            assert client.answer().status == 200


def test_a_full_service_drops_who_holds_a_connection_idle_and_keeps_who_waits() -> None:
    with serving(max_connections=3) as served, ExitStack() as stack:
        busy = stack.enter_context(raw_client(served.port))
        busy.send("GET /wait HTTP/1.1\r\n\r\n")
        assert served.waiting.wait(10)
        idle = [stack.enter_context(raw_client(served.port)) for _ in range(2)]
        assert eventually(lambda: len(served.connections or ()) == 3)
        refused = stack.enter_context(raw_client(served.port))
        answer = refused.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        time.sleep(1.1)
        fresh = stack.enter_context(raw_client(served.port))
        fresh.send(f"{GET}\r\n")
        assert fresh.answer().status == 200
        assert idle[0].ends()
        assert served.gone == 0


def test_a_caller_who_leaves_while_others_of_the_connection_wait_is_noticed() -> None:
    with serving() as served:
        with raw_client(served.port) as client:
            client.send("GET /wait HTTP/1.1\r\n\r\n" + f"{GET}\r\n")
            assert served.waiting.wait(10)
        assert eventually(lambda: served.gone == 1)


@pytest.mark.parametrize("max_connections", [10, 100_000_000])
def test_a_bound_that_the_system_does_not_allow_ends_the_start(max_connections: int) -> None:
    from leafgate.errors import UserError
    from serving.connections import require_files

    if max_connections == 10:
        require_files(max_connections)
        return
    with pytest.raises(UserError, match="LEAFGATE_MAX_CONNECTIONS"):
        require_files(max_connections)
