"""What the dashboard's web server gives, takes and refuses, before any page runs."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serving import hash_password
from sql import add_user, open_database, revoke_tokens_of
from tests.commands import environment, free_port, service
from tests.dashboard_tab import Tab, browser, tab, xsrf
from tests.integration.conftest import PASSWORD, RunningApi, api_settings, starting_apis
from tests.integration.test_api_answers import png

MEGABYTE = 2**20
MESSAGE_TOO_BIG = 1009  # of RFC 6455


@pytest.fixture(scope="module")
def api(served_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    folder = tmp_path_factory.mktemp("doors")
    with starting_apis() as start:
        yield start(api_settings(served_var, folder, max_upload_bytes=2 * MEGABYTE))


@pytest.fixture(scope="module")
def dashboard(api: RunningApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard whose sessions may hold 3 MiB of files, and all together 5."""
    port = free_port()
    env = environment(
        api.settings.var_dir,
        database_url=api.settings.database_url,
        api_url=api.url,
        dashboard_port=port,
        max_upload_bytes=2 * MEGABYTE,
        dashboard_session_upload_mb=3,
        dashboard_upload_mb=5,
        max_connections_per_address=100,
        header_timeout_seconds=5,
    )
    address = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("dashboard") / "log"
    with service("dashboard", f"{address}/_stcore/health", env, log):
        yield address


@pytest.fixture
def ada(dashboard: str) -> Iterator[Tab]:
    """A tab of somebody who may diagnose leaves."""
    with tab(browser(dashboard)) as signed_in:
        yield signed_in.sign_in("ada", PASSWORD)
        with suppress(ConnectionClosed):  # where the test has gone on elsewhere
            sign_out(signed_in)


def sign_out(each: Tab) -> None:
    """Which lets go of its files, too."""
    each.run()
    if "Sign out" in each.widgets:
        each.run({each.widgets["Sign out"]: True})


def test_files_are_taken_from_a_signed_in_session(ada: Tab) -> None:
    assert ada.put(png()).status_code == 204


def test_no_file_is_taken_before_signing_in(dashboard: str) -> None:
    """Neither without a session, nor into one that shows the form, however large the file."""
    stranger = browser(dashboard)
    with tab(stranger) as visitor:
        visitor.run()
        assert visitor.session_id
        for session_id in (visitor.session_id, "0" * 36, ""):
            assert visitor.put(b"x" * 100, session_id or "none").status_code == 403
        for method in ("PUT", "DELETE", "POST", "PATCH"):
            answer = stranger.request(method, visitor.upload_path(), content=b"x")
            assert answer.status_code in (403, 405)


def test_a_refused_body_is_not_read(dashboard: str) -> None:
    """The answer comes while 10 MB that were announced are still on their way."""
    with _raw(dashboard) as connection:
        connection.sendall(
            b"PUT /_stcore/upload_file/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 403")
        assert _is_closed(connection, within=30)


def test_no_file_is_taken_from_another_browser(dashboard: str, ada: Tab) -> None:
    """Session ids stand in addresses of uploads; knowing one is not enough."""
    other = browser(dashboard)
    with tab(other) as eve:
        eve.sign_in("eve", PASSWORD)
        assert eve.put(png(), ada.session_id).status_code == 403
        own = ada.upload_path(file_id="kept")
        assert other.delete(own, headers=xsrf(other)).status_code == 403
    without = httpx.Client(
        base_url=dashboard, cookies={"_streamlit_xsrf": xsrf(ada.http)["X-Xsrftoken"]}
    )
    assert without.put(own, files={"file": b"x"}, headers=xsrf(ada.http)).status_code == 403


def test_no_file_is_taken_of_a_user_without_the_scope(dashboard: str) -> None:
    with tab(browser(dashboard)) as eve:
        eve.sign_in("eve", PASSWORD)
        assert eve.put(png()).status_code == 403


def test_no_file_is_taken_after_signing_out(ada: Tab) -> None:
    sign_out(ada)
    assert "User name" in ada.widgets
    assert ada.put(png()).status_code == 403


