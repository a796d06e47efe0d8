"""The dashboard's web server in parts: who is signed in where, and what an upload may cost."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard import session
from dashboard.web import gate, sessions, sockets
from dashboard.web.gate import Gate
from dashboard.web.headers import content_policy
from dashboard.web.sessions import Sessions, Visitor
from dashboard.web.sockets import Incoming, Sockets, TokenBucket
from leafgate.errors import UserError

BROWSER, OTHER = "b" * 43, "o" * 43


def visitor(name: str = "ada", may_upload: bool = True, seconds: float = 60) -> Visitor:
    return Visitor(name, may_upload, time.time() + seconds)


@pytest.fixture
def known() -> Sessions:
    """A session of a signed-in user, on an open connection."""
    found = Sessions()
    assert found.open("c1", "10.0.0.1")
    found.record("s1", BROWSER, "c1", visitor())
    return found


def test_uploads_belong_to_a_signed_in_session_of_the_same_browser(known: Sessions) -> None:
    assert known.may_upload("s1", BROWSER)
    assert not known.may_upload("s1", OTHER)
    assert not known.may_upload("s2", BROWSER)
    known.sign_out("s1")
    assert not known.may_upload("s1", BROWSER)


def test_a_browser_without_a_cookie_owns_no_session(known: Sessions) -> None:
    known.record("s2", "", "c2", visitor())
    assert not known.may_upload("s2", "")
    assert not known.may_resume("s2", "")
    assert not known.has_signed_in("")


def test_a_session_stays_with_the_browser_that_opened_it(known: Sessions) -> None:
    known.record("s1", OTHER, "c1", visitor())
    assert not known.may_resume("s1", OTHER)


def test_an_expired_token_is_no_sign_in(known: Sessions) -> None:
    known.record("s1", BROWSER, "c1", visitor(seconds=-1))
    assert not known.may_upload("s1", BROWSER)
    assert not known.has_signed_in(BROWSER)
    assert known.forget() == ["s1"]  # its files may go


def test_without_the_scope_there_are_no_uploads(known: Sessions) -> None:
    known.record("s1", BROWSER, "c1", visitor(may_upload=False))
    assert not known.may_upload("s1", BROWSER)


def test_a_session_ends_some_time_after_its_connection(
    known: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known.close("c1") is None
    assert known.forget() == []
    assert known.may_resume("s1", BROWSER)
    monkeypatch.setattr(sessions, "RESUME_SECONDS", -1)
    assert known.forget() == ["s1"]
    assert not known.may_resume("s1", BROWSER)


def test_a_sign_in_that_ends_after_its_tab_was_closed_ends_too(
    known: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.record("late", BROWSER, "closed before", visitor())
    monkeypatch.setattr(sessions, "RESUME_SECONDS", -1)
    assert known.forget() == ["late"]


def test_a_user_has_a_bounded_number_of_sessions(known: Sessions) -> None:
    for number in range(sessions.MAX_SESSIONS_OF_A_USER - 1):
        known.record(f"more {number}", BROWSER, f"d{number}", visitor())
    with pytest.raises(UserError, match="browser tabs"):
        known.record("one more", BROWSER, "d", visitor())
    known.record("another's", BROWSER, "e", visitor("bob"))
    known.record("s1", BROWSER, "c1", visitor())  # those that are signed in stay so


def test_connections_without_a_sign_in_are_bounded_by_address_and_in_all() -> None:
    found = Sessions()
    opened = [found.open(f"a{n}", "10.0.0.1") for n in range(100)]
    assert sum(opened) == sessions.MAX_ANONYMOUS_OF_AN_ADDRESS
    found.record("s", BROWSER, "a0", visitor())
    assert found.open("another", "10.0.0.1")
    opened = [found.open(f"b{n}", f"10.1.0.{n}") for n in range(sessions.MAX_ANONYMOUS + 10)]
    assert sum(opened) == sessions.MAX_ANONYMOUS - sessions.MAX_ANONYMOUS_OF_AN_ADDRESS
    found.close("b0")
    assert found.open("in its place", "10.2.0.1")


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%x, 198.51.100.7", "fe80::1"),
        ("fe80::1%\r\nCookie: x", "fe80::1"),
        ("=1+1", None),
        (None, None),
    ],
)
def test_the_api_hears_nothing_of_a_visitor_but_the_address(
    said: str | None, passed_on: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.context", SimpleNamespace(ip_address=said))
    assert session.visitor_address() == passed_on


def test_a_bucket_lets_a_burst_pass_and_then_slows_down() -> None:
    bucket = TokenBucket(rate=10, burst=5)
    waits = [bucket.take() for _ in range(10)]
    assert waits[:5] == [0] * 5
    assert waits[9] == pytest.approx(0.5, abs=0.1)


def test_the_policy_allows_the_pages_own_inline_scripts_alone() -> None:
    policy = content_policy("<script>a = 1</script><script src='x'></script>")
    assert policy.count("'sha256-") == 1
    assert "script-src 'self' 'wasm-unsafe-eval' 'sha256-" in policy


class Held(dict[str, dict[str, Any]]):
    """Files by session, as Streamlit has them."""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    files = Held()
    instance = SimpleNamespace(uploaded_file_mgr=SimpleNamespace(file_storage=files))
    monkeypatch.setattr(runtime, "get_instance", lambda: instance)
    yield files


async def taking(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the body and answers 204."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def upload(size: int, **more: Any) -> Scope:
    return {
        "type": "http",
        "method": "PUT",
        "path": "/_stcore/upload_file/s1/f1",
        "query_string": b"",
        "headers": [
            (b"cookie", f"leafgate_browser={BROWSER}".encode()),
            (b"content-length", str(size).encode()),
        ],
        **more,
    }


async def answer(app: Any, scope: Scope, receive: Receive) -> int:
    """The status that the application answers."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


