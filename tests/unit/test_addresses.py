"""Addresses: only real ones are taken, and only from a proxy that the settings name."""

import asyncio
from typing import Any

import pytest

from leafgate.errors import UserError
from serving.addresses import (
    ForwardedAddress,
    TrustedProxies,
    client_address,
    client_network,
    parse_address,
)

PROXIES = TrustedProxies.read("127.0.0.1, 10.1.0.0/16, 2001:db8:1::/48")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:443", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:65535", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_kept_in_one_form(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "unknown", "_hidden", "localhost", "010.0.0.1", "1.2.3", "1.2.3.4.5", "256.1.1.1"),
        *("=1+1", "<b>1.2.3.4</b>", "1.2.3.4\n5.6.7.8", "1.2.3.4:", "1.2.3.4:http", "[::1", "::1]"),
        *("[::1]x", "[::1]:", "not:an:address", "1.2.3.4\0", "\ud800", "١.٢.٣.٤", "2130706433"),
        "1.2.3.4" + " " * 60_000,
        "fe80::1%" + "x" * 60_000,
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    assert parse_address(text) is None


def client(peer: str | None, *forwarded: str, proxies: TrustedProxies = PROXIES) -> str | None:
    """Whom a request comes from, as everything behind the middleware reads it."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    asyncio.run(ForwardedAddress(app, proxies)(scope, None, None))  # type: ignore[arg-type]
    return client_address(scope)


def test_a_client_that_is_no_proxy_is_believed_nothing() -> None:
    for peer in ("192.0.2.7", "127.0.0.2", "::1", "10.2.0.1"):
        assert client(peer, "203.0.113.9") == peer
    assert client("127.0.0.1", "203.0.113.9", proxies=TrustedProxies()) == "127.0.0.1"
    assert client(None, "203.0.113.9") is None


def test_a_proxy_names_its_client_however_the_connection_writes_its_own_address() -> None:
    for peer in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.7.7", "2001:db8:1::7"):
        assert client(peer, "203.0.113.9") == "203.0.113.9"
        assert client(peer, "[2001:DB8::9]:80") == "2001:db8::9"
    assert client("127.0.0.1") == "127.0.0.1"  # it asks for itself


def test_what_a_client_wrote_before_its_proxy_did_is_not_believed() -> None:
    assert client("127.0.0.1", "1.1.1.1, 203.0.113.9") == "203.0.113.9"
    assert client("127.0.0.1", "1.1.1.1", "203.0.113.9") == "203.0.113.9"
    assert client("127.0.0.1", "1.1.1.1, 203.0.113.9, 10.1.0.2") == "203.0.113.9"
    assert client("127.0.0.1", "127.0.0.1, 203.0.113.9, 10.1.0.2") == "203.0.113.9"
    assert client("127.0.0.1", ", ".join(["1.1.1.1"] * 5000)) == "1.1.1.1"


def test_where_a_proxy_names_no_address_the_proxy_is_what_is_known() -> None:
    for said in ("", "unknown", "ada", "=cmd()", "1.2.3.4 x", ",,,", "\xff"):
        assert client("127.0.0.1", said) == "127.0.0.1"
        assert client("127.0.0.1", f"{said}, 10.1.0.2") == "10.1.0.2"
    assert client("127.0.0.1", "10.1.0.3, 10.1.0.2") == "10.1.0.3"  # all of them are proxies


def test_a_scheme_is_taken_from_a_proxy_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    for peer, scheme in (("127.0.0.1", "https"), ("192.0.2.7", "http")):
        headers = [(b"x-forwarded-proto", b"https")]
        scope = {"type": "http", "client": (peer, 1), "headers": headers, "scheme": "http"}
        asyncio.run(ForwardedAddress(app, PROXIES)(scope, None, None))  # type: ignore[arg-type]
        assert scope["scheme"] == scheme


def test_limits_count_customers_and_what_has_no_address_is_one() -> None:
    def network(peer: str) -> str:
        return client_network({"client": (peer, 1)})

    assert network("2001:db8::1") == network("2001:db8::2:0:0:1") == "2001:db8::/64"
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") == "192.0.2.7"
    assert client_network({"client": None}) == client_network({"client": ("/run/a", 0)})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*", r"'\*'"),
        ("proxy", "proxy"),
        ("10.0.0.1/8", "host bits"),
        ("0.0.0.0/0", "every client"),
    ],
)
def test_a_proxy_that_is_none_is_named(text: str, told: str) -> None:
    with pytest.raises(UserError, match=f"LEAFGATE_TRUSTED_PROXIES.*{told}") as raised:
        TrustedProxies.read(f"10.0.0.1,{text}")
    assert "10.1.0.0/16" in raised.value.fix
    assert not TrustedProxies.read(" , ")
