"""Security headers on every answer, and the cookie by which a browser is known again.

Once, here: a proxy in front passes them on.
"""

import base64
import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.web.sessions import BROWSER_COOKIE

COOKIE_SECONDS = 400 * 24 * 3600  # as long as browsers keep one
COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def content_policy(page: str) -> str:
    """The Content-Security-Policy of a page: everything from the dashboard itself, no inline script
    but those that `page` has. Streamlit writes its styles inline.
    """
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in INLINE_SCRIPT.findall(page)
    ]
    inline = " ".join(f"'sha256-{each}'" for each in hashes)
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'wasm-unsafe-eval' {inline}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",  # a photo is fetched from its own data
            "worker-src 'self' blob:",
            "object-src 'none'",
            "frame-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _index_page() -> str:
    return (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")


def browser_of(headers: Headers) -> str:
    """The browser's cookie; empty where it has none of ours."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = cookies.get(BROWSER_COOKIE)
    return found.value if found and COOKIE_VALUE.fullmatch(found.value) else ""


class SecurityHeaders:
    """Middleware that sets them, in place of what the application set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": content_policy(_index_page()),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to its answer."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        needs_cookie = (
            scope["type"] == "http"
            and not scope["path"].startswith("/static/")
            and not browser_of(Headers(scope=scope))
        )

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if needs_cookie:
                    headers.append("Set-Cookie", _cookie(scope["scheme"] == "https"))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _cookie(secure: bool) -> str:
    parts = [
        f"{BROWSER_COOKIE}={secrets.token_urlsafe(32)}",
        f"Max-Age={COOKIE_SECONDS}",
        "Path=/",
        "HttpOnly",
        "SameSite=Lax",
        *(["Secure"] if secure else []),
    ]
    return "; ".join(parts)