async def whole() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def stalled() -> Message:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits so long")


async def trickling() -> Message:
    await asyncio.sleep(0.02)
    return {"type": "http.request", "body": b"x", "more_body": True}


def test_uploads_on_their_way_count_as_they_were_announced(known: Sessions, held: Held) -> None:
    door = Gate(taking, known, max_file_bytes=100, session_bytes=150, all_bytes=1000)

    async def two_at_once() -> list[int]:
        first = answer(door, upload(100), trickle_then_end())
        return list(await asyncio.gather(first, answer(door, upload(100), whole)))

    def trickle_then_end() -> Receive:
        left = iter((True, True, False))

        async def receive() -> Message:
            await asyncio.sleep(0.05)
            return {"type": "http.request", "body": b"x", "more_body": next(left)}

        return receive

    assert asyncio.run(two_at_once()) == [204, 413]
    assert asyncio.run(answer(door, upload(100), whole)) == 204  # nothing is left behind


def test_a_session_holds_a_bounded_number_of_files(known: Sessions, held: Held) -> None:
    door = Gate(taking, known, 100, 10**6, 10**6)
    held["s1"] = {f"n{n}": SimpleNamespace(data=b"") for n in range(gate.MAX_FILES)}
    assert asyncio.run(answer(door, upload(1), whole)) == 413
    del held["s1"]["n0"]
    assert asyncio.run(answer(door, upload(1), whole)) == 204


def test_all_sessions_together_are_bounded(known: Sessions, held: Held) -> None:
    door = Gate(taking, known, 100, 10**6, 1000)
    held["another"] = {"f": SimpleNamespace(data=b"x" * 950)}
    assert asyncio.run(answer(door, upload(100), whole)) == 413
    assert asyncio.run(answer(door, upload(50), whole)) == 204


@pytest.mark.parametrize("receive", [stalled, trickling])
def test_uploads_that_stall_or_trickle_are_ended(
    receive: Receive, known: Sessions, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(gate, "LONGEST_SECONDS", 0.3)
    door = Gate(taking, known, 100, 1000, 1000)
    assert asyncio.run(answer(door, upload(100), receive)) == 408
    assert asyncio.run(answer(door, upload(1000), whole)) == 204


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/upload_file/s1",
        "/_stcore/upload_file/s1/",
        "/_stcore/upload_file/s1/f/more",
        "/_stcore/upload_file//s1/f",
        "/_stcore/upload_file/s1\n/f",
    ],
)
def test_other_spellings_of_an_upload_are_refused(path: str, known: Sessions, held: Held) -> None:
    door = Gate(taking, known, 100, 1000, 1000)
    assert asyncio.run(answer(door, upload(10, path=path), whole)) == 403


