"""The page Models as it is driven: what it asks for, and moves, each with a reason and once."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.calls.model_versions import Version
from dashboard.calls.model_versions import versions as ask_versions
from dashboard.client import ApiClient, SignIn
from dashboard.plain_text import plain
from dashboard.versions import planned
from dashboard.versions.moves import unmet
from tests.model_answers import EVIL, Answers, answering
from tests.model_answers import version as answer
from tests.model_answers import versions as four

CLASSIFIER, GENERATOR = "leaf-classifier", "leaf-generator"


@pytest.fixture
def answers() -> Iterator[Answers]:
    with answering(Answers(versions={CLASSIFIER: four()})) as started:
        yield started


@pytest.fixture
def found(answers: Answers) -> tuple[Version, ...]:
    return ask_versions(ApiClient(answers.url), CLASSIFIER)


def test_a_promotion_says_whose_place_is_taken_and_what_speaks_against_it(
    found: tuple[Version, ...],
) -> None:
    failed, _, passed, held = found
    plan = planned.promote(failed, found)
    assert "Version 4 takes the place of version 3 in production" in plan.happens
    assert "against the gate's verdict" in plan.against
    assert planned.promote(passed, found).against == ""
    against = planned.promote(held, found).against
    assert "not judged" in against
    assert f"on hold** by ana ({plain(EVIL)})" in against
    assert "where no version is now" in planned.promote(failed, [failed]).happens


def test_production_is_rolled_back_to_the_previous_version_unless_that_is_on_hold() -> None:
    with answering(Answers(versions={"a": four(), "b": four()[:2]})) as answers:
        found, alone = (ask_versions(ApiClient(answers.url), name) for name in "ab")
    plan = planned.roll_back(found)
    assert plan is not None
    assert (plan.version, plan.title) == (3, "Roll back to version 2")
    assert planned.roll_back(alone) is None
    assert "no previous version" in planned.no_way_back(alone)
    held = [Version(**{**vars(v), "held": found[3].held}) for v in found]
    assert planned.roll_back(held) is None
    assert "on hold" in planned.no_way_back(held)


def test_no_move_without_a_reason_of_bounded_length_and_a_tick_where_asked() -> None:
    assert "reason" in unmet("", agreed=True)
    assert "500" in unmet("x" * 501, agreed=True)
    assert "Tick" in unmet("because", agreed=False)
    assert unmet("because", agreed=True) == ""


def page(url: str) -> None:
    from dashboard.guard import problems_shown
    from dashboard.pages.models import render
    from leafgate.settings import Settings

    with problems_shown():
        render(Settings(_env_file=None, api_url=url))  # type: ignore[call-arg]


def opened(answers: Answers, *scopes: str) -> AppTest:
    app = AppTest.from_function(page, kwargs={"url": answers.url}, default_timeout=60)
    app.session_state["sign_in"] = SignIn("ada", "token", frozenset(scopes), 1e12)
    return app.run()


def text(app: AppTest) -> str:
    parts = (app.markdown, app.caption, app.info, app.success, app.error, app.warning)
    return "\n".join(str(element.value) for kind in parts for element in kind)


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


def test_the_page_asks_once_for_each_thing_and_shows_the_report_inline(answers: Answers) -> None:
    app = opened(answers, "admin")
    assert not app.exception
    assert len(answers.asked) == len(set(answers.asked)) == 5
    assert [metric.value for metric in app.metric] == ["Version 3", "Version 2", "Version 4"]
    told = text(app)
    assert "since 4 Mar 2026\\, 10\\:00 UTC, by ben" in told
    assert plain("leaf-classifier version 4 is held back: class_recall, latency not passed") in told
    assert "Dashed line: stage 2 begins in epoch 9" in told
    before = len(answers.asked)
    app.run()
    assert [each.split("?")[0] for each in answers.asked[before:]] == [
        f"GET /models/{CLASSIFIER}/versions",
        f"GET /models/{CLASSIFIER}/audit",
    ]


def test_who_is_no_admin_sees_no_move_but_a_quiet_line(answers: Answers) -> None:
    app = opened(answers, "predict")
    assert not [each.label for each in app.button]
    assert "need the scope admin" in text(app)


def confirming(url: str, how: str) -> None:
    """What the dialog of a move holds, by itself: AppTest shows none for longer than one run."""
    import streamlit as st

    from dashboard.calls.model_versions import versions
    from dashboard.client import ApiClient
    from dashboard.versions import planned
    from dashboard.versions.moves import confirm, show_outcome
    from leafgate.settings import Settings

    found = versions(ApiClient(url), "leaf-classifier")
    plan = planned.roll_back(found) if how == "rollback" else planned.promote(found[0], found)
    if "begun" not in st.session_state:
        st.session_state["begun"] = st.session_state["move_open"] = "right"
    show_outcome("leaf-classifier")
    if plan:
        confirm(Settings(_env_file=None, api_url=url), "leaf-classifier", plan, "right")  # type: ignore[call-arg]


def dialog(answers: Answers, how: str) -> AppTest:
    app = AppTest.from_function(
        confirming, kwargs={"url": answers.url, "how": how}, default_timeout=60
    )
    app.session_state["sign_in"] = SignIn("ada", "token", frozenset({"admin"}), 1e12)
    return app.run()


def confirmed(app: AppTest, reason: str) -> AppTest:
    app.text_area[0].input(reason)
    return app.button[0].click().run()


def test_a_roll_back_asks_for_a_reason_moves_once_and_says_what_became_of_it(
    answers: Answers,
) -> None:
    app = dialog(answers, "rollback")
    assert "Version 2 comes back into production in place of version 3" in text(app)
    assert "Give a reason" in text(confirmed(app, "  "))
    assert answers.moves == []
    confirmed(app, "it takes rust\nfor scab")
    done = {"how": "rollback", "version": 3, "reason": "it takes rust for scab"}
    assert answers.moves == [done]
    assert plain("version 3: rollback done") in text(app)
    assert plain("version 3: rollback done") in text(app.run())
    assert "confirmed already" in text(confirmed(app, "once more"))
    assert answers.moves == [done]


def test_a_refused_move_is_told_with_its_remedy_and_can_be_tried_again(answers: Answers) -> None:
    answers.refusal = {"detail": "version 2 is on hold", "fix": "release it", "code": "on_hold"}
    app = confirmed(dialog(answers, "rollback"), "because")
    assert "Version 2 is on hold. What to do: Release it." in text(app)
    answers.refusal = None
    confirmed(app, "because")
    assert len(answers.moves) == 1


def test_promoting_against_the_gate_needs_a_tick(answers: Answers) -> None:
    app = dialog(answers, "promote")
    assert "against the gate's verdict" in text(app)
    assert "Tick the box" in text(confirmed(app, "the field needs it"))
    assert answers.moves == []
    app.checkbox[0].check()
    confirmed(app, "the field needs it")
    assert answers.moves == [{"how": "promote", "version": 4, "reason": "the field needs it"}]


def test_a_button_opens_the_dialog_that_says_what_will_happen(answers: Answers) -> None:
    app = opened(answers, "admin")
    assert [each.label for each in app.button] == [
        "Roll back to version 2",
        "Promote this version",
        "Hold this version",
    ]
    button(app, "Hold this version").click().run()
    assert "Version 4 is put on hold" in text(app)
    assert [each.label for each in app.text_area] == ["Reason for holding"]


def test_a_model_without_versions_says_how_to_train_and_judge_one(answers: Answers) -> None:
    answers.versions = {}
    app = opened(answers, "admin")
    assert "leafgate train classifier --data DIR" in text(app)
    assert "leafgate gate leaf-classifier" in text(app)


def test_a_version_in_production_is_found_among_many_newer_ones(answers: Answers) -> None:
    newer = [answer(number, created_at_utc="2026-03-01T08:00:00Z") for number in range(30, 10, -1)]
    answers.versions = {CLASSIFIER: newer}
    app = opened(answers, "predict")
    assert [each for each in answers.asked if "versions?limit=" in each] == [
        f"GET /models/{CLASSIFIER}/versions?limit={limit}" for limit in (20, 100)
    ]
    assert not app.exception
