"""How often a password may be guessed, without locking out the one who knows it.

Failures are counted by name and address, and by name alone. From some number on only one password
is checked in every few seconds: guessing becomes slow, and the right password is never refused for
longer than that. What others do counts less against a user who has been here before:

- from an address that they signed in from within 30 days, failures elsewhere do not count;
- with the cookie that an earlier sign-in left (OWASP's device cookies), no failure of others does,
  not even from the same address. Such a client has tries of its own.

Counts are kept where the limits are, under hashes.
"""

import hashlib
import math
from dataclasses import dataclass

from leafgate.unicode_forms import nfc
from serving.counts import Counts

HOUR_SECONDS, DAY_SECONDS = 3600, 24 * 3600
KNOWN_SECONDS = 30 * DAY_SECONDS
DEVICE_FAILURES = 10  # an hour; with more, the cookie no longer helps
# NIST SP 800-63B asks for no more than 100 failures of an account in a row before guessing is made
# slow or impossible. Here: one every half minute from then on, so some 3,000 a day.
DAY_FAILURES, DAY_WAIT_SECONDS = 100, 30


@dataclass(frozen=True)
class Pace:
    """From which failure in an hour on there is a wait, and for how long at most."""

    failures: int
    most_seconds: int

    def wait_seconds(self, failures: int, failures_of_the_day: int = 0) -> int:
        """1, 2, 4 … seconds; 0 while there are too few failures."""
        if failures_of_the_day >= DAY_FAILURES:
            return DAY_WAIT_SECONDS
        over = failures - self.failures
        return min(self.most_seconds, 2 ** min(over, 30)) if over >= 0 else 0


BY_NAME_AND_ADDRESS = Pace(failures=5, most_seconds=4)
BY_NAME = Pace(failures=30, most_seconds=8)


@dataclass(frozen=True)
class Attempt:
    """A sign-in as it comes. address: a network that counts as one; device: the id in a valid
    cookie for this very name, None without one.
    """

    name: str
    address: str
    device: str | None = None

    @property
    def name_key(self) -> str:
        """Of the name, as a database may compare it: whatever its case, outer blanks and Unicode
        form.
        """
        return f"sign-in:{_hash(self._spelt)}"

    @property
    def pair_key(self) -> str:
        """Of name and address."""
        return f"sign-in:{_hash(self._spelt, self.address)}"

    @property
    def device_key(self) -> str:
        """Of the client that has the cookie."""
        return f"sign-in:{_hash('device', self.device or '')}"

    @property
    def _spelt(self) -> str:
        return nfc(nfc(self.name).strip().casefold())


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


class LoginThrottle:
    """Counts failures, and says how long to wait."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def is_known_address(self, attempt: Attempt) -> bool:
        """Whether this user has signed in from there within 30 days."""
        return bool(self.counts.get(f"{attempt.pair_key}:known"))

    def is_known_device(self, attempt: Attempt) -> bool:
        """Whether the cookie helps: it was not used for too many failures."""
        if attempt.device is None:
            return False
        return self.counts.get(f"{attempt.device_key}:failures") < DEVICE_FAILURES

    def wait_seconds(self, attempt: Attempt) -> int:
        """How long no password is checked for this attempt; 0: one may be."""
        return max((self._left(key) for key, _ in self._paces(attempt)), default=0)

    def begin(self, attempt: Attempt) -> int:
        """Take the turn to have a password checked: 0, or as `wait_seconds` where another has it.

        Follow it with `failed` or `succeeded`.
        """
        if wait := self.wait_seconds(attempt):
            return wait
        for key, pace in self._paces(attempt):
            wait = self._earned(key, pace)
            if wait and self.counts.incr(f"{key}:wait", wait) > 1:
                return max(1, self._left(key))
        return 0

    def failed(self, attempt: Attempt) -> None:
        """Count a failure, and begin the wait that it earns."""
        if self.is_known_device(attempt):
            self.counts.incr(f"{attempt.device_key}:failures", HOUR_SECONDS)
            return
        for key, pace in _all_paces(attempt):
            self.counts.incr(f"{key}:failures", HOUR_SECONDS)
            self.counts.incr(f"{key}:day", DAY_SECONDS)
            if wait := self._earned(key, pace):
                self.counts.clear(f"{key}:wait")
                self.counts.incr(f"{key}:wait", wait)

    def succeeded(self, attempt: Attempt) -> None:
        """Forget the failures that were this client's own, as far as that can be known: those from
        elsewhere stay, since the user's own sign-ins must not clear the way for somebody who is
        guessing.
        """
        if self.is_known_device(attempt):
            self.counts.clear(f"{attempt.device_key}:failures")
        else:
            for key, _ in self._paces(attempt):
                self.counts.clear(f"{key}:wait")
            self.counts.clear(f"{attempt.pair_key}:failures")
        self.counts.clear(f"{attempt.pair_key}:known")
        self.counts.incr(f"{attempt.pair_key}:known", KNOWN_SECONDS)

    def _paces(self, attempt: Attempt) -> list[tuple[str, Pace]]:
        """What this attempt has to wait for."""
        if self.is_known_device(attempt):
            return []
        by_address, by_name = _all_paces(attempt)
        return [by_address] if self.is_known_address(attempt) else [by_address, by_name]

    def _earned(self, key: str, pace: Pace) -> int:
        failures = self.counts.get(f"{key}:failures")
        return pace.wait_seconds(failures, self.counts.get(f"{key}:day"))

    def _left(self, key: str) -> int:
        return math.ceil(self.counts.seconds_left(f"{key}:wait", DAY_WAIT_SECONDS))


def _all_paces(attempt: Attempt) -> tuple[tuple[str, Pace], tuple[str, Pace]]:
    return (attempt.pair_key, BY_NAME_AND_ADDRESS), (attempt.name_key, BY_NAME)
