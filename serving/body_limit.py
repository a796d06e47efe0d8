"""How much a request may send: refused by its announced length, or as soon as it exceeds it.

FastAPI's own `max_body_size` stands outside all middleware: its refusals have no request id, no
problem document and no row in the log.
"""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.facts import Facts
from serving.problems import send_problem

OTHER_PATHS = "*"


class BodyLimit:
    """ASGI middleware: 413 for a body of more bytes than its path takes, before it is read or kept.

    most: by path; `OTHER_PATHS` for every other one.
    """

    def __init__(self, app: ASGIApp, most: Mapping[str, int]) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.most.get(scope["path"], self.most[OTHER_PATHS])
        announced = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if announced.isdigit() and int(announced) > most:
            await self._refuse(scope["state"]["facts"], send, int(announced), most)
            return
        await self.app(scope, self._counted(receive, most), send)

    def _counted(self, receive: Receive, most: int) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, f"the body is larger than {most:,} bytes")
            return message

        return counted

    async def _refuse(self, facts: Facts, send: Send, announced: int, most: int) -> None:
        detail = f"the body has {announced:,} bytes"
        fix = f"send at most {most:,}"
        await send_problem(send, facts, 413, "body_too_large", detail, fix)
