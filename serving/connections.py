"""How many connections are open, in all and by client address, and which of them must end.

Each process counts its own. One timer looks at all connections twice a second, so that a request
costs no timer of its own. Where a bound is reached, the connection that has been idle for longest
makes room for a new one: callers who hold connections without using them keep nobody out. The last
quarter of the places is for addresses that have few, so that some busy ones do not keep out others.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.addresses import network_of

SWEEP_SECONDS = 0.5
LAST_SHARE = 4  # of the places: the last quarter
YIELDS_AFTER_SECONDS = 1.0  # an idle connection makes room for a new one after that
FILES_KEPT_FREE = 256  # for the database, the outbox, the models and libraries

TOO_MANY, TOO_MANY_OF_ADDRESS = "too_many_connections", "too_many_from_address"
EVICTED = "idle_connection_closed"


@dataclass(frozen=True)
class ConnectionLimits:
    """What one process allows.

    header_timeout_seconds: for all of a request's head, from its first byte or, of the first
    request, from the moment of connecting; stall_timeout_seconds: without progress, in either
    direction; min_bytes_per_second: the slowest that a caller may read an answer.
    """

    max_connections: int = 1000
    max_per_address: int = 250
    header_timeout_seconds: float = 10.0
    stall_timeout_seconds: float = 10.0
    min_bytes_per_second: int = 8192

    @staticmethod
    def of(settings: Settings) -> "ConnectionLimits":
        """As the settings have it."""
        return ConnectionLimits(
            settings.max_connections,
            settings.max_connections_per_address,
            settings.header_timeout_seconds,
            settings.stall_timeout_seconds,
            settings.min_bytes_per_second,
        )


class Connection(Protocol):
    """One connection, as far as it is counted."""

    idle_since: float

    def check(self, now: float) -> None:
        """End what has taken too long."""

    def end(self) -> None:
        """Close it; no request is under way."""


class Connections:
    """Those of one process; use it from the event loop alone.

    refused: called with the reason for each connection or request that is refused.
    is_proxy: whether an address is a configured proxy, where all clients may come from.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        refused: Callable[[str], None],
        is_proxy: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self.limits, self.refused, self._is_proxy = limits, refused, is_proxy
        self._open: dict[Connection, str | None] = {}
        self._idle: dict[Connection, None] = {}  # the one that has been idle for longest first
        self._of_network: Counter[str] = Counter()
        self._sweeping = False
        self._sweep_seconds = min(
            SWEEP_SECONDS, limits.header_timeout_seconds / 4, limits.stall_timeout_seconds / 4
        )

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection, address: str, now: float) -> str | None:
        """Count a new connection; returns why it is refused, or None.

        now: the event loop's time, as everywhere here.
        """
        network = None if self._is_proxy(address) else network_of(address)
        if (
            network is not None
            and self._has_its_share(network)
            and not self._make_room(now, network)
        ):
            return TOO_MANY_OF_ADDRESS
        if len(self._open) >= self.limits.max_connections and not self._make_room(now):
            return TOO_MANY
        self._open[connection] = network
        if network is not None:
            self._of_network[network] += 1
        self.set_idle(connection, now)
        if not self._sweeping:
            self._sweeping = True
            self._sweep_later()
        return None

    def _has_its_share(self, network: str) -> bool:
        """Whether it may have no more; in the last quarter, no more than are still free."""
        own, most = self._of_network[network], self.limits.max_connections
        free = most - len(self._open)
        is_scarce = 0 < free < most // LAST_SHARE
        return own >= self.limits.max_per_address or (is_scarce and own >= free)

    def leave(self, connection: Connection) -> None:
        """Forget one that was closed, or was never admitted."""
        network = self._open.pop(connection, None)
        self._idle.pop(connection, None)
        if network is not None:
            self._of_network[network] -= 1
            if not self._of_network[network]:
                del self._of_network[network]

    def set_idle(self, connection: Connection, now: float) -> None:
        """No request is under way on it."""
        connection.idle_since = now
        if connection in self._open:
            self._idle[connection] = None

    def set_busy(self, connection: Connection) -> None:
        """The head of a request is complete."""
        self._idle.pop(connection, None)

    def _make_room(self, now: float, network: str | None = None) -> bool:
        """End the connection, of the network where one is given, that was idle for longest."""
        for oldest in self._idle:
            if now - oldest.idle_since < YIELDS_AFTER_SECONDS:
                return False
            if network is None or self._open[oldest] == network:
                self.refused(EVICTED)
                self.leave(oldest)
                oldest.end()
                return True
        return False

    def _sweep_later(self) -> None:
        asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            connection.check(now)
        self._sweeping = bool(self._open)
        if self._sweeping:
            self._sweep_later()


def require_files(max_connections: int) -> None:
    """Let this process open a file for each connection, besides its own files.

    Raises UserError where the system does not allow so many.
    """
    needed = max_connections + FILES_KEPT_FREE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(
            f"LEAFGATE_MAX_CONNECTIONS={max_connections} needs {needed} open files, and this "
            f"process may open {hard}",
            f"set it to at most {max(1, hard - FILES_KEPT_FREE)}, or raise the limit "
            "(`ulimit -Hn`, LimitNOFILE, --ulimit nofile)",
            code="too_few_files",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