def test_a_revoked_token_ends_the_session_and_lets_go_of_its_files(
    dashboard: str, api: RunningApi
) -> None:
    """Within half a minute of a page run; the pages of figures ask, too."""
    with tab(browser(dashboard)) as zoe:
        database = open_database(api.settings.database)
        add_user(database, "zoe", hash_password(PASSWORD), ["predict"])
        zoe.sign_in("zoe", PASSWORD)
        assert zoe.put(png()).status_code == 204
        revoke_tokens_of(database, "zoe")
        database.dispose()
        deadline = time.monotonic() + 60
        while "Signed in as" in zoe.run().text and time.monotonic() < deadline:
            time.sleep(1)
        assert "Your session has ended" in zoe.text
        assert zoe.put(png()).status_code == 403


def test_files_of_a_session_are_bounded_and_make_room_when_they_go(ada: Tab) -> None:
    data = b"x" * (MEGABYTE + MEGABYTE // 2)
    assert ada.put(b"x" * (4 * MEGABYTE)).status_code == 413
    assert ada.put(data, file_id="first").status_code == 204
    refused = ada.put(data)
    assert (refused.status_code, "remove some first" in refused.text) == (413, True)
    first = ada.upload_path(file_id="first")
    assert ada.http.delete(first, headers=xsrf(ada.http)).status_code == 204
    assert ada.put(data).status_code == 204


def test_files_of_all_sessions_are_bounded_and_go_with_signing_out(dashboard: str) -> None:
    data = b"x" * (2 * MEGABYTE - 1000)
    with ExitStack() as stack:
        tabs = [stack.enter_context(tab(browser(dashboard))) for _ in range(3)]
        for each in tabs:
            each.sign_in("ada", PASSWORD)
        assert [each.put(data).status_code for each in tabs] == [204, 204, 413]
        sign_out(tabs[0])
        assert tabs[2].put(data).status_code == 204
        sign_out(tabs[1])
        sign_out(tabs[2])


def test_an_upload_without_a_length_is_refused(ada: Tab) -> None:
    answer = ada.http.put(ada.upload_path(), content=iter([b"x"]), headers=xsrf(ada.http))
    assert answer.status_code == 411


def test_a_session_is_resumed_by_its_own_browser_alone(dashboard: str, ada: Tab) -> None:
    with tab(browser(dashboard), resume=ada.session_id) as thief:
        thief.run()
        assert thief.session_id != ada.session_id
        assert "User name" in thief.widgets
    ada.run()
    assert "Signed in as" in ada.text
    with tab(ada.http, resume=ada.session_id) as again:
        again.run()
        assert again.session_id == ada.session_id
        assert "Signed in as" in again.text
        assert again.put(png()).status_code == 204
        sign_out(again)
    ada.socket.close()


def test_a_browser_cannot_name_its_own_sign_in(dashboard: str) -> None:
    """Streamlit keeps widgets' values where the sign-in is kept; neither is the sign-in."""
    with tab(browser(dashboard)) as visitor:
        visitor.run()
        visitor.run({"sign_in": "admin"})
        assert "Signed in as" not in visitor.text
        assert visitor.put(png()).status_code == 403


def test_media_files_are_given_to_signed_in_browsers_alone(dashboard: str, ada: Tab) -> None:
    """Their names are hashes of their content, which somebody may have."""
    ada.put(png(), file_id="leaf")
    stranger = browser(dashboard)
    for path in ("/media/" + "a" * 56 + ".png", "/media/../_stcore/metrics", "/media/%2e%2e/x"):
        assert stranger.get(path).status_code in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/_stcore/metrics?families=x",
        "/_stcore/metrics%0A",
        "/_stcore/metrics/",
        "/_stcore/%6detrics",
        "/_stcore/script-health-check",
        "/_stcore/agent/openapi.json",
        "/_stcore/agent/interact",
        "/_stcore/bidi-components/x/y",
        "/component/x/y",
        "/auth/login",
        "/auth/logout",
        "/oauth2callback",
        "/app/static/x",
    ],
)
def test_endpoints_that_no_page_needs_are_not_there(dashboard: str, path: str) -> None:
    assert httpx.get(dashboard + path).status_code == 404


