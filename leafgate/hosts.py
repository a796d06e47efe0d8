"""Hosts as settings and addresses name them: IP addresses with and without brackets, and names."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def without_brackets(host: str) -> str:
    """`::1` for `[::1]`, and every other host as it is."""
    return host.strip().removeprefix("[").removesuffix("]")


def in_url(host: str) -> str:
    """The host as it stands in a URL or before a port: an IPv6 address in brackets."""
    bare = without_brackets(host)
    return f"[{bare}]" if ":" in bare else bare


def for_clients(host: str) -> str:
    """Where a client of this machine reaches what listens on `host`, which may mean everywhere."""
    if not host:
        return LOOPBACK[4]
    address = address_of(host)
    if address is not None and address.is_unspecified:
        return LOOPBACK[address.version]
    if isinstance(address, IPv6Address) and "%" not in host:
        return address.compressed
    return without_brackets(host)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to what listens on `host`."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback
    name = host.strip().rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is; None for a name.

    Read as resolvers read it: `127.1` is `127.0.0.1`. An IPv4 address in IPv6's form is IPv4.
    """
    bare = without_brackets(host).partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return _short_address(bare)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _short_address(text: str) -> IPv4Address | None:
    if not text[:1].isdigit() or set(text) - set("0123456789.xabcdefXABCDEF"):
        return None
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        return None
