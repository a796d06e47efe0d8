"""Which tokens are refused before their time, as this process knows it.

The database decides; a thread reads it every `revocation_poll_seconds`, so that a request only
looks into memory. While the database is away, what was known last stays in force.
"""

import logging
import threading
from typing import Any

from leafgate.errors import UserError
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
        self._revoked = Revoked()
        self._reading = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="revocations", daemon=True)

    def start(self) -> None:
        """Read once, then follow. Raises the database's error where the first reading fails."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()

    def refresh(self) -> None:
        """Read now; what this process has just revoked is then refused by it at once."""
        with self._reading:  # so that what is read later is kept last
            self._revoked = load_revoked(self.database)

    def require_valid(self, claims: Claims) -> None:
        """Raises UserError `token_revoked` for a token that is refused."""
        revoked = self._revoked
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
        away = False
        while not self._stopping.wait(self.poll_seconds):
            try:
                self.refresh()
                away = False
            except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
                if not away:
                    log.warning("revocations: kept as they were, the database is away (%s)", error)
                away = True
