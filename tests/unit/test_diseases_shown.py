"""The Diseases page: its figures are the queries' results, and drift is told in plain words."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from dashboard import disease_charts, feedback_charts
from dashboard.disease_figures import OTHER, DiseaseFigures, over_time_frame, over_time_table
from dashboard.drift_shown import shares_alt, shares_chart
from dashboard.drift_words import figures_table, needed, said_of, shares_table
from dashboard.names import readable
from dashboard.pages.diseases import version_number
from dashboard.time_range import CUSTOM, TimeRange
from leafgate.metrics.drift import Verdict, distance, even_bins, worst
from leafgate.settings import Settings
from serving.routes.health import Reference as Told
from sql import Entry, FeedbackRecord, Span, analytics, open_database
from sql.analytics import ClassCount, ClassVolume, Confidences, Drift, Only, Reference, Unknowns
from sql.storing import store_entries
from tests.commands import free_port
from tests.random_log import START, random_entries, store_out_of_order
from tests.shown_pages import alts, api_that_serves, metrics, opened, read, said

FILLED = {"range": CUSTOM, "from": "2026-03-27", "to": "2026-03-30"}
SPAN = TimeRange(CUSTOM, date(2026, 3, 27), date(2026, 3, 30)).span()
HOUR = timedelta(hours=1)
TWO = Span(START, START + 2 * HOUR, HOUR)
SURE = [0] * 40 + [10] * 10


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[sa.Engine]:
    """With a correction for every fifth image."""
    path = tmp_path_factory.mktemp("diseases") / "log.db"
    shutil.copy(migrated_file, path)
    engine = open_database(f"sqlite:///{path}")
    entries = random_entries(300)
    store_out_of_order(engine, entries)
    images = [image for entry in entries for image in entry.predictions][::5]
    store_entries(
        engine,
        [
            Entry(
                feedback=FeedbackRecord(
                    id=f"feedback-{number}",
                    at_utc=image.at_utc + HOUR,
                    prediction_id=image.id,
                    true_class=("rust", "scab")[number % 2],
                )
            )
            for number, image in enumerate(images)
        ],
    )
    yield engine
    engine.dispose()


def over(settings: Settings, log: sa.Engine, api: str = "") -> Settings:
    away = f"http://127.0.0.1:{free_port()}"
    changed = {"database_url": str(log.url), "api_url": api or away, "classifier_name": "leaf"}
    return settings.model_copy(update=changed)


def test_the_figures_on_the_page_are_the_queries_results(
    log: sa.Engine, settings: Settings
) -> None:
    reference = Told(classes={"rust": 900, "scab": 50, "fäule": 50}, confidences=tuple(SURE))
    with api_that_serves(reference, version=2) as api:
        page = opened("diseases", over(settings, log, api), **FILLED).run()
    counts = analytics.disease_frequency(log, SPAN)
    leaves, unknown = sum(each.count for each in counts), sum(each.unknown for each in counts)
    accuracy = analytics.feedback_accuracy(log, SPAN).all
    assert accuracy is not None
    share = accuracy.share
    assert metrics(page) == {
        "Leaves": f"{leaves:,}",
        "Told as unknown": f"{unknown / leaves:.1%}",
        "Mean confidence": f"{analytics.confidence_distribution(log, SPAN).mean:.1%}",
        "Classes answered": "3",
        "Right, by feedback": f"{share.value:.1%}",
        "95 % interval": f"{share.low:.1%} to {share.high:.1%}",
        "Answers with feedback": f"{accuracy.answers:,}",
    }
    table = page.table[0].value
    assert table["leaves"].tolist() == [f"{each.count:,}" for each in counts]
    assert table["class"].tolist() == [readable(each.class_name) for each in counts]
    told = analytics.drift(log, SPAN, Reference(2, reference.classes, reference.confidences))
    assert read(said_of(told).meaning) in said(page)
    assert "version 2" in said(page)
    assert all(alts(page)), "every chart says what it shows"


def test_what_stands_in_the_url_limits_what_was_answered(
    log: sa.Engine, settings: Settings
) -> None:
    limits = {"by_version": "2", "asked_by": "user", "user": "müller", "disease": "Fäule"}
    page = opened("diseases", over(settings, log), **FILLED, **limits).run()
    only = Only(version=2, user="müller", class_name="fäule")
    (count,) = analytics.disease_frequency(log, SPAN, only)
    shown = metrics(page)
    assert (shown["Leaves"], shown["Classes answered"]) == (f"{count.count:,}", "1")
    assert shown["Mean confidence"] == f"{count.mean_confidence:.1%}"
    assert set(limits) <= set(page.query_params)


@pytest.mark.parametrize(
    "limits", [{"by_version": "77"}, {"by_version": "two"}, {"disease": "Blight"}]
)
def test_a_link_to_what_was_not_answered_says_so(
    log: sa.Engine, settings: Settings, limits: dict[str, str]
) -> None:
    page = opened("diseases", over(settings, log), **FILLED, **limits).run()
    assert "Leaves" not in metrics(page)
    assert "No leaf of that choice was diagnosed" in said(page)


def test_an_api_that_is_away_costs_the_drift_alone(log: sa.Engine, settings: Settings) -> None:
    page = opened("diseases", over(settings, log), **FILLED).run()
    assert {"Leaves", "Right, by feedback"} <= set(metrics(page))
    (problem,) = page.error
    assert "leafgate serve" in problem.value


def test_an_empty_log_without_a_model_says_what_to_do(
    settings: Settings, embedded: sa.Engine
) -> None:
    with api_that_serves(None) as api:
        page = opened("diseases", over(settings, embedded, api)).run()
    assert metrics(page) == {}
    told = said(page)
    for wanted in (
        "Diagnose one on the Diagnose page",
        "POST /feedback",
        "nothing to compare with",
    ):
        assert wanted in told
    assert not page.error


def test_a_version_that_is_no_number_is_that_of_no_answer() -> None:
    assert version_number("12") == 12
    assert {version_number(text) for text in ("two", "-3", "٣", "9" * 30, "")} == {-1}


def of_classes(count: int) -> DiseaseFigures:
    """So many, the first the most frequent, in two buckets."""
    names = [f"class_{number}" for number in range(count)]
    counts = tuple(ClassCount(name, 2 * (20 - n), 1, 0.5) for n, name in enumerate(names))
    volume = tuple(
        ClassVolume(at, each.class_name, each.count // 2) for at in TWO.starts for each in counts
    )
    total = sum(each.count for each in counts)
    unknowns = tuple(Unknowns(at, total // 2, count // 2) for at in TWO.starts)
    return DiseaseFigures(TWO, counts, volume, unknowns, Confidences((total,) + (0,) * 49, 0.5))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 15])
def test_every_leaf_is_in_a_series_and_every_series_has_a_colour_of_its_own(count: int) -> None:
    found = of_classes(count)
    frame = over_time_frame(found)
    assert frame["leaves"].sum() == found.leaves
    colours = disease_charts.colours(found)
    assert set(frame["class"]) == set(colours)
    assert len(set(colours.values())) == len(colours) <= 8
    assert (OTHER in colours) == (count > 8)
    table = over_time_table(found)
    shown = [sum(int(row[name]) for name in colours) for row in table.to_dict("records")]
    assert shown == [found.leaves // 2] * 2


def compared(
    then: Mapping[str, int], now: Mapping[str, int], sure: list[int], sure_now: list[int]
) -> Drift:
    names = sorted({*then, *now})
    classes = distance([then.get(n, 0) for n in names], [now.get(n, 0) for n in names])
    confidences = distance(*even_bins(sure, sure_now))
    verdict: Verdict = "too_few"
    if classes.enough and confidences.enough:
        verdict = worst((classes.verdict, confidences.verdict))
    reference, answers = Reference(1, then, sure), Reference(1, now, sure_now)
    return Drift(answers, reference, classes, confidences, verdict, "")


def sure_of(total: int) -> list[int]:
    return [0] * 40 + [total // 10] * 10


def test_steady_answers_need_nothing_done() -> None:
    told = said_of(
        compared({"rust": 500, "scab": 500}, {"rust": 490, "scab": 510}, *[sure_of(1000)] * 2)
    )
    assert (told.heading, told.kind, told.advice) == (
        "Steady",
        "success",
        "Nothing has to be done.",
    )


def test_drift_is_told_by_the_class_that_moved_and_what_to_do() -> None:
    unsure = [20] * 50
    drift = compared(
        {"leaf_rust": 500, "scab": 500}, {"leaf_rust": 900, "scab": 100}, sure_of(1000), unsure
    )
    told = said_of(drift)
    assert told.heading == "Drifted"
    assert "Leaf rust is answered more often (90% instead of 50%)" in read(told.meaning)
    assert "the model is less sure (50% on average instead of 90%)" in read(told.meaning)
    assert "train it again" in told.advice
    assert "90% instead of 50%" in shares_alt(drift)
    assert shares_table(drift)["change, points"].tolist() == ["+40.0", "-40.0"]
    assert figures_table(drift)["verdict"].tolist() == ["Drifted", "Drifted"]
    assert shares_chart(drift).to_dict()["height"] > 0


def test_too_few_answers_are_told_with_how_many_it_takes() -> None:
    drift = compared({"rust": 500, "scab": 500}, {"rust": 3}, sure_of(1000), [0] * 49 + [3])
    enough = needed(drift)
    assert enough is not None
    assert f"There are 3; about {enough} are needed" in said_of(drift).meaning
    nothing = compared({"rust": 500, "scab": 500}, {}, sure_of(1000), [0] * 50)
    assert figures_table(nothing)["PSI"].tolist() == ["none", "none"]


def test_a_model_that_was_checked_with_too_few_pictures_is_told_as_such() -> None:
    drift = compared({"rust": 5, "scab": 5}, {"rust": 900, "scab": 100}, sure_of(10), sure_of(1000))
    assert needed(drift) is None
    assert said_of(drift).heading == "Too few pictures when checked"


def test_feedback_is_told_with_its_interval_and_a_caution(log: sa.Engine) -> None:
    found = analytics.feedback_accuracy(log, SPAN)
    table = feedback_charts.scores_table(found)
    rust = next(score for score in found.by_true if score.name == "rust")
    row = table[table["class"] == "Rust"].to_dict("records")[0]
    share = rust.share
    assert row[feedback_charts.RECALL] == (
        f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {rust.answers})"
    )
    assert "no estimate of the accuracy of all answers" in feedback_charts.caution(found.by_true)
    worst_mistake = feedback_charts.mistakes(found)[0]
    assert f"told as {readable(worst_mistake.told)}" in feedback_charts.confusion_alt(found)
    few = analytics.feedback_accuracy(log, Span(SPAN.since, START + 5 * HOUR))
    assert f"fewer than {feedback_charts.FEW}" in feedback_charts.caution(few.by_true)
