"""Which sessions there are, whose browser each belongs to, and who is signed in.

The pages run in Streamlit's threads and know the user; the web server sees requests and knows the
browser. Both write here what they know, so that the server can refuse an upload, a file or a
connection without running a page.

A browser is known by a random cookie, a connection by a random number that the server adds to its
WebSocket handshake. A session belongs to the browser that opened it, for good.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from leafgate.errors import UserError

BROWSER_COOKIE = "leafgate_browser"
CONNECTION_HEADER = "x-leafgate-connection"
RESUME_SECONDS = 120  # for which a session without a connection is kept (Streamlit's default)
MAX_SESSIONS_OF_A_USER = 32
MAX_CONNECTIONS = 1000
MAX_ANONYMOUS = 256  # connections without a sign-in
MAX_ANONYMOUS_OF_AN_ADDRESS = 32


@dataclass(frozen=True)
class Visitor:
    """A signed-in user, as far as the web server needs to know. ends_at: in epoch seconds."""

    name: str
    may_upload: bool
    ends_at: float

    @property
    def is_over(self) -> bool:
        """Whether the token has expired."""
        return time.time() >= self.ends_at


@dataclass
class Session:
    """One browser tab. visitor: None until somebody signs in; closed_at: monotonic."""

    browser: str
    connection: str
    visitor: Visitor | None = None
    closed_at: float | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether its token is still good, as far as its own time says."""
        return self.visitor is not None and not self.visitor.is_over


class Sessions:
    """All sessions of this process; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._addresses: dict[str, str] = {}  # by connection

    def record(
        self, session_id: str, browser: str, connection: str, visitor: Visitor | None
    ) -> None:
        """Note what a page run knows. Raises UserError where the user has too many sessions."""
        with self._lock:
            session = self._sessions.setdefault(session_id, Session(browser, connection))
            if visitor is not None and session.visitor is None:
                self._require_room(visitor.name)
            session.connection, session.visitor = connection, visitor
            is_open = connection in self._addresses
            session.closed_at = None if is_open else time.monotonic()

    def sign_out(self, session_id: str) -> None:
        """Nobody is signed in there any longer."""
        with self._lock:
            if session_id in self._sessions:
                self._sessions[session_id].visitor = None

    def open(self, connection: str, address: str) -> bool:
        """Note a new connection; False, and no note of it, where there are too many."""
        with self._lock:
            anonymous = self._anonymous()
            of_address = sum(self._addresses[each] == address for each in anonymous)
            if (
                len(self._addresses) >= MAX_CONNECTIONS
                or len(anonymous) >= MAX_ANONYMOUS
                or of_address >= MAX_ANONYMOUS_OF_AN_ADDRESS
            ):
                return False
            self._addresses[connection] = address
            return True

    def close(self, connection: str) -> str | None:
        """Note the end of a connection; the id of its session, where no one is signed in there."""
        with self._lock:
            self._addresses.pop(connection, None)
            on_it = (key for key, each in self._sessions.items() if each.connection == connection)
            session_id = next(on_it, None)
            if session_id is None:
                return None
            if self._sessions[session_id].is_signed_in:
                self._sessions[session_id].closed_at = time.monotonic()
                return None
            del self._sessions[session_id]
            return session_id

    def may_upload(self, session_id: str, browser: str) -> bool:
        """Whether the browser may send files to the session: it is its own, and signed in with the
        scope that a page with uploads needs.
        """
        with self._lock:
            session = self._sessions.get(session_id)
            return (
                session is not None
                and session.browser == browser != ""
                and session.visitor is not None
                and session.is_signed_in
                and session.visitor.may_upload
            )

    def may_resume(self, session_id: str, browser: str) -> bool:
        """Whether the browser may go on with a session that it names: it opened it."""
        with self._lock:
            session = self._sessions.get(session_id)
            return session is not None and session.browser == browser != ""

    def is_signed_in(self, connection: str) -> bool:
        """Whether the session on the connection is signed in."""
        with self._lock:
            return connection not in self._anonymous()

    def has_signed_in(self, browser: str) -> bool:
        """Whether any session of the browser is signed in."""
        with self._lock:
            return browser != "" and any(
                each.browser == browser and each.is_signed_in for each in self._sessions.values()
            )

    def forget(self) -> list[str]:
        """Drop sessions that can no longer be resumed; the ids of these, and of all without a
        sign-in, whose files may go.
        """
        with self._lock:
            oldest = time.monotonic() - RESUME_SECONDS
            ended = [
                session_id
                for session_id, each in self._sessions.items()
                if each.closed_at is not None and each.closed_at < oldest
            ]
            without = [key for key, each in self._sessions.items() if not each.is_signed_in]
            for session_id in ended:
                del self._sessions[session_id]
            return list({*ended, *without})

    def _anonymous(self) -> set[str]:
        signed_in = {each.connection for each in self._sessions.values() if each.is_signed_in}
        return self._addresses.keys() - signed_in

    def _require_room(self, name: str) -> None:
        users = Counter(
            each.visitor.name
            for each in self._sessions.values()
            if each.visitor is not None and each.is_signed_in
        )
        if users[name] >= MAX_SESSIONS_OF_A_USER:
            raise UserError(
                f"{name} is signed in in {users[name]} browser tabs already",
                "sign out in one of them, or close it and wait two minutes",
                code="too_many_sessions",
            )


@lru_cache(maxsize=1)
def sessions() -> Sessions:
    """Those of this process."""
    return Sessions()
