"""Which tokens are refused before their time, as this process knows it.

The database decides; a thread reads it every `revocation_poll_seconds`, so that a request only
looks into memory. While the database is away, what was known last stays in force; while nothing is
known yet, no token is good.

A token of our own must belong to a user that there is, and must have been issued after that user
was added. A user whom this process does not know yet, since another has just let them in, is
looked up once. An identity provider's users are not ours to know.
"""

import asyncio
import logging
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from leafgate.errors import UserError
from serving.refusals import TryLater
from serving.token_claims import SIGN_IN, Claims
from sql import (
    KnownUsers,
    Revoked,
    User,
    answering,
    deleted_key,
    load_revoked,
    load_users,
    revoke_token,
    user_created,
)

log = logging.getLogger(__name__)

READ_ALL_SECONDS = 60.0  # how often users are read though nothing seems to have changed
LOOK_UP_SECONDS = 2.0
LOOK_UPS_AT_A_TIME = 2
STORE_SECONDS = 3.0
MAX_UNSTORED = 10_000


@dataclass(frozen=True)
class Seen:
    """What was found of a user after the last reading. created: None: there is no such user."""

    created: float | None
    at: float


@dataclass(frozen=True)
class Unstored:
    """A revocation that this process obeys and the database does not have yet."""

    expires_at: float
    by: str


