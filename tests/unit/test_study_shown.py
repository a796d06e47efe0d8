"""The page Study: what an augmentation experiment found, and what it did not show."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.calls.model_versions import Study
from dashboard.client import SignIn
from dashboard.forest import forest_plot, rows, table, verdict, words
from dashboard.pages.study import about_table
from dashboard.plain_text import plain
from tests.model_answers import EVIL, Answers, answering, study


def made(**changes: Any) -> Study:
    told = {**study(), **changes}
    return Study(**{**told, "arms": tuple(told["arms"])})


@pytest.mark.parametrize(
    ("low", "high", "kind", "told"),
    [
        (0.004, 0.041, "helps", "Generated pictures help"),
        (-0.01, 0.041, "not shown", "not shown to help"),
        (0.0, 0.041, "not shown", "not shown to help"),
        (-0.05, -0.01, "harms", "Generated pictures harm"),
        (None, 0.041, "unknown", "cannot be told"),
    ],
)
def test_the_verdict_follows_from_where_the_interval_lies(
    low: float | None, high: float, kind: str, told: str
) -> None:
    found, sentence = verdict(made(low=low, high=high))
    assert found == kind
    assert told in sentence


def test_arms_stand_as_stored_and_the_whole_at_the_bottom() -> None:
    found = rows(made())
    assert [row.name for row in found] == ["5 images a class", EVIL, "All together"]
    assert found[-1].told == "+0.023 (+0.004 to +0.041)"
    drawn = forest_plot(made()).to_dict()
    assert drawn["layer"][2]["encoding"]["y"]["sort"] == [row.name for row in found]


def test_arms_of_one_name_and_arms_without_figures_stay_apart() -> None:
    arms = [{"name": "a", "value": 0.1}, {"name": "a", "value": 0.2}, {"name": "b"}, {"value": 1}]
    found = rows(made(arms=arms))
    assert [row.name for row in found] == ["a", "a (2)", "arm 4", "All together"]
    assert found[0].told == "+0.100"
    assert list(table(made(arms=arms))["95 % interval"])[:2] == ["–", "–"]


def test_the_plot_is_told_to_who_cannot_see_it() -> None:
    told = words(made())
    assert told.startswith("Forest plot of the gain in macro F1 by generated pictures")
    assert "5 images a class +0.050 (+0.010 to +0.090)" in told


def test_what_was_compared_is_told_as_stored() -> None:
    found = about_table({"data_digest": "ab", "seeds": [1, 2], "cost": {"hours": 3}, EVIL: EVIL})
    assert list(found["Value"]) == ["ab", "1\\, 2", "hours\\: 3", plain(EVIL)]


def page(url: str) -> None:
    from dashboard.guard import problems_shown
    from dashboard.pages.study import render
    from leafgate.settings import Settings

    with problems_shown():
        render(Settings(_env_file=None, api_url=url))  # type: ignore[call-arg]


@pytest.fixture
def answers() -> Iterator[Answers]:
    with answering(Answers()) as started:
        yield started


def opened(answers: Answers) -> AppTest:
    app = AppTest.from_function(page, kwargs={"url": answers.url}, default_timeout=60)
    app.session_state["sign_in"] = SignIn("ada", "token", frozenset(), 1e12)
    return app.run()


def test_without_a_study_the_page_says_what_one_is_and_where_it_is_read_from(
    answers: Answers,
) -> None:
    app = opened(answers)
    (told,) = app.info
    assert "study/gain.json" in told.value
    assert "leafgate study" not in told.value


def test_of_several_studies_one_is_chosen(answers: Answers) -> None:
    answers.studies = [study(7), {**study(5), "value": -0.03, "low": -0.05, "high": -0.01}]
    app = opened(answers)
    assert not app.exception
    assert "Generated pictures help" in app.success[0].value
    app.selectbox[0].select(5).run()
    assert "Generated pictures harm" in app.error[0].value