@pytest.mark.parametrize("size", ["", "-1", "1e3", "+5", "٣", "1,1"])
def test_lengths_that_are_no_number_are_refused(size: str, known: Sessions, held: Held) -> None:
    door = Gate(taking, known, 100, 1000, 1000)
    scope = upload(0)
    scope["headers"][1] = (b"content-length", size.encode())
    assert asyncio.run(answer(door, scope, whole)) == 411


def test_the_number_of_a_connection_is_the_servers_own(known: Sessions) -> None:
    """A browser cannot send another's, nor resume a session that is not its own."""
    seen: list[Scope] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: Scope = {
        "type": "websocket",
        "path": sockets.STREAM,
        "client": ("10.0.0.9", 1),
        "query_string": b"",
        "headers": [
            (b"x-leafgate-connection", b"c1"),
            (b"cookie", f"leafgate_browser={OTHER}".encode()),
            (b"sec-websocket-protocol", b"streamlit, token, s1"),
        ],
    }

    async def nothing(message: Message) -> None:
        """Sends nothing."""

    asyncio.run(Sockets(noting, known)(scope, whole, nothing))
    headers = dict(seen[0]["headers"])
    assert headers[b"x-leafgate-connection"] not in (b"c1", b"")
    assert len([name for name, _ in seen[0]["headers"] if name == b"x-leafgate-connection"]) == 1
    assert headers[b"sec-websocket-protocol"] == b"streamlit, token"
    scope["headers"][1] = (b"cookie", f"leafgate_browser={BROWSER}".encode())
    asyncio.run(Sockets(noting, known)(scope, whole, nothing))
    assert dict(seen[1]["headers"])[b"sec-websocket-protocol"] == b"streamlit, token, s1"


def message(kind: str) -> bytes:
    """One of that kind, as a browser sends it."""
    asked = BackMsg()
    if kind in ("rerun_script", "file_urls_request", "backend_operation_request"):
        getattr(asked, kind).SetInParent()
    else:
        setattr(asked, kind, True)
    return asked.SerializeToString()


def passed(*frames: bytes, signed_in: bool) -> list[bytes | str]:
    """What of these reaches Streamlit, and how the connection ends."""
    left = iter(frames)
    seen: list[bytes | str] = []

    async def receive() -> Message:
        data = next(left, None)
        if data is None:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "bytes": data}

    async def send(sent: Message) -> None:
        seen.append(f"{sent['type']} {sent['code']}")

    async def all_of_them() -> None:
        incoming = Incoming(receive, send, lambda: signed_in, TokenBucket(1000, 1000))
        while (each := await incoming.receive())["type"] == "websocket.receive":
            seen.append(each["bytes"])

    asyncio.run(all_of_them())
    return seen


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("kind", ["clear_cache", "load_git_info", "set_run_on_save"])
def test_messages_that_concern_the_server_or_other_sessions_are_dropped(
    kind: str, signed_in: bool
) -> None:
    run = message("rerun_script")
    assert passed(message(kind), run, signed_in=signed_in) == [run]


@pytest.mark.parametrize("kind", ["file_urls_request", "backend_operation_request"])
def test_files_are_asked_for_by_signed_in_tabs_alone(kind: str) -> None:
    assert passed(message(kind), signed_in=False) == []
    assert passed(message(kind), signed_in=True) == [message(kind)]


def test_no_tab_asks_for_thousands_of_upload_addresses() -> None:
    asked = BackMsg()
    asked.file_urls_request.file_names.extend([""] * (sockets.MAX_FILE_URLS + 1))
    assert passed(asked.SerializeToString(), signed_in=True) == []


def test_a_large_message_without_a_sign_in_ends_the_connection() -> None:
    asked = BackMsg()
    asked.rerun_script.query_string = "a=1&" * 20_000
    data = asked.SerializeToString()
    assert passed(data, message("rerun_script"), signed_in=False) == ["websocket.close 1009"]
    assert passed(data, signed_in=True) == [data]


def test_what_is_no_message_is_left_to_streamlit_to_refuse() -> None:
    assert passed(b"\xff\xff", signed_in=False) == [b"\xff\xff"]


def test_a_closed_tab_without_a_sign_in_leaves_nothing_behind() -> None:
    found = Sessions()
    assert found.open("c1", "10.0.0.1")
    found.record("s1", BROWSER, "c1", None)
    assert found.close("c1") == "s1"
    assert not found.may_resume("s1", BROWSER)
