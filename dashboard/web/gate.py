"""What the web server answers, by path: Streamlit's own endpoints only where the dashboard needs
them, files only to browsers that are signed in.
"""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from dashboard.web.connections import MAX_HEAD_BYTES
from dashboard.web.headers import browser_of
from dashboard.web.sessions import Sessions

HEALTH, HOST_CONFIG = "/_stcore/health", "/_stcore/host-config"
UPLOAD, MEDIA = "/_stcore/upload_file/", "/media/"
CLOSED = ("/_stcore", "/component", "/auth", "/oauth2callback", "/app/static")
READING = ("GET", "HEAD", "OPTIONS")
ENVELOPE_BYTES = 2**20  # of multipart around a file; Streamlit allows as much
MAX_FILES = 1000  # of a session; the page takes 500 at a time
IDLE_SECONDS, LONGEST_SECONDS = 20.0, 600.0  # of an upload


class Gate:
    """Middleware that refuses what has no business here.

    max_file_bytes: of one uploaded file; session_bytes, all_bytes: of the files that one session
    and all together hold, those on their way included.
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        max_file_bytes: int,
        session_bytes: int,
        all_bytes: int,
    ) -> None:
        self._app, self._sessions = app, sessions
        self._max_file_bytes = max_file_bytes
        self._session_bytes, self._all_bytes = session_bytes, all_bytes
        self._under_way: dict[str, list[int]] = {}  # announced sizes by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by path and method."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if head_bytes(scope) > MAX_HEAD_BYTES:
            await _refuse(431, "The address and headers are too long", scope, receive, send)
        elif path.startswith(UPLOAD) and method in ("PUT", "DELETE"):
            await self._upload(scope, receive, send)
        elif path.startswith(MEDIA) and not self._sessions.has_signed_in(_browser(scope)):
            await _refuse(404, "File not found", scope, receive, send)
        elif path not in (HEALTH, HOST_CONFIG) and not path.startswith(UPLOAD) and _closed(path):
            await _refuse(404, "Not found", scope, receive, send)
        elif method not in READING:
            await _refuse(405, "This address is only read", scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a file, or forget one, for a session of this browser that is signed in."""
        session_id, _, file_id = scope["path"].removeprefix(UPLOAD).partition("/")
        if (
            not file_id
            or "/" in file_id
            or not self._sessions.may_upload(session_id, _browser(scope))
        ):
            reason = "Sign in first: files are taken from signed-in browsers, for their own session"
            await _refuse(403, reason, scope, receive, send)
            return
        if scope["method"] == "DELETE":
            await self._app(scope, receive, send)
            return
        size = Headers(scope=scope).get("content-length", "")
        if not size.isascii() or not size.isdecimal():
            await _refuse(411, "An upload says its Content-Length", scope, receive, send)
            return
        reason = self._no_room(session_id, file_id, int(size))
        if reason:
            await _refuse(413, reason, scope, receive, send)
            return
        announced = self._under_way.setdefault(session_id, [])
        announced.append(int(size))
        try:
            await self._app(scope, _within_time(receive), send)
        except TimeoutError:
            await _refuse(408, "The upload stalled; send it again", scope, receive, send)
        finally:
            announced.remove(int(size))
            if not announced:
                del self._under_way[session_id]

    def _no_room(self, session_id: str, file_id: str, size: int) -> str:
        """Why a file of that size is not taken; empty: it is."""
        if size > self._max_file_bytes + ENVELOPE_BYTES:
            return f"The file has {size:,} bytes; at most {self._max_file_bytes:,} are taken"
        stored = dict(runtime.get_instance().uploaded_file_mgr.file_storage)
        sizes = {
            key: sum(len(each.data) for each in list(files.values()))
            for key, files in stored.items()
        }
        for key, announced in self._under_way.items():
            sizes[key] = sizes.get(key, 0) + sum(announced)
        number = len(stored.get(session_id, ())) + len(self._under_way.get(session_id, ()))
        if number >= MAX_FILES and file_id not in stored.get(session_id, ()):
            return f"This session holds {number:,} files; remove some first"
        if sizes.get(session_id, 0) + size > self._session_bytes:
            return (
                f"The files of one session are at most {self._session_bytes:,} bytes together; "
                "remove some first"
            )
        if sum(sizes.values()) + size > self._all_bytes:
            return "The dashboard holds as many files as it can; try again later"
        return ""


def head_bytes(scope: Scope) -> int:
    """The size of a request's address and headers, about as they were sent."""
    address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return address + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def _closed(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in CLOSED)


def _browser(scope: Scope) -> str:
    return browser_of(Headers(scope=scope))


def _within_time(receive: Receive) -> Receive:
    """`receive`, which raises TimeoutError where a body stalls or trickles in."""
    deadline = time.monotonic() + LONGEST_SECONDS

    async def received() -> Message:
        seconds = min(IDLE_SECONDS, deadline - time.monotonic())
        return await asyncio.wait_for(receive(), max(seconds, 0))

    return received


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and end the connection: a body may be on its way, which nobody reads."""
    headers = {"Connection": "close", "Cache-Control": "no-store"}
    await PlainTextResponse(f"{reason}.", status, headers)(scope, receive, send)
