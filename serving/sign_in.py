"""Name and password for a user, slowly for who guesses.

Argon2 takes a core and 64 MiB for a moment, so at most two are checked at a time, off the event
loop. Failures are counted where the limits are: by name and address, where waits double up to five
minutes, and by name alone, where they stay short and spare the addresses that the user has signed
in from before, so that nobody can lock somebody else out.
"""

import asyncio
import hashlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from leafgate.errors import UserError
from serving.counts import Counts
from serving.passwords import password_fits
from serving.refusals import TryLater
from sql import User, answering, find_user

AT_A_TIME = 2
MOST_WAITING = 64
MEMORY_SECONDS = 3600
KNOWN_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Pace:
    """From which failure in an hour on it is waited, and for how long at most."""

    failures: int
    most_seconds: int

    def wait_seconds(self, failures: int) -> int:
        """1, 2, 4 … seconds; 0 while there are too few failures."""
        over = failures - self.failures
        return min(self.most_seconds, 2 ** min(over, 30)) if over >= 0 else 0


BY_NAME_AND_ADDRESS = Pace(failures=5, most_seconds=300)
BY_NAME = Pace(failures=30, most_seconds=8)


class Brake:
    """Counts failures, and says how long to wait."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def wait_seconds(self, name: str, address: str) -> int:
        """How long this name must not be tried from this address; 0: it may."""
        paired, alone, known = _keys(name, address)
        keys = [paired] if self.counts.get(known) else [paired, alone]
        return max(self._wait(f"{key}:wait") for key in keys)

    def failed(self, name: str, address: str) -> None:
        """Count a failure, and begin the wait that it earns."""
        paired, alone, _ = _keys(name, address)
        for key, pace in ((paired, BY_NAME_AND_ADDRESS), (alone, BY_NAME)):
            wait = pace.wait_seconds(self.counts.incr(f"{key}:failures", MEMORY_SECONDS))
            if wait:
                self.counts.incr(f"{key}:wait", wait)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures from this address; those from elsewhere stay, since the user's own
        sign-ins must not clear the way for who is guessing.
        """
        paired, _, known = _keys(name, address)
        self.counts.clear(f"{paired}:failures")
        self.counts.clear(known)
        self.counts.incr(known, KNOWN_SECONDS)

    def _wait(self, key: str) -> int:
        if not self.counts.get(key):
            return 0
        return math.ceil(self.counts.get_expiry(key) - time.time())


class SignIn:
    """Who signs in. database: a SQLAlchemy engine. Close it in the end."""

    def __init__(self, database: Any, counts: Counts) -> None:  # noqa: ANN401
        self.database = database
        self.brake = Brake(counts)
        self._threads = ThreadPoolExecutor(AT_A_TIME, "sign-in")
        self._waiting = 0

    async def user(self, name: str, password: str, address: str) -> User:
        """The user. Raises UserError `bad_credentials`, `sign_in_slowed` or `sign_in_busy`."""
        self._require_patience(name, address)
        if self._waiting >= MOST_WAITING:
            raise TryLater("too many are signing in", "try again", "sign_in_busy", 2)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._check, name, password, address)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Check no further password."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, name: str, password: str, address: str) -> User:
        self._require_patience(name, address)  # others may have failed while this one waited
        with answering(self.database):
            user = find_user(self.database, name)
        fits = password_fits(password, user.password_hash if user else None)
        if user is None or not fits or user.disabled:
            self.brake.failed(name, address)
            fix = "check both; `leafgate users add` makes a user"
            raise UserError("wrong user name or password", fix, code="bad_credentials")
        self.brake.succeeded(name, address)
        return user

    def _require_patience(self, name: str, address: str) -> None:
        wait = self.brake.wait_seconds(name, address)
        if wait > 0:
            fix = "wait as long as Retry-After says"
            raise TryLater("too many failed sign-ins", fix, "sign_in_slowed", wait)


def _keys(name: str, address: str) -> tuple[str, str, str]:
    """Of name and address, of the name, and of whether this address is one of the user's.

    As a database may compare names: without regard to case and to blanks at the end.
    """
    spelt = name.strip().casefold()
    paired = hashlib.sha256(f"{spelt}\0{address}".encode(errors="replace")).hexdigest()[:32]
    alone = hashlib.sha256(spelt.encode(errors="replace")).hexdigest()[:32]
    return f"sign-in:{paired}", f"sign-in:{alone}", f"sign-in:{paired}:known"