def test_health_checks_and_the_pages_need_no_sign_in(dashboard: str) -> None:
    for path in ("/", "/traffic", "/_stcore/health", "/_stcore/host-config"):
        assert httpx.get(dashboard + path).status_code == 200
    assert httpx.get(f"{dashboard}/_stcore/host-config").json()["allowedOrigins"] == []


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/metrics", "/media/x", "/no"])
def test_every_answer_has_the_security_headers_once(dashboard: str, path: str) -> None:
    headers = httpx.get(dashboard + path).headers
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert len(headers.get_list(name)) == 1
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' " in policy
    scripts = next(each for each in policy.split("; ") if each.startswith("script-src"))
    assert "unsafe-inline" not in scripts
    assert "'unsafe-eval'" not in scripts
    assert "camera=(self)" in headers["permissions-policy"]
    assert "server" not in headers


def test_the_browsers_cookie_is_random_and_not_for_scripts(dashboard: str) -> None:
    cookies = [httpx.get(dashboard).headers["set-cookie"] for _ in range(2)]
    assert cookies[0] != cookies[1]
    assert re.match(r"leafgate_browser=[\w-]{43}; .*HttpOnly; SameSite=Lax$", cookies[0])
    known = browser(dashboard)
    assert "leafgate_browser" not in known.get("/").headers.get("set-cookie", "")


def test_one_address_opens_some_tabs_without_a_sign_in_and_no_more(dashboard: str) -> None:
    http = browser(dashboard)
    with ExitStack() as stack:
        with pytest.raises(InvalidStatus) as refused:
            for _ in range(100):
                stack.enter_context(tab(http, patience_seconds=0))
        assert refused.value.response.status_code in (403, 503)
        first = stack.pop_all()
    first.close()
    with tab(http) as visitor:
        assert "User name" in visitor.run().widgets


def test_messages_before_a_sign_in_are_slowed_down(dashboard: str) -> None:
    """At 5 a second after the first 60, so that page runs cannot fill the processor."""
    with tab(browser(dashboard)) as visitor:
        began, runs = time.monotonic(), 100
        for _ in range(runs):
            visitor.run()
        assert time.monotonic() - began > (runs - 60) / 5 - 2


def test_nobody_clears_the_caches_of_all_sessions(dashboard: str, ada: Tab) -> None:
    """A message that Streamlit would obey from anyone, and that signs the sender out."""
    asked = BackMsg(clear_cache=True)
    ada.socket.send(asked.SerializeToString())
    assert "Signed in as" in ada.run().text


def test_large_messages_end_the_connection(dashboard: str) -> None:
    with tab(browser(dashboard)) as visitor:
        visitor.run()
        with suppress(Exception):
            visitor.socket.send(b"x" * (2 * MEGABYTE))
        with pytest.raises(ConnectionClosed) as ended:
            visitor.run()
        # A connection that is still sending may lose the close frame.
        if ended.value.rcvd is not None:
            assert ended.value.rcvd.code == MESSAGE_TOO_BIG


def test_long_heads_are_refused(dashboard: str) -> None:
    for headers in ({"X-Long": "a" * 70_000}, {f"X-{n}": "a" * 700 for n in range(100)}):
        assert httpx.get(dashboard, headers=headers).status_code in (400, 431)
    with _raw(dashboard) as connection:
        connection.sendall(b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 431")
    with _raw(dashboard) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with suppress(OSError):
            for number in range(20_000):
                connection.sendall(b"X-%d: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" % number)
        assert _is_closed(connection, within=10)


def test_connections_that_send_no_request_are_closed(dashboard: str) -> None:
    with _raw(dashboard) as silent, _raw(dashboard) as slow:
        slow.sendall(b"GET / HT")
        for _ in range(10):
            time.sleep(1)
            with suppress(OSError):
                slow.sendall(b"T")
        assert _is_closed(silent, within=10)
        assert _is_closed(slow, within=10)


def test_connections_of_one_address_are_bounded(dashboard: str) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(_raw(dashboard)) for _ in range(200)]
        time.sleep(1)
        assert 50 < sum(_is_closed(each, within=0.01) for each in opened) < 150


def _raw(dashboard: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(dashboard.rpartition(":")[2])), timeout=30)


def _is_closed(connection: socket.socket, within: float) -> bool:
    """Whether the other side ends it in that time, in seconds, whatever it sends before."""
    connection.settimeout(within)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
