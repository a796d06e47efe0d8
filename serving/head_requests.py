"""HEAD is answered as GET is, without the body (RFC 9110): for probes and `curl -I`.

Where GET makes pictures, HEAD is refused: it would do that work to throw the result away.
"""

from collections.abc import Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COSTLY = frozenset(("/generate",))


def takes_head(methods: Collection[str], path: str) -> bool:
    """Whether HEAD is answered where these methods are."""
    return "GET" in methods and path not in COSTLY


def asked_method(request: Request) -> str:
    """The method as it came."""
    return str(getattr(request.state, "asked_method", request.method))


class HeadAsGet:
    """ASGI middleware, the innermost: routes see GET, everything around them sees HEAD.

    The server leaves out the body of an answer to HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"] in COSTLY:
            await self.app(scope, receive, send)
            return

        async def send_as_head(message: Message) -> None:
            scope["method"] = "HEAD"
            await send(message)

        scope["state"]["asked_method"], scope["method"] = "HEAD", "GET"
        try:
            await self.app(scope, receive, send_as_head)
        finally:
            scope["method"] = "HEAD"
