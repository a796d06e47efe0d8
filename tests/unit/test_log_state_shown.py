"""The dashboard says when its figures are not whole, and why."""

from datetime import UTC, datetime

import pytest

from dashboard.calls.service import LogState, Waiting, waiting
from dashboard.client import ApiClient
from dashboard.log_state import Reading, in_words, waiting_alt, waiting_figures, warnings_of
from serving.routes.health import LogHealth, ModelHealth

WELL = LogState(3, 0.4, 0, 0, None, False)


def state(**changed: object) -> LogState:
    return LogState(**{**vars(WELL), **changed})  # type: ignore[arg-type]


def test_nothing_is_said_of_rows_that_are_on_their_way_as_usual() -> None:
    assert warnings_of(WELL) == []


def test_rows_that_are_late_are_counted_with_the_reason_and_a_promise() -> None:
    (warning,) = warnings_of(state(backlog=1200, oldest_age_seconds=7300, problem="refused"))
    assert "1,200 requests of the last 2 hours" in warning
    assert "(refused)" in warning
    assert "come in by themselves" in warning
    assert len(warnings_of(state(oldest_age_seconds=31))) == 1


def test_what_is_refused_dropped_or_set_aside_is_told_each() -> None:
    found = warnings_of(state(full=True, dropped=2, set_aside=1))
    assert [each.split()[0] for each in found] == ["The", "2", "The"]
    assert "leafgate db outbox" in found[-1]


def test_the_service_tells_what_the_dashboard_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    told = LogHealth(backlog=1, oldest_age_seconds=2.5, set_aside=0, dropped=0)

    class Answer:
        def json(self) -> dict[str, object]:
            models = [
                ModelHealth(name="leaf", version=1, engine=None, problem=None, under_way=3),
                ModelHealth(name="leaf", alias="staging", version=2, engine=None, problem=None),
            ]
            return {
                "status": "ok",
                "request_log": told.model_dump(),
                "models": [each.model_dump() for each in models],
            }

    monkeypatch.setattr(ApiClient, "ask", lambda *_, **__: Answer())
    found = waiting(ApiClient("http://x"))
    assert found == Waiting(state(backlog=1, oldest_age_seconds=2.5), {"leaf": 3})


def test_what_waits_is_shown_with_the_most_that_it_was() -> None:
    kept = [
        Reading(datetime(2026, 1, 1, tzinfo=UTC), Waiting(state(backlog=1200), {})),
        Reading(datetime(2026, 1, 2, tzinfo=UTC), Waiting(state(backlog=9), {"leaf": 2})),
    ]
    assert waiting_figures(kept[-1].found) == {
        **{"Under way: leaf": "2", "Log backlog": "9", "Oldest in the backlog": "0 s"}
    }
    assert waiting_alt(kept).endswith("leaf at most 2, log backlog at most 1,200.")


@pytest.mark.parametrize(
    ("seconds", "words"), [(5.2, "5 s"), (150, "2 minutes"), (7300, "2 hours"), (200_000, "2 days")]
)
def test_times_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
