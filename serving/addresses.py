"""Where a request comes from: the address of its connection, or what a trusted proxy says it is.

Any client can send `X-Forwarded-For`, so it is read only where the connection comes from one of
`LEAFGATE_TRUSTED_PROXIES`, and only as far to the left as each hop is one of them. What is not an
IP address is never taken for one. uvicorn's own reading of these headers is off: it would believe
every program on this machine.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from leafgate.clients import client_named
from leafgate.errors import UserError

UNKNOWN = "unknown"  # what all connections without an IP address are limited as
MAX_HOPS = 16
MAX_CHARACTERS = 64  # of an address with port, brackets and zone
SCHEMES = ("http", "https")

Network = IPv4Network | IPv6Network


@lru_cache(maxsize=4096)
def _parsed(text: str) -> str | None:
    bare = text.strip()
    if bare.startswith("["):  # [2001:db8::1]:443
        bare, closed, port = bare[1:].partition("]")
        if not closed or not _is_port_or_nothing(port):
            return None
    elif bare.count(":") == 1:  # 192.0.2.1:443
        bare, colon, port = bare.partition(":")
        if not _is_port_or_nothing(colon + port):
            return None
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def _is_port_or_nothing(text: str) -> bool:
    return not text or (text[0] == ":" and text[1:].isdecimal() and text.isascii())


def parse_address(text: str | None) -> str | None:
    """The IP address in canonical form, without port, brackets and zone; an IPv4 address that is
    written as IPv6 as IPv4. None for anything that is not an address.
    """
    return None if text is None or len(text) > MAX_CHARACTERS else _parsed(text)


class TrustedProxies:
    """The proxies whose word on a client's address is believed."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self.networks = tuple(networks)
        self._trusts = lru_cache(maxsize=4096)(self._is_inside)

    @staticmethod
    def read(text: str) -> "TrustedProxies":
        """Of `LEAFGATE_TRUSTED_PROXIES`. Raises UserError naming the entry that is wrong."""
        entries = [entry.strip() for entry in text.split(",")]
        return TrustedProxies(_network(entry) for entry in entries if entry)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def trusts(self, address: str | None) -> bool:
        """Whether the address, of a connection or of a hop, is that of a trusted proxy."""
        return address is not None and bool(self.networks) and self._trusts(address)

    def client(self, peer: str | None, forwarded: str) -> str | None:
        """The client's address. peer: of the connection; forwarded: all `X-Forwarded-For` lines in
        order, with commas between.

        Each proxy adds on the right who asked it, so the first from the right that is not a trusted
        proxy is the client. Where that is no address, the proxy that said so is all that is known.
        """
        known = parse_address(peer)
        if not self.trusts(known):
            return known
        for hop in reversed(forwarded.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            said = parse_address(hop)
            if said is None:
                return known
            known = said
            if not self.trusts(known):
                return known
        return known

    def _is_inside(self, address: str) -> bool:
        parsed = parse_address(address)
        if parsed is None:
            return False
        found = ip_address(parsed)
        return any(found in network for network in self.networks)


def _network(entry: str) -> Network:
    fix = "list addresses or networks with commas between, like 10.0.3.7, 10.1.0.0/16"
    try:
        network = ip_network(entry)
    except ValueError as error:
        raise UserError(f"LEAFGATE_TRUSTED_PROXIES: {error}", fix) from None
    if network.prefixlen == 0:
        raise UserError(f"LEAFGATE_TRUSTED_PROXIES: {entry} trusts every client", fix)
    return network


class ForwardedAddress:
    """ASGI middleware, the outermost: `client` (and `scheme`) of what came through a trusted proxy
    become those of the client.
    """

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self.app, self.proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        client = scope.get("client")
        if client and self.proxies.trusts(parse_address(str(client[0]))):
            lines, scheme = [], b""
            for name, value in scope["headers"]:
                if name == b"x-forwarded-for":
                    lines.append(value.decode("latin-1"))
                elif name == b"x-forwarded-proto":
                    scheme = value
            scope["client"] = (self.proxies.client(str(client[0]), ",".join(lines)), 0)
            if (told := scheme.decode("latin-1").strip().lower()) in SCHEMES:
                scope["scheme"] = told
        await self.app(scope, receive, send)


def client_address(scope: Scope) -> str | None:
    """The client's IP address in canonical form; None where there is none, as on a Unix socket."""
    client = scope.get("client")
    return parse_address(str(client[0])) if client else None


def client_program(scope: Scope) -> str:
    """The program that asks, as one of a few words, by what it says of itself."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return client_named(value.decode("latin-1"))
    return client_named(None)


def client_network(scope: Scope) -> str:
    """What is limited as one: an IPv4 address, or the /64 of an IPv6 address, all of which one
    customer has.
    """
    return network_of(client_address(scope))


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """The /64 of an IPv6 address; anything else as it is; `unknown` for None."""
    parsed = parse_address(address)
    if parsed is None:
        return address or UNKNOWN
    return str(ip_network((parsed, 64), strict=False)) if ":" in parsed else parsed
