"""Which tokens are refused before their time, as this process knows it.

The database decides; a thread reads it every `revocation_poll_seconds`, so that a request only
looks into memory. While the database is away, what was known last stays in force; while nothing is
known yet, no token is good.
"""

import logging
import threading
from typing import Any

from leafgate.errors import UserError
from serving.refusals import TryLater
from serving.tokens import Claims
from sql import Revoked, load_revoked

log = logging.getLogger(__name__)


class Revocations:
    """The view of one process. Start it before the first request, and stop it in the end.

    database: a SQLAlchemy engine.
    """

    def __init__(self, database: Any, poll_seconds: float) -> None:  # noqa: ANN401
        self.database = database
        self.poll_seconds = poll_seconds
        self._revoked: Revoked | None = None
        self._away = False
        self._reading = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="revocations", daemon=True)

    def start(self) -> None:
        """Read once, then follow. Until a reading has succeeded no token is good."""
        self._try_to_refresh()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()

    def refresh(self) -> None:
        """Read now; what this process has just revoked is then refused by it at once."""
        with self._reading:  # so that what is read later is kept last
            self._revoked = load_revoked(self.database)

    def require_valid(self, claims: Claims) -> None:
        """Raises UserError `token_revoked` for a token that is refused, `database_away` where
        that has not been known since the start.
        """
        revoked = self._revoked
        if revoked is None:
            problem = "the database does not answer: it is not known which tokens are revoked"
            raise TryLater(problem, "try again in a moment", "database_away")
        if claims.subject in revoked.disabled:
            fix = "ask whoever runs this service to enable the user"
            raise UserError(f"the user {claims.subject} is disabled", fix, code="token_revoked")
        if (
            claims.token_id in revoked.tokens
            or revoked.until.get(claims.subject, -1.0) >= claims.issued_at
        ):
            fix = "sign in again at POST /token"
            raise UserError("the token has been revoked", fix, code="token_revoked")

    def _follow(self) -> None:
        while not self._stopping.wait(self.poll_seconds):
            self._try_to_refresh()

    def _try_to_refresh(self) -> None:
        try:
            self.refresh()
            self._away = False
        except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
            if not self._away:
                log.warning("revocations: kept as they were, the database is away (%s)", error)
            self._away = True
