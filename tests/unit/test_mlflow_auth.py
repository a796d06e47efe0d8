"""The sign-in in front of MLflow: what opens it, and what a browser may be made to send."""

import asyncio
import base64
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.mlflow_auth import MAX_FORM_BYTES, RequireToken
from registry.mlflow_server import allowed_hosts
from registry.mlflow_token import mlflow_token, sign_in_link, token_file

TOKEN = "0123456789abcdef" * 4
HOST = "127.0.0.1:5000"
Headers = Iterable[tuple[str, str]]


@dataclass
class Answer:
    """What came back. reached: whether the app behind the sign-in was asked."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reached: bool = False
    read_body: bool = False


def ask(
    path: str = "/",
    headers: Headers = (),
    method: str = "GET",
    query: str = "",
    body: bytes = b"",
    kind: str = "http",
    scheme: str = "http",
) -> Answer:
    """One request to an app behind the sign-in, as an ASGI server passes it on."""
    answer = Answer()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        answer.reached = True
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    async def receive() -> dict[str, Any]:
        answer.read_body = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answer.status = message.get("status", answer.status)
        pairs = message.get("headers", [])
        answer.headers |= {name.decode(): value.decode() for name, value in pairs}
        answer.body += message.get("body", b"")

    raw = [("Host", HOST), *headers]
    scope = {
        "type": kind,
        "scheme": scheme,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in raw],
    }
    asyncio.run(RequireToken(app, TOKEN, 5000)(scope, receive, send))
    return answer


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def cookie() -> tuple[str, str]:
    """As a browser sends it after it has opened the link."""
    signed_in = ask("/sign-in", query=f"token={TOKEN}")
    return "Cookie", signed_in.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    "path",
    ["/", "/version", "/graphql", "//health", "/health/", "/Health", "/v1/traces", "/gateway/x"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_every_path_but_health_is_refused_without_a_sign_in(path: str, method: str) -> None:
    answer = ask(path, method=method, body=b"x" * 100)
    assert (answer.status, answer.reached, answer.read_body) == (401, False, False)
    assert "inside" not in answer.body.decode()


def test_health_is_open_for_looking_alone() -> None:
    assert ask("/health").reached
    assert ask("/health", method="POST").status == 401


def test_a_websocket_is_closed() -> None:
    assert not ask("/health", kind="websocket").reached


@pytest.mark.parametrize(
    "header",
    [bearer(TOKEN), basic("leafgate", TOKEN), ("Authorization", f"bearer  {TOKEN} ")],
)
def test_programs_sign_in_as_mlflows_client_does(header: tuple[str, str]) -> None:
    assert ask("/api/2.0/mlflow/runs/search", [header], "POST").reached


@pytest.mark.parametrize(
    "header",
    [
        bearer(""),
        bearer(TOKEN[:-1]),
        bearer(f"{TOKEN}0"),
        bearer(TOKEN.upper()),
        bearer("ÿ"),
        basic("admin", "password1234"),
        basic("admin", TOKEN),
        basic("leafgate", ""),
        basic("", ""),
        ("Authorization", TOKEN),
        ("Authorization", "Basic !!!"),
        ("Authorization", f"Basic {base64.b64encode(bytes([0xFF])).decode()}"),
        ("Authorization", ""),
        ("Cookie", f"leafgate_mlflow_5000={TOKEN}"),
        ("Cookie", "leafgate_mlflow_5000="),
        ("Cookie", ";;=;leafgate_mlflow_5000"),
    ],
)
def test_anything_else_opens_nothing(header: tuple[str, str]) -> None:
    answer = ask("/api/2.0/mlflow/runs/search", [header], "POST")
    assert (answer.status, answer.reached) == (401, False)


def test_a_refusal_says_what_to_set_and_asks_for_no_password_of_the_browser() -> None:
    answer = ask("/api/2.0/mlflow/runs/search")
    assert b"MLFLOW_TRACKING_TOKEN" in answer.body
    assert answer.headers["www-authenticate"].startswith("Bearer")
    page = ask("/", [("Accept", "text/html,*/*;q=0.8")])
    assert page.status == 401
    assert b"<form" in page.body
    assert page.headers["x-frame-options"] == "DENY"


def test_the_link_gives_a_cookie_and_leads_away_from_the_token() -> None:
    answer = ask("/sign-in", query=f"token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "./")
    made = answer.headers["set-cookie"]
    assert TOKEN not in made
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {each.strip() for each in made.split(";")}
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert ask("/", [cookie()]).reached
    assert "Secure" in ask("/sign-in", query=f"token={TOKEN}", scheme="https").headers["set-cookie"]


def test_the_form_does_too() -> None:
    answer = ask("/sign-in", method="POST", body=f"token={TOKEN}+".encode())
    assert (answer.status, answer.headers["location"]) == (303, "./")


@pytest.mark.parametrize(
    "query", ["", "token=", "token=x", "token", f"x={TOKEN}", "token=%ff", "&" * 50 + "a=b" * 9]
)
def test_a_wrong_link_gives_none(query: str) -> None:
    for answer in (
        ask("/sign-in", query=query),
        ask("/sign-in", method="POST", body=query.encode()),
    ):
        assert answer.status == 401
        assert "set-cookie" not in answer.headers


def test_a_form_that_is_too_long_is_refused() -> None:
    long = f"token={TOKEN}&" + "x=1&" * MAX_FORM_BYTES
    assert ask("/sign-in", query=long).status == 401
    assert ask("/sign-in", method="POST", body=long.encode()).status == 401


SAME = ("Sec-Fetch-Site", "same-origin")
NONE = ("Sec-Fetch-Site", "none")
ELSEWHERE = ("Sec-Fetch-Site", "cross-site")
OTHER_PORT = ("Sec-Fetch-Site", "same-site")
NAVIGATE = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
FRAME = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", [SAME]),
        ("POST", [SAME, ("Origin", f"http://{HOST}")]),
        ("GET", [NONE, *NAVIGATE]),
        ("GET", [ELSEWHERE, *NAVIGATE]),  # a link followed to a page of MLflow
        ("GET", [OTHER_PORT, *NAVIGATE]),
        ("POST", [("Origin", f"http://{HOST}")]),  # a browser that tells no more than that
        ("POST", []),  # a program
    ],
)
def test_what_pages_of_mlflow_and_links_to_them_send_is_passed_on(
    method: str, headers: Headers
) -> None:
    assert ask("/ajax-api/2.0/mlflow/runs/delete", [cookie(), *headers], method).reached


@pytest.mark.parametrize("signed_in", [cookie(), bearer(TOKEN), basic("leafgate", TOKEN)])
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", [ELSEWHERE]),
        ("GET", [ELSEWHERE]),
        ("GET", [OTHER_PORT]),
        ("POST", [OTHER_PORT, *NAVIGATE]),  # a form of another local port
        ("POST", [ELSEWHERE, *NAVIGATE]),
        ("GET", [ELSEWHERE, *FRAME]),
        ("GET", [("Sec-Fetch-Site", "whatever")]),
        ("POST", [("Origin", "http://127.0.0.1:9999")]),
        ("GET", [("Origin", "http://localhost:5000")]),
        ("POST", [("Origin", "null")]),
        ("POST", [("Origin", f"http://{HOST}.evil.example")]),
    ],
)
def test_what_another_website_sends_with_our_sign_in_is_refused(
    method: str, headers: Headers, signed_in: tuple[str, str]
) -> None:
    answer = ask("/ajax-api/2.0/mlflow/runs/delete", [signed_in, *headers], method)
    assert (answer.status, answer.reached) == (403, False)


def test_the_token_is_made_once_for_its_owner_alone(settings: Settings) -> None:
    token = mlflow_token(settings)
    assert len(token) >= 32
    assert mlflow_token(settings) == token
    assert stat.S_IMODE(token_file(settings).stat().st_mode) == 0o600
    assert sign_in_link(settings) == f"http://{HOST}/sign-in?token={quote(token)}"


@pytest.mark.parametrize("content", ["", "short\n", "two words " * 8, "ü" * 40])
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(
    settings: Settings, content: str
) -> None:
    mlflow_token(settings)
    token_file(settings).write_text(content)
    with pytest.raises(UserError, match="no usable token"):
        mlflow_token(settings)


@pytest.mark.parametrize(
    ("host", "asked", "answered"),
    [
        ("127.0.0.1", "127.0.0.1:5000", True),
        ("127.0.0.1", "localhost:7000", True),  # by a tunnel
        ("127.0.0.1", "[::1]:5000", True),
        ("127.0.0.1", "evil.example:5000", False),
        ("127.0.0.1", "10.evil.example", False),  # MLflow's own pattern for 10.0.0.0/8 takes it
        ("127.0.0.1", "127.0.0.1.evil.example:5000", False),
        ("0.0.0.0", "192.168.1.5:5000", True),
        ("0.0.0.0", "evil.example:5000", False),
        ("::1", "[::1]:5000", True),
        ("127.0.0.1", "[::1]", True),
        ("fd12::5", "[fd12::5]:5000", True),
        ("FD12:0::5", "[fd12::5]:5000", True),
        ("fd12::5", "f:5000", False),  # what a bracket would match as a class of characters
        ("::", "[fd00::9]:5000", True),
    ],
)
def test_only_names_of_this_machine_are_answered(
    settings: Settings, host: str, asked: str, answered: bool
) -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    hosts = allowed_hosts(settings.model_copy(update={"host": host}))
    assert is_allowed_host_header(hosts, asked) is answered
