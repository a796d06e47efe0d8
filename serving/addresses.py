"""Where a request comes from."""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.types import Scope


def client_address(scope: Scope) -> str:
    """The peer's address."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def client_network(scope: Scope) -> str:
    """What is limited as one: an IPv4 address, or the /64 of an IPv6 address, all of which one
    customer has.
    """
    return network_of(client_address(scope))


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /64 of an IPv6 address; anything else as it is."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or ip_network((parsed, 64), strict=False))
