"""How much a request may send: refused by its announced length, or as soon as it exceeds it.

FastAPI's own `max_body_size` stands outside all middleware: its refusals have no request id, no
problem document and no row in the log.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import send_problem
from serving.state import Facts


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `most` bytes, before it is read or kept."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self.most:
            await self._refuse(scope["state"]["facts"], send, int(announced))
            return
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise HTTPException(413, f"the body is larger than {self.most:,} bytes")
            return message

        return counted

    async def _refuse(self, facts: Facts, send: Send, announced: int) -> None:
        detail = f"the body has {announced:,} bytes"
        fix = f"send at most {self.most:,}"
        await send_problem(send, facts, 413, "body_too_large", detail, fix)