class Revocations:
    """The view of one process. Start it before the first request, and stop it in the end.

    database: a SQLAlchemy engine; own_users: whether tokens are issued here, for its users.
    """

    def __init__(self, database: Any, poll_seconds: float, own_users: bool = True) -> None:  # noqa: ANN401
        self.database = database
        self.poll_seconds = poll_seconds
        self.own_users = own_users
        self._revoked: Revoked | None = None
        self._users = KnownUsers()
        self._read_all_at = -math.inf
        self._seen: dict[str, Seen] = {}
        self._looking: dict[str, asyncio.Future[float | None]] = {}
        self._unstored: dict[str, Unstored] = {}
        self._away = False
        self._reading = threading.Lock()
        self._stopping = threading.Event()
        self._lookups = ThreadPoolExecutor(LOOK_UPS_AT_A_TIME, "users")
        self._writer = ThreadPoolExecutor(1, "revoking")
        self._writing: Future[None] | None = None
        self._thread = threading.Thread(target=self._follow, name="revocations", daemon=True)

    def start(self) -> None:
        """Read once, then follow. Until a reading has succeeded no token is good."""
        self._try_to_refresh()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self._writer.shutdown(wait=False, cancel_futures=True)

    def refresh(self) -> None:
        """Read now; what this process has just revoked is then refused by it at once."""
        with self._reading:  # so that what is read later is kept last
            began = time.monotonic()
            revoked = load_revoked(self.database)
            if self.own_users:
                self._read_users(began)
            self._revoked = revoked

    def require_valid(self, claims: Claims) -> None:
        """Raises UserError `token_revoked` for a token that is refused, `database_away` where
        that has not been known since the start. Whether there is such a user: `require_user`.
        """
        revoked = self._revoked
        if revoked is None:
            problem = "the database does not answer: it is not known which tokens are revoked"
            raise TryLater(problem, "try again in a moment", "database_away")
        if claims.subject in revoked.disabled:
            fix = "ask whoever runs this service to enable the user"
            raise UserError(f"the user {claims.subject} is disabled", fix, code="token_revoked")
        until = revoked.until.get(claims.subject, -1.0)
        if self.own_users and revoked.deleted:
            until = max(until, revoked.deleted.get(deleted_key(claims.subject), -1.0))
        if (
            claims.token_id in revoked.tokens
            or claims.token_id in self._unstored
            or until >= claims.order
        ):
            raise UserError("the token has been revoked", SIGN_IN, code="token_revoked")

    async def require_user(self, claims: Claims) -> None:
        """Raises UserError `token_revoked` for a token of ours whose user is gone, or has been
        added since it was issued; `database_away` where that cannot be said.
        """
        if not self.own_users:
            return
        created = self._users.created.get(claims.subject)
        if created is None:
            seen = self._seen.get(claims.subject)
            created = seen.created if seen else await self._look_up(claims.subject)
        if created is None:
            fix = "ask for an account on this service"
            raise UserError(f"there is no user {claims.subject}", fix, code="token_revoked")
        if _is_older(claims, created):
            problem = f"the token was issued before the user {claims.subject} was added"
            raise UserError(problem, SIGN_IN, code="token_revoked")

    def saw(self, user: User) -> None:
        """Know a user who has just signed in, before the next reading."""
        self._seen[user.name] = Seen(user.created_at, time.monotonic())

    async def revoke(self, token_id: str, expires_at: float, by: str) -> None:
        """Refuse a token from now on; returns once every other process can know.

        Raises UserError `database_away` or `database_refuses` where that cannot be stored now: this
        process refuses the token all the same, and stores it as soon as it can.
        """
        if len(self._unstored) >= MAX_UNSTORED:
            problem = "the database has not answered for a long time"
            raise TryLater(problem, "try again once it does", "database_away")
        self._unstored[token_id] = Unstored(expires_at, by)
        stored = asyncio.wrap_future(self._writer.submit(self._store))
        try:
            await asyncio.wait_for(asyncio.shield(stored), STORE_SECONDS)
        except (TimeoutError, UserError) as error:
            stored.add_done_callback(_forget)
            if isinstance(error, UserError) and error.code != "database_away":
                raise
            raise TryLater(
                "the token is refused here from now on, but the database does not answer, so "
                "other processes do not know yet",
                "ask again until it is stored; this process tries as well while it runs",
                "database_away",
            ) from None

    def _read_users(self, began: float) -> None:
        """All of them where something has changed, or every minute to be sure."""
        due = began - self._read_all_at >= READ_ALL_SECONDS
        self._users = load_users(self.database, None if due else self._users)
        if due:
            self._read_all_at = began
        for name, seen in list(self._seen.items()):
            if seen.at < began:  # this reading knows better
                self._seen.pop(name, None)

    async def _look_up(self, name: str) -> float | None:
        """When the user was added; requests that ask meanwhile share the answer."""
        looking = self._looking.get(name)
        if looking is None:
            loop = asyncio.get_running_loop()
            looking = loop.run_in_executor(self._lookups, user_created, self.database, name)
            self._looking[name] = looking
            looking.add_done_callback(lambda _: self._looking.pop(name, None))
            looking.add_done_callback(_forget)
        began = time.monotonic()
        try:
            created = await asyncio.wait_for(asyncio.shield(looking), LOOK_UP_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever a database that is away may raise
            log.warning("revocations: a user cannot be looked up (%r)", error)
            problem = "the database does not answer: it is not known whether there is such a user"
            raise TryLater(problem, "try again in a moment", "database_away") from None
        self._seen[name] = Seen(created, began)
        return created

    def _store(self) -> None:
        """Bring what is not stored yet into the database."""
        for token_id, each in list(self._unstored.items()):
            try:
                with answering(self.database):
                    revoke_token(self.database, token_id, each.expires_at, each.by)
                    self.refresh()
            except UserError:
                raise  # it is tried again
            except Exception:
                del self._unstored[token_id]  # never to be stored; it must not block the others
                raise
            del self._unstored[token_id]

    def _follow(self) -> None:
        while not self._stopping.wait(self.poll_seconds):
            self._try_to_refresh()
            if self._unstored and not self._away and not self._stopping.is_set():
                self._store_again()

    def _store_again(self) -> None:
        """In its own thread: a database that is locked for writing can still be read."""
        if self._writing is None or self._writing.done():
            self._writing = self._writer.submit(self._store)
            self._writing.add_done_callback(_forget)

    def _try_to_refresh(self) -> None:
        try:
            self.refresh()
            self._away = False
        except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
            if not self._away:
                log.warning("revocations: kept as they were, the database is away (%s)", error)
            self._away = True


def _is_older(claims: Claims, created: float) -> bool:
    """Whether a token was issued to another user of this name, before this one was added."""
    whole = claims.order == math.floor(claims.order)  # some issuers know no more
    return claims.order < (math.floor(created) if whole else created)


def _forget(done: Any) -> None:  # noqa: ANN401 - a future of either kind
    """Take note of an error that nobody waits for."""
    if not done.cancelled():
        done.exception()
