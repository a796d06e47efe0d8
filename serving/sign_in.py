"""Name and password for a user, slowly for those who guess.

Argon2 takes a core and 64 MiB for a moment, so at most two are checked at a time, off the event
loop. Networks take turns, and users who have been here before go first. How often a password may be
guessed: `serving.login_throttle`.
"""

from typing import Any

from leafgate.errors import UserError
from serving.counts import Counts
from serving.fair_queue import FairQueue, QueueFull
from serving.login_throttle import Attempt, LoginThrottle
from serving.passwords import password_fits
from serving.refusals import TryLater
from sql import User, answering, find_user

AT_A_TIME = 2
MAX_WAITING = 64  # of each rank
BUSY_SECONDS = 2
KNOWN_DEVICE, KNOWN_ADDRESS, STRANGER = range(3)  # ranks: the first goes first


class SignIn:
    """Who signs in. database: a SQLAlchemy engine. Close it in the end."""

    def __init__(self, database: Any, counts: Counts) -> None:  # noqa: ANN401
        self.database = database
        self.throttle = LoginThrottle(counts)
        self._queue = FairQueue("sign-in", AT_A_TIME, MAX_WAITING, ranks=3)

    def rank(self, attempt: Attempt) -> int:
        """Whether the client has the user's cookie, else is where the user was before, or not."""
        if self.throttle.is_known_device(attempt):
            return KNOWN_DEVICE
        return KNOWN_ADDRESS if self.throttle.is_known_address(attempt) else STRANGER

    def limit_key(self, attempt: Attempt) -> str:
        """What sign-ins are limited by: the user at this address where they are known, else the
        address.
        """
        rank = self.rank(attempt)
        if rank == STRANGER:
            return f"address:{attempt.address}"
        return f"{'device' if rank == KNOWN_DEVICE else 'known'} {attempt.pair_key}"

    async def user(self, attempt: Attempt, password: str) -> User:
        """The user. Raises UserError `bad_credentials`, `sign_in_slowed` or `sign_in_busy`."""
        _require_no_wait(self.throttle.wait_seconds(attempt))
        try:
            return await self._queue.run(
                self.rank(attempt), attempt.address, self._check, attempt, password
            )
        except QueueFull:
            problem, fix = "too many are signing in", "try again"
            raise TryLater(problem, fix, "sign_in_busy", BUSY_SECONDS) from None

    def close(self) -> None:
        """Check no further password."""
        self._queue.close()

    def _check(self, attempt: Attempt, password: str) -> User:
        with answering(self.database):
            user = find_user(self.database, attempt.name)
        # Others may have failed while this one waited.
        _require_no_wait(self.throttle.begin(attempt))
        fits = password_fits(password, user.password_hash if user else None)
        if user is None or not fits or user.disabled:
            self.throttle.failed(attempt)
            fix = "check both; `leafgate users add` makes a user"
            raise UserError("wrong user name or password", fix, code="bad_credentials")
        self.throttle.succeeded(attempt)
        return user


def _require_no_wait(seconds: int) -> None:
    if seconds > 0:
        fix = "wait as long as Retry-After says"
        raise TryLater("too many failed sign-ins", fix, "sign_in_slowed", seconds)
