"""Headers that keep browsers from doing more with an answer than it is for."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# An answer is data: no page may embed it, and what a browser takes for a page may load nothing.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """ASGI middleware: adds them where the answer does not set its own; HSTS over TLS alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wanted = (*SECURITY_HEADERS, HSTS) if scope["scheme"] == "https" else SECURITY_HEADERS

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                own = {name for name, _ in headers}
                message["headers"] = [*headers, *(pair for pair in wanted if pair[0] not in own)]
            await send(message)

        await self.app(scope, receive, with_headers)
