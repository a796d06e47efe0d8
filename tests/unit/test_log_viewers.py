"""Names of users, addresses of clients and names of files are for those whom they concern."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from dashboard.time_range import CUSTOM
from leafgate.errors import UserError
from leafgate.settings import Settings
from sql import (
    Entry,
    FeedbackRecord,
    PredictionRecord,
    RequestRecord,
    Span,
    analytics,
    open_database,
)
from sql.analytics import Member, Only, Viewer
from sql.storing import store_entries
from tests.commands import free_port
from tests.random_log import START
from tests.shown_pages import opened_by, said

SECRETS = ("mallory", "203.0.113.77", "patient-smith.png", "c0ffee" * 10)
SPAN = Span(START, START + timedelta(days=1), timedelta(hours=1))
FILLED = {"range": CUSTOM, "from": "2026-03-27", "to": "2026-03-28", "refresh": "off"}
ADA, ADMIN = Viewer("ada", is_admin=False), Viewer("root", is_admin=True)
OWN, OTHERS, NOBODYS = (f"01990000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))


def entry(identifier: str, user: str | None, source: str, file: str, sha256: str) -> Entry:
    """A diagnosis with a correction by Mallory."""
    at = START + timedelta(minutes=int(identifier[-1]))
    request = RequestRecord(
        id=identifier,
        at_utc=at,
        method="POST",
        endpoint="/predict",
        status=200,
        latency_ms=7,
        user_name=user,
        source=source,
        images=1,
        model_name="leaf",
        model_version=1,
    )
    prediction = PredictionRecord(
        id=identifier,
        request_id=identifier,
        at_utc=at,
        status=200,
        latency_ms=7,
        lane="production",
        model_name="leaf",
        model_version=1,
        file_name=file,
        sha256=sha256,
        class_name="rust",
        confidence=0.9,
        unknown=False,
    )
    said_so = FeedbackRecord(
        id=identifier[:-2] + "f" + identifier[-1],
        at_utc=at + timedelta(minutes=1),
        prediction_id=identifier,
        true_class="rust",
        user_name="mallory",
    )
    return Entry(request=request, predictions=(prediction,), feedback=said_so)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[sa.Engine]:
    path = tmp_path_factory.mktemp("viewers") / "log.db"
    shutil.copy(migrated_file, path)
    engine = open_database(f"sqlite:///{path}")
    user, address, file, sha256 = SECRETS
    entries = [
        entry(OWN, "ada", "198.51.100.1", "own.png", "0" * 60),
        entry(OTHERS, user, address, file, sha256),
        entry(NOBODYS, None, address, file, sha256),
    ]
    store_entries(engine, entries)
    yield engine
    engine.dispose()


def shown(page: AppTest) -> str:
    """All that reaches the browser, tables as they are sent."""
    return "".join(str(getattr(node, "proto", "")) for node in page._tree)


def test_an_administrator_reads_all_names(log: sa.Engine) -> None:
    found = str(
        (
            analytics.visible_users(log, SPAN, ADMIN),
            analytics.visible_sources(log, SPAN, ADMIN),
            analytics.visible_request(log, OTHERS, ADMIN),
        )
    )
    assert all(secret in found for secret in SECRETS)
    assert analytics.visible_requests(log, ADMIN, 10) == analytics.recent_requests(log, 10)


def test_others_read_no_names_but_their_own(log: sa.Engine) -> None:
    found = (
        analytics.visible_users(log, SPAN, ADA),
        analytics.visible_sources(log, SPAN, ADA),
        analytics.visible_traffic_by(log, SPAN, "user", ADA),
        analytics.visible_traffic_by(log, SPAN, "source", ADA),
        analytics.visible_requests(log, ADA, 10),
        *(analytics.visible_request(log, each, ADA) for each in (OWN, OTHERS, NOBODYS)),
    )
    assert not [secret for secret in SECRETS if secret in str(found)]
    own = analytics.visible_request(log, OWN, ADA)
    assert own is not None and own.request is not None
    assert (own.request.user_name, own.request.source) == ("ada", "198.51.100.1")
    assert own.predictions[0].file_name == "own.png"
    assert own.feedback[0].user_name == "another user"
    assert [row.user_name for row in analytics.visible_requests(log, ADA, 10)] == [
        *(None, "another user", "ada")
    ]


def test_figures_stay_whole_without_the_names(log: sa.Engine) -> None:
    for dimension in ("user", "source", "endpoint"):
        plain = analytics.traffic_by(log, SPAN, dimension)
        hidden = analytics.visible_traffic_by(log, SPAN, dimension, ADA)
        assert [row.requests for row in hidden.rows] == [row.requests for row in plain.rows]


def test_a_part_whose_request_is_not_there_belongs_to_nobody(log: sa.Engine) -> None:
    """A correction, or a request that has been pruned, says nothing of whose the picture is."""
    with log.begin() as connection:
        connection.execute(sa.text("CREATE TEMP TABLE kept AS SELECT * FROM requests"))
        connection.execute(sa.text("DELETE FROM requests WHERE id = :id"), {"id": OTHERS})
    try:
        found = analytics.visible_request(log, OTHERS, ADA)
        assert found is not None and found.request is None
        assert not [secret for secret in SECRETS if secret in str(found)]
    finally:
        with log.begin() as connection:
            connection.execute(sa.text("INSERT OR IGNORE INTO requests SELECT * FROM kept"))


@pytest.mark.parametrize(
    "of",
    [
        Member("user", "mallory"),
        Member("user", "nobody at all"),
        Member("source", "203.0.113.77"),
        Only(user="mallory"),
        Only(source="203.0.113.77"),
    ],
)
def test_figures_of_another_person_are_refused(of: Member | Only) -> None:
    """Whether there is such a user or address is not told either."""
    with pytest.raises(UserError, match="need the scope 'admin'"):
        analytics.require_visible(of, ADA)
    analytics.require_visible(of, ADMIN)


@pytest.mark.parametrize(
    "of",
    [None, Member("user", "ada"), Member("user", ""), Member("endpoint", "/predict"), Only(1)],
)
def test_figures_of_all_and_of_oneself_are_for_everybody(of: Member | Only | None) -> None:
    analytics.require_visible(of, ADA)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("traffic", {"by": "user"}),
        ("traffic", {"by": "source"}),
        ("traffic", {"of": "user"}),
        ("traffic", {"of": "source"}),
        ("traffic", {"of": "user", "user": "MALLORY"}),
        ("traffic", {"request": OTHERS}),
        ("traffic", {"request": NOBODYS}),
        ("diseases", {}),
        ("diseases", {"asked_by": "user"}),
        ("diseases", {"asked_by": "source"}),
    ],
)
@pytest.mark.parametrize("scopes", [("feedback",), (), ("predict", "generate", "feedback")])
def test_no_page_sends_other_peoples_names_to_the_browser(
    log: sa.Engine,
    settings: Settings,
    page: str,
    query: dict[str, str],
    scopes: tuple[str, ...],
) -> None:
    away = {"database_url": str(log.url), "api_url": f"http://127.0.0.1:{free_port()}"}
    over = settings.model_copy(update=away)
    seen = shown(opened_by(scopes, page, over, {**FILLED, **query}).run())
    assert "Rust" in seen or "predict" in seen
    assert not [secret for secret in SECRETS if secret in seen]


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("traffic", {"of": "user", "user": "mallory"}),
        ("traffic", {"of": "source", "source": "203.0.113.77"}),
        ("diseases", {"asked_by": "user", "user": "mallory"}),
        ("diseases", {"asked_by": "source", "source": "203.0.113.77"}),
    ],
)
def test_a_link_to_another_persons_figures_shows_none(
    log: sa.Engine, settings: Settings, page: str, query: dict[str, str]
) -> None:
    away = {"database_url": str(log.url), "api_url": f"http://127.0.0.1:{free_port()}"}
    over = settings.model_copy(update=away)
    found = opened_by(("feedback",), page, over, {**FILLED, **query}).run()
    assert "need the scope 'admin'" in said(found)
    labels = {each.label for each in found.metric}
    assert not labels & {"Requests", "Leaves"}
