"""Sign-in in front of MLflow's server: an ASGI middleware that refuses every path but /health.

One secret opens it. Programs send it as MLflow's own client does (MLFLOW_TRACKING_TOKEN, or
MLFLOW_TRACKING_USERNAME `leafgate` and the token as MLFLOW_TRACKING_PASSWORD). A browser gets a
cookie for it, by a link or a form; the link's answer is a redirect, so that the token stays out of
the address bar and of the `Referer` of later requests.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from leafgate.strict_json import dump_json
from registry.mlflow_token import SIGN_IN_PATH

USER = "leafgate"
OPEN_PATHS = ("/health",)
MAX_FORM_BYTES = 4096
SCRIPT = "document.forms[0].action += location.hash"  # MLflow's pages are told apart by fragments
SCRIPT_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in to MLflow</title>
<style>body{{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}}
input,button{{font:inherit;padding:.3em}}</style>
<h1>Sign in to MLflow</h1>
<p>Open the link that <code>leafgate mlflow</code> or <code>leafgate demo</code> printed, or enter
the token. It is also in the file <code>mlflow.token</code> of LeafGate's state folder
(<code>var/</code>).</p>
<form method="post" action="{SIGN_IN_PATH}">
<label>Token <input name="token" type="password" autocomplete="current-password" required></label>
<button>Sign in</button></form>
<script>{SCRIPT}</script>
</html>
"""
PAGE_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    f"script-src 'sha256-{SCRIPT_HASH}'; frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
}
COMMON_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
MESSAGE = (
    "no valid sign-in; set MLFLOW_TRACKING_TOKEN to the token that `leafgate mlflow` prints "
    "(file mlflow.token of its state folder)"
)
FOREIGN = "requests from other websites are refused"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class RequireToken:
    """`app`, an ASGI app, for those who have the token.

    port: where it listens; browsers share cookies among the ports of a host, so the cookie's name
    has it.
    """

    def __init__(self, app: AsgiApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._cookie_name = f"leafgate_mlflow_{port}"
        # Not the token itself: what a browser stores does not open the API to programs elsewhere.
        self._cookie = hmac.new(self._token, b"browser session", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is signed in; answer everything else here, without reading its body."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":  # MLflow has no WebSocket
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"] in OPEN_PATHS and scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        else:
            await self._checked(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if is_foreign(scope["method"], headers):
            await _json(send, 403, "PERMISSION_DENIED", FOREIGN)
        elif scope["path"] == SIGN_IN_PATH:
            await self._sign_in(scope, receive, send)
        elif self._is_signed_in(headers):
            await self._app(scope, receive, send)
        elif "text/html" in headers.get("accept", ""):
            await _page(send)
        else:
            await _json(send, 401, "UNAUTHENTICATED", MESSAGE)

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the cookie for the token, by a link (GET) or the form (POST)."""
        if scope["method"] == "GET":
            query = scope.get("query_string", b"")
        elif scope["method"] == "POST":
            query = await _body(receive, MAX_FORM_BYTES)
        else:
            await _json(send, 405, "INVALID_PARAMETER_VALUE", "only GET and POST")
            return
        fields = parse_qs(query.decode("latin-1")) if len(query) <= MAX_FORM_BYTES else {}
        if not self._is_token(fields.get("token", [""])[0].strip()):
            await _page(send)
            return
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{self._cookie_name}={self._cookie}; Path=/; HttpOnly; SameSite=Lax{secure}"
        await _answer(send, 303, b"", {"location": "./", "set-cookie": cookie})

    def _is_signed_in(self, headers: Mapping[str, str]) -> bool:
        if "authorization" in headers:
            return self._is_token(_password(headers["authorization"]))
        cookies = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return any(
            name == self._cookie_name and _same(value.encode("latin-1"), self._cookie.encode())
            for name, _, value in cookies
        )

    def _is_token(self, text: str) -> bool:
        return _same(text.encode("utf-8", "replace"), self._token)


def is_foreign(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser sends this for another website: one elsewhere, or at another local port.

    Following a link to a page here is allowed; reading or changing anything from there is not.
    https://www.w3.org/TR/fetch-metadata/
    """
    site = headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return False
    if site is not None:
        opens_a_page = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
            "navigate",
            "document",
        )
        return not (opens_a_page and method in ("GET", "HEAD"))
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _headers(scope: Scope) -> dict[str, str]:
    """By lower-case name; of several with one name the values are joined, as HTTP has it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{separator}{value}" if name in found else value
    return found


def _password(authorization: str) -> str:
    """The secret of a `Bearer` or `Basic` header; empty where there is none, or another user's."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if user == USER else ""


def _same(one: bytes, other: bytes) -> bool:
    """Compare in a time that depends on neither."""
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())


async def _body(receive: Receive, limit: int) -> bytes:
    """The body; empty where it is longer than `limit` bytes."""
    found, more = b"", True
    while more and len(found) <= limit:
        message = await receive()
        found += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return found if len(found) <= limit else b""


async def _page(send: Send) -> None:
    await _answer(send, 401, PAGE.encode(), PAGE_HEADERS)


async def _json(send: Send, status: int, code: str, message: str) -> None:
    """Answer as MLflow's API does, so that its client shows the message."""
    body = dump_json({"error_code": code, "message": message}).encode()
    await _answer(send, status, body, {"content-type": "application/json"})


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    # Bearer, not Basic: browsers send a Basic password from then on for every website that asks.
    demand = {"www-authenticate": 'Bearer realm="MLflow"'} if status == 401 else {}
    length = {"content-length": str(len(body))}
    named = {**COMMON_HEADERS, **demand, **headers, **length}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
