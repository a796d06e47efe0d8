"""The log says which program asked: one of a few words, whatever a caller sends."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.http_bytes import upload
from leafgate import __version__
from leafgate.clients import CLIENTS, user_agent
from leafgate.demo import curl_line
from serving.addresses import client_program
from sql import Span, analytics
from sql.analytics import Member
from sql.rollups import settle
from sql.storing import store_entries
from tests.log_entries import HOUR, NOON, entry
from tests.random_log import SPANS, START, counts_of, random_entries, requests_of

SPAN = Span(NOON - HOUR, NOON + timedelta(days=2), HOUR)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/149.0 Safari/537.36"


def named(*values: bytes) -> str:
    """What the log has of a request with these `User-Agent` lines."""
    others = [(b"host", b"leafgate"), (b"x-user-agent", b"leafgate-dashboard/1")]
    return client_program({"headers": [*others, *((b"user-agent", value) for value in values)]})


@pytest.mark.parametrize("client", ["dashboard", "cli", "demo", "load"])
def test_our_programs_are_known_by_their_names(client: str) -> None:
    assert user_agent(client) == f"leafgate-{client}/{__version__}"
    assert named(user_agent(client).encode()) == client
    assert named(user_agent(client).upper().encode()) == client
    assert named(f"leafgate-{client} (somewhere)".encode()) == client


def test_browsers_are_known_and_any_other_program_is_an_api_client() -> None:
    assert named(CHROME.encode()) == "browser"
    for other in (b"curl/8.5.0", b"python-httpx/0.28.1", b"PostmanRuntime/7", b"field-app", b""):
        assert named(other) == "api"
    assert named() == "api"


@pytest.mark.parametrize(
    "hostile",
    [
        *(b"leafgate-dashboardx/1", b"leafgate-/1", b"leafgate-root/1", b"xleafgate-dashboard/1"),
        *(b"/leafgate-dashboard", b"\0", b"\xff\xfe" * 50, b"=cmd|' /C calc'!A0", b"'; DROP TABLE"),
        *(b"<script>alert(1)</script>", b"a" * 60_000, "Mözilla/5".encode(), b"\r\nleafgate-cli/1"),
    ],
)
def test_a_caller_cannot_put_anything_else_there(hostile: bytes) -> None:
    assert named(hostile) == "api"


def test_there_are_few_names_and_they_fit() -> None:
    assert {named(product.encode()) for product in CLIENTS} | {named()} == {
        *("dashboard", "cli", "demo", "load", "browser", "api")
    }


def test_the_load_generator_names_itself() -> None:
    head = upload("/predict", "127.0.0.1:8000", "file", b"", {"Authorization": "Bearer x"})
    assert f"User-Agent: leafgate-load/{__version__}\r\n".encode() in head


def test_the_line_that_the_demo_prints_names_the_demo() -> None:
    line = curl_line("http://127.0.0.1:8000", "secret", Path("leaf.jpg"))
    assert line.count(f"-A leafgate-demo/{__version__} ") == 2


@pytest.mark.parametrize("settled", [False, True])
def test_traffic_is_told_apart_by_client(database: sa.Engine, settled: bool) -> None:
    names = ("dashboard", "api", None, "cli")
    made = []
    for number, each in enumerate(random_entries(120)):
        assert each.request is not None
        client = names[number % len(names)]
        made.append(replace(each, request=replace(each.request, client=client)))
    store_entries(database, made)
    if settled:
        settle(database, START.replace(tzinfo=None) + timedelta(days=9))
    for name, span in SPANS.items():
        found = analytics.traffic_by(database, span, "client").rows
        everything = requests_of(made, span.since, span.until)
        assert {row.name for row in found} == {row.client or "" for row in everything}, name
        for row in found:
            rows = requests_of(made, span.since, span.until, client=row.name)
            assert (row.requests, row.refused, row.failed, row.images) == counts_of(rows)
            total = analytics.summary(database, span, Member("client", row.name))
            assert (total.requests, total.p95_ms) == (row.requests, row.p95_ms)
        over_time = analytics.clients_over_time(database, span)
        assert sum(row.requests for row in over_time) == len(everything)
        assert analytics.clients(database, span) == tuple(
            sorted({row.client for row in everything if row.client})
        )


def test_single_requests_say_which_program_asked(database: sa.Engine) -> None:
    one = entry(1, NOON)
    assert one.request is not None
    store_entries(database, [replace(one, request=replace(one.request, client="dashboard"))])
    (row,) = analytics.recent_requests(database)
    assert (row.client, row.source) == ("dashboard", "10.0.0.1")
    found = analytics.one_request(database, "00000001")
    assert found is not None and found.request is not None
    assert found.request.client == "dashboard"
