"""The Traffic page: its figures are the queries' results, and it says what it has none of."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import nan
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from dashboard import traffic_charts as charts
from dashboard.choosing import storable
from dashboard.requests_shown import known_of
from dashboard.size_chart import MADE, SENT, size_chart
from dashboard.time_range import CUSTOM, EARLIEST, TimeRange
from dashboard.traffic_figures import members_table, totals
from leafgate.settings import Settings
from sql import Span, analytics, open_database
from sql.analytics import Latency, Member, Members, MemberTraffic, Summary, Volume
from tests.commands import free_port
from tests.random_log import START, random_entries, store_out_of_order
from tests.shown_pages import alts, api_that_serves, metrics, opened, read, said

FILLED = {"range": CUSTOM, "from": "2026-03-27", "to": "2026-03-30", "refresh": "off"}
SPAN = TimeRange(CUSTOM, date(2026, 3, 27), date(2026, 3, 30)).span()
ENTRIES = random_entries(300)
NOW = Summary(200, 20, 4, 150, 40.4, 90.0, 200.0, users=3)
HOUR = timedelta(hours=1)
THREE = Span(START, START + 3 * HOUR, HOUR)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[sa.Engine]:
    path = tmp_path_factory.mktemp("traffic") / "log.db"
    shutil.copy(migrated_file, path)
    engine = open_database(f"sqlite:///{path}")
    store_out_of_order(engine, ENTRIES)
    yield engine
    engine.dispose()


@pytest.fixture
def over_log(log: sa.Engine, settings: Settings) -> Settings:
    """Of a dashboard over the filled log, whose API is away."""
    return _over(settings, str(log.url))


def _over(settings: Settings, url: str, api: str = "") -> Settings:
    away = f"http://127.0.0.1:{free_port()}"
    return settings.model_copy(update={"database_url": url, "api_url": api or away})


def shown_totals(total: Summary) -> dict[str, str]:
    return {
        "Requests": f"{total.requests:,}",
        "Refused (4xx)": f"{total.refused:,}",
        "Failed (5xx)": f"{total.error_rate:.1%}",
        "Median": f"{total.p50_ms:.0f} ms",
        "95th percentile": f"{total.p95_ms:.0f} ms",
        "99th percentile": f"{total.p99_ms:.0f} ms",
    }


def test_the_figures_on_the_page_are_the_queries_results(
    log: sa.Engine, settings: Settings
) -> None:
    with api_that_serves(None) as api:
        page = opened("traffic", _over(settings, str(log.url), api), **FILLED).run()
    total = analytics.summary(log, SPAN)
    assert total.requests == 300
    assert metrics(page) == {
        **shown_totals(total),
        "Users": str(total.users),
        **{"Under way: leaf": "7", "Log backlog": "3", "Oldest in the backlog": "0 s"},
    }
    assert not page.error
    told = " ".join(alts(page))
    answered = total.requests - total.refused - total.failed
    assert f"{answered} answered, {total.refused} refused, {total.failed} failed" in told
    shown = page.dataframe[0].value
    assert dict(zip(shown["endpoint"], shown["requests"], strict=True)) == {
        row.name: row.requests for row in analytics.traffic_by(log, SPAN, "endpoint").rows
    }


def test_what_stands_in_the_url_limits_the_figures(log: sa.Engine, over_log: Settings) -> None:
    page = opened("traffic", over_log, **FILLED, of="user", user="müller").run()
    total = analytics.summary(log, SPAN, Member("user", "müller"))
    assert 0 < total.requests < 300
    assert metrics(page) == shown_totals(total)
    assert "Figures of the user müller alone" in said(page)
    page.selectbox(key="user").set_value("(none)").run()
    nobody = analytics.summary(log, SPAN, Member("user", ""))
    assert metrics(page) == shown_totals(nobody)


def test_the_program_that_asked_is_a_chart_a_choice_and_a_column(
    tmp_path: Path, migrated_file: Path, settings: Settings
) -> None:
    shutil.copy(migrated_file, tmp_path / "log.db")
    engine = open_database(f"sqlite:///{tmp_path / 'log.db'}")
    clients = ("dashboard", "api", None)
    made = [
        replace(each, request=replace(each.request, client=clients[number % 3]))
        for number, each in enumerate(ENTRIES)
        if each.request
    ]
    store_out_of_order(engine, made)
    over = _over(settings, str(engine.url))
    page = opened("traffic", over, **FILLED, of="client", client="dashboard", by="client").run()
    assert metrics(page) == shown_totals(
        analytics.summary(engine, SPAN, Member("client", clients[0]))
    )
    assert "Stacked bars of requests over time by client: (none) 100, api 100, dashboard 100." in (
        alts(page)
    )
    members = page.dataframe[0].value
    assert dict(zip(members["client"], members["requests"], strict=True)) == {
        "(none)": 100,
        "api": 100,
        "dashboard": 100,
    }
    assert set(page.dataframe[-1].value["client"]) <= {"dashboard", "api", ""}
    engine.dispose()


def test_images_sent_and_pictures_made_are_series_of_their_own(
    log: sa.Engine, over_log: Settings
) -> None:
    page = opened("traffic", over_log, **FILLED).run()
    (told,) = [each for each in alts(page) if "response time by images" in each]
    sent, made = analytics.batch_sizes(log, SPAN), analytics.made_sizes(log, SPAN)
    assert [row.name for row in made] == ["4"]
    for kind, rows in (("Images sent", sent), ("Pictures made (/generate)", made)):
        parts = [f"{row.name}: {row.p50_ms:,.0f} and {row.p95_ms:,.0f} ms" for row in rows]
        assert f"{kind}: {'; '.join(parts)}." in told
    (frame,) = size_chart(sent, made).to_dict()["datasets"].values()
    assert [row["kind"] for row in frame] == [SENT] * len(sent) + [MADE]
    for some in ((sent, ()), ((), made)):
        assert size_chart(*some).to_dict()


def test_an_api_that_is_away_is_told_and_the_figures_stay(over_log: Settings) -> None:
    page = opened("traffic", over_log, **FILLED).run()
    assert metrics(page)["Requests"] == "300"
    (problem,) = page.error
    assert "leafgate serve" in problem.value


def test_nonsense_in_the_url_is_as_if_it_were_not_there(over_log: Settings) -> None:
    nonsense = {"range": "a while", "of": "all\x00", "refresh": "-1"}
    page = opened("traffic", over_log, **nonsense, request="\x00").run()
    assert not page.exception
    assert "No requests in this time" in said(page)
    assert not set(page.query_params) & set(nonsense)


def test_a_link_to_somebody_who_asked_nothing_says_so_and_shows_nobody_elses_figures(
    over_log: Settings,
) -> None:
    page = opened("traffic", over_log, **FILLED, of="user", user="zoë\x00").run()
    assert metrics(page) == {}
    assert "No requests of the user zoë in this time" in said(page)


def test_one_request_is_shown_by_its_id_with_all_that_is_logged(over_log: Settings) -> None:
    entry = next(each for each in ENTRIES if len(each.predictions) == 1 and each.request)
    assert entry.request is not None
    page = opened("traffic", over_log, **FILLED, request=entry.request.id).run()
    request = page.table[0].value
    known = {name: read(value) for name, value in request.to_numpy().tolist()}
    assert known["id"] == entry.request.id
    image = dict(page.table[1].value.to_numpy().tolist())
    assert image["class name"] == entry.predictions[0].class_name
    assert page.header[0].value == "One request"  # before the figures


def test_an_unknown_request_is_told(over_log: Settings) -> None:
    page = opened("traffic", over_log, **FILLED, request="no-such-id").run()
    assert "No request or image no-such-id is in the log" in said(page)
    assert metrics(page)["Requests"] == "300"


def test_older_requests_follow_page_by_page_and_the_newest_come_back(
    log: sa.Engine, over_log: Settings
) -> None:
    page = opened("traffic", over_log, **FILLED).run()
    first = analytics.recent_requests(log, 25)
    assert page.dataframe[-1].value["id"].tolist() == [row.id for row in first]
    _click(page, "Older")
    second = analytics.recent_requests(log, 25, before=first[-1])
    assert page.dataframe[-1].value["id"].tolist() == [row.id for row in second]
    _click(page, "Newest")
    assert page.dataframe[-1].value["id"].tolist() == [row.id for row in first]


def _click(page: AppTest, label: str) -> None:
    next(each for each in page.button if each.label == label).click().run()


def test_an_empty_log_says_what_to_do(settings: Settings) -> None:
    away = settings.model_copy(update={"api_url": f"http://127.0.0.1:{free_port()}"})
    page = opened("traffic", away).run()
    assert metrics(page) == {}
    assert "leafgate predict FILE" in said(page)
    assert "No request has been logged yet" in said(page)


@pytest.mark.parametrize("name", ["traffic", "diseases"])
def test_a_database_that_is_away_is_told_without_its_password(
    settings: Settings, name: str
) -> None:
    url = f"postgresql+psycopg://leafgate:hidden@127.0.0.1:{free_port()}/leafgate"
    page = opened(name, _over(settings, url)).run()
    assert not page.exception
    assert "What to do" in said(page)
    assert "hidden" not in said(page)


def test_totals_are_compared_with_as_long_a_time_before() -> None:
    before = replace(NOW, requests=100, failed=1, p50_ms=50.5, users=0)
    shown = {each.label: each for each in totals(NOW, before)}
    assert shown["Requests"].delta == "+100%"
    assert shown["Failed (5xx)"].delta == "+1.0 points"
    assert (shown["Median"].delta, shown["Median"].worse) == ("-20%", True)
    assert shown["99th percentile"].delta is None  # the same
    assert shown["Users"].delta is None
    nothing = replace(before, requests=0, refused=0, p50_ms=nan, p95_ms=nan, p99_ms=nan)
    assert {each.delta for each in totals(NOW, nothing)} == {None}


def test_users_are_no_figure_of_one_member() -> None:
    labels = [each.label for each in totals(replace(NOW, users=None), NOW)]
    assert "Users" not in labels


def test_a_time_without_requests_breaks_the_lines_and_is_empty_in_the_table() -> None:
    volume = (
        Volume(START, 8, 1, 1),
        Volume(START + HOUR, 0, 0, 0),
        Volume(START + 2 * HOUR, 4, 0, 0),
    )
    latency = tuple(Latency(START + n * HOUR, 10, 20.0, 30.0, 40.0) for n in (0, 2))
    table = charts.over_time_table(volume, latency)
    assert table["requests"].tolist() == ["10", "0", "4"]
    assert table["failed, share"].tolist() == ["10.0%", "", "0.0%"]
    assert table["p95 ms"].tolist() == ["30", "", "30"]
    assert charts.errors_alt(volume, ()).endswith(
        "failed at most 10.0%, from 2026-03-27 20:00 UTC; refused at most 10.0%, from "
        "2026-03-27 20:00 UTC."
    )
    (rows,) = charts.latency_chart(latency, THREE, ()).to_dict()["datasets"].values()
    assert [row["ms"] for row in rows if row["percentile"] == "p99"] == [40.0, None, 40.0]


def test_stacked_bars_end_at_the_sum_of_the_bucket() -> None:
    volume = (Volume(START, 8, 1, 1), Volume(START + 2 * HOUR, 4, 0, 2))
    (rows,) = charts.requests_chart(volume, THREE, ()).to_dict()["datasets"].values()
    assert [(row["outcome"], row["low"], row["high"]) for row in rows] == [
        *(("answered", 0, 8), ("refused", 8, 9), ("failed", 9, 10)),
        *(("answered", 0, 4), ("failed", 4, 6)),
    ]
    assert {row["until"] for row in rows} == {"2026-03-27T21:00:00", "2026-03-27T23:00:00"}


def test_members_without_a_name_are_called_none() -> None:
    row = MemberTraffic(3, 1, 0, 2, p50_ms=1.4, p95_ms=2.6, p99_ms=9.9, name="")
    table = members_table(Members((row,), 0), "user")
    assert table.to_dict("records") == [
        {
            **{"user": "(none)", "requests": 3, "refused": 1, "failed": 0, "images": 2},
            **{"median ms": 1, "p95 ms": 3, "p99 ms": 10},
        }
    ]


def test_fields_that_no_part_of_a_request_has_are_left_out(log: sa.Engine) -> None:
    entry = next(each for each in ENTRIES if len(each.predictions) == 2 and each.request)
    assert entry.request is not None
    found = analytics.one_request(log, entry.request.id)
    assert found is not None
    parts = known_of(found)
    assert list(parts) == ["The request", "Images"]
    assert list(parts["Images"].columns) == ["field", "1", "2"]
    assert "error code" not in parts["The request"]["field"].tolist()


def test_names_from_a_link_are_made_such_as_a_database_takes() -> None:
    assert storable(" zo\x00ë\ud800\n") == "zoë"


def test_days_are_whole_and_in_any_order_and_end_now_at_the_latest() -> None:
    first, last = date(2026, 3, 27), date(2026, 3, 30)
    assert TimeRange(CUSTOM, last, first).span() == TimeRange(CUSTOM, first, last).span()
    assert TimeRange(CUSTOM, first, last).span().until == datetime(2026, 3, 31, tzinfo=UTC)
    now = datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert TimeRange(CUSTOM, first, last).span(now).until == now + timedelta(seconds=1)
    assert TimeRange(CUSTOM, now.date(), now.date()).span(now).bucket == HOUR
    assert len(TimeRange(CUSTOM, EARLIEST, last).span(now).starts) < 10_000
