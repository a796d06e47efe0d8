"""The page Models: what is told of versions, and what of them is text of others."""

from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.calls.model_versions import (
    AuditLine,
    Confusion,
    Curve,
    Story,
    Version,
    story,
    todays_name,
)
from dashboard.calls.model_versions import versions as ask_versions
from dashboard.client import ApiClient
from dashboard.plain_text import plain, prose
from dashboard.versions.audit import audit_table, shown, what
from dashboard.versions.comparison import (
    headline_frame,
    headline_words,
    metrics_side_by_side,
    params_side_by_side,
)
from dashboard.versions.confusion import cells, mistakes, words
from dashboard.versions.curves import figures, second_stage
from dashboard.versions.figures import headlines, with_interval, written
from dashboard.versions.gate_report import read
from dashboard.versions.lineage import is_web_address
from dashboard.versions.told import compared_first, moment, versions_table
from tests.model_answers import EVIL, LABELS, ROWS, Answers, answering, curves, record, report
from tests.model_answers import versions as four

CLASSIFIER, GENERATOR = "leaf-classifier", "leaf-generator"


@pytest.fixture
def answers() -> Iterator[Answers]:
    with answering(Answers(versions={CLASSIFIER: four()})) as started:
        yield started


@pytest.fixture
def found(answers: Answers) -> tuple[Version, ...]:
    return ask_versions(ApiClient(answers.url), CLASSIFIER)


def stories(answers: Answers, *numbers: int) -> list[Story]:
    return [story(ApiClient(answers.url), CLASSIFIER, number) for number in numbers]


def test_text_of_others_is_shown_as_it_stands() -> None:
    """No mark is left that Markdown reads, and none that is read after the marks."""
    shown = plain(EVIL)
    for mark in "<>*[]()`$#:":
        assert shown.count(mark) == shown.count(f"\\{mark}")
    unmarked = shown.replace("\\", "")
    assert unmarked.replace("\u2060", "") == EVIL
    for late in (":tada:", "http://"):
        assert late not in unmarked
    assert "www." not in plain("www.evil.example")
    assert "a@b.c" not in plain("a@b.c").replace("\\", "")
    assert plain("2026-03-05T12:30:15") == "2026\\-03\\-05T12\\:30\\:15"
    assert plain("two\n\n# lines") == "two \\# lines"


def test_prose_is_a_sentence_and_sets_commands_as_code() -> None:
    assert prose("give `leafgate gate` *again*") == "Give `leafgate gate` \\*again\\*."
    assert prose("is it?") == "Is it\\?"


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.8141, "0.814"), (12, "12"), (1234.5, "1,234.5"), (0.00005, "5.00e-05"), (0.0, "0.000")],
)
def test_figures_have_the_digits_that_a_person_reads(value: float, told: str) -> None:
    assert written(value) == told


def test_a_figure_comes_with_its_interval_where_one_was_logged() -> None:
    metrics = {"a": 0.814, "a_low": 0.764, "a_high": 0.845, "kid": 0.03, "kid_sd": 0.002, "b": 1.5}
    assert with_interval(metrics, "a") == "0.814 (0.764 to 0.845)"
    assert with_interval(metrics, "kid") == "0.030 (sd 0.002)"
    assert with_interval(metrics, "b") == "1.500"
    assert with_interval(metrics, "none") == "–"


def test_the_figures_that_decide_are_found_for_either_kind_of_model() -> None:
    logged = {"test_accuracy": 1.0, "test_accuracy_low": 1.0, "test_accuracy_int8": 1.0, "loss": 1}
    assert [each.title for each in headlines([logged])] == ["Accuracy"]
    logged = {"test_kid_classifier": 0.1, "test_kid_classifier_sd": 0.1, "test_fid": 9.0}
    told = [each.title for each in headlines([logged, {"test_coverage_pixels": 0.5}])]
    assert told == ["Kernel distance (classifier)", "Fréchet distance", "Coverage (pixels)"]
    lite = {"test_kd_lite0": 0.1, "test_kd_lite0_noise": 2.0, "test_fd_lite0": 9.0}
    told = [each.title for each in headlines([lite])]
    assert told == ["Kernel distance (lite0)", "Fréchet distance (lite0)"]


def test_kernel_distances_of_older_versions_are_shown_under_todays_name() -> None:
    assert todays_name("test_kid_classifier_sd") == "test_kd_classifier_sd"
    assert todays_name("validation_kid_pixels") == "validation_kd_pixels"
    for name in ("test_kid", "test_kid_sd", "test_kid_reference", "test_kd_lite0", "kid_pixelsize"):
        assert todays_name(name) == name


def test_the_table_tells_alias_verdict_hold_and_figures(found: tuple[Version, ...]) -> None:
    table = versions_table(found)
    assert list(table["Version"]) == ["4", "3", "2", "1"]
    assert list(table["Gate"]) == ["✗ failed", "✓ passed", "✓ passed", "○ not judged"]
    assert list(table["On hold"]) == ["no", "no", "no", "by ana"]
    assert table["Accuracy"][0] == plain("0.840 (0.780 to 0.860)")


def test_times_are_told_in_utc_and_what_is_none_as_it_is() -> None:
    assert moment("2026-03-01T13:05:00+01:00") == "1 Mar 2026, 12:05"
    assert moment("2026-03-01T12:05:00") == "1 Mar 2026, 12:05"
    assert moment("yesterday") == "yesterday"
    assert moment(None) == "–"


def test_production_is_compared_with_the_candidate(found: tuple[Version, ...]) -> None:
    assert compared_first(found) == [3, 4]
    assert compared_first(found[1:]) == [2, 3]  # no candidate: the one before
    assert compared_first(found[3:]) == [1]


def test_all_figures_stand_side_by_side_with_how_they_differ(found: tuple[Version, ...]) -> None:
    table = metrics_side_by_side((found[1], found[0])).set_index("Figure")
    assert list(table.columns) == [
        *(f"Version {plain('3 (production)')}", f"Version {plain('4 (staging)')}", "Difference")
    ]
    assert list(table.index) == [plain(f"test_{n}") for n in ("accuracy", "ece", "macro_f1")] + [
        plain("val_loss")
    ]
    assert table["Difference"][plain("test_accuracy")] == plain("≠ +0.010")
    assert table["Difference"][plain("test_ece")] == ""
    three = metrics_side_by_side(found[:3]).set_index("Figure")
    assert three["Difference"][plain("test_accuracy")] == "≠"


def test_settings_that_are_the_same_are_left_out_unless_asked_for(answers: Answers) -> None:
    told = stories(answers, 3, 4)
    assert list(params_side_by_side(told, only_differing=True)["Setting"]) == ["seed"]
    assert len(params_side_by_side(told, only_differing=False)) == 3


def test_the_chart_of_a_figure_says_what_it_shows(found: tuple[Version, ...]) -> None:
    (accuracy, *_) = headlines(version.metrics for version in found)
    both = (found[1], found[0])
    assert headline_words(accuracy, both) == (
        "Accuracy, higher is better: version 3 (production): 0.830 (0.780 to 0.860); version 4 "
        "(staging): 0.840 (0.780 to 0.860)"
    )
    assert list(headline_frame(accuracy, both)["low"]) == [0.78, 0.78]


def logged() -> tuple[Curve, ...]:
    return tuple(Curve(c["metric"], tuple((e, v) for e, v in c["points"])) for c in curves())


def test_training_and_validation_share_a_chart() -> None:
    told = {figure.title: list(figure.curves) for figure in figures(logged())}
    assert told == {
        "Loss": ["training", "validation"],
        "Accuracy": ["training", "validation"],
        "Macro F1": ["validation"],
        "Learning rate": ["learning rate"],
    }


def test_curves_of_a_generator_are_grouped_and_unknown_ones_shown_alone() -> None:
    names = ("d_loss", "g_loss", "validation_kd_classifier", "seconds", "test_kid")
    told = figures([Curve(name, ((1, 0.5), (2, 0.4))) for name in names])
    assert [figure.title for figure in told] == [
        "Losses of the two networks",
        "Validation kd classifier",
    ]


def test_the_second_stage_is_where_the_run_says_so() -> None:
    stages = Curve("stage_number", ((1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)))
    assert second_stage([*logged(), stages], {}) == 3
    assert second_stage([Curve("stage_number", ((1, 1.0),))], {}) is None
    assert "Stage number" not in [figure.title for figure in figures([stages])]


def test_of_older_runs_the_second_stage_is_seen_in_the_learning_rate() -> None:
    assert second_stage(logged(), {"stage2_learning_rate": "5e-05"}) == 9
    assert second_stage(logged(), {"stage2_learning_rate": "1e-09"}) is None
    assert second_stage(logged(), {}) is None


def test_the_worst_confusions_come_first_and_are_told_in_words() -> None:
    confusion = Confusion("test", tuple(LABELS), tuple(map(tuple, ROWS)))
    first, second, *_ = mistakes(confusion)
    assert str(first) == "Tomato: Early blight taken for Tomato: Late blight (9 of 30)"
    assert (second.count, second.told, second.share) == (8, "Tomato: Leaf mold", 8 / 30)
    told = words(confusion)
    assert "152 test images and 4 classes: 120 (79%) are on the diagonal" in told
    assert told.index("(9 of 30)") < told.index("(8 of 30)") < told.index("(7 of 40)")


def test_every_cell_has_its_share_of_the_row_and_none_is_divided_by_zero() -> None:
    told = cells(Confusion("test", ("rust", "Rust"), ((3, 1), (0, 0))))
    assert list(told["share"]) == [0.75, 0.25, 0.0, 0.0]
    assert list(told["text"]) == ["3", "1", "", ""]
    assert set(told["true"]) == {"rust", "Rust"}  # both would read "Rust"


def test_a_report_says_what_failed_first_and_how_sure_it_is() -> None:
    told = read(report())
    assert [check.name for check in told.failed] == ["class_recall", "latency"]
    assert [check.answer for check in told.checks] == ["Yes", "No", "Not known"]
    assert told.failed[0].how_sure.endswith(
        "61 of 100 cases. More images are needed to be certain."
    )
    assert told.failed[1].how_sure == ""
    assert told.facts["In production when judged"] == "version 3"
    assert told.judged == "Judged 5 Mar 2026, 12:00 UTC by ana."


@pytest.mark.parametrize(
    "told", [{}, {"verdicts": None}, {"verdicts": ["x", {}]}, {"verdicts": [{"figure": "much"}]}]
)
def test_a_report_that_lacks_parts_is_read_all_the_same(told: dict[str, Any]) -> None:
    assert read(told).passed == ()


def line(**told: Any) -> AuditLine:
    return AuditLine(**record(1, **told))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (line(action="staged", by="registration"), "registered version 3"),
        (
            line(action="verdict", by="gate", outcome="held back"),
            "the gate judged version 3: held back",
        ),
        (
            line(action="moved", by="rollback", from_version=4),
            "went back to version 3, in place of version 4",
        ),
        (line(action="moved", by="force"), "put version 3 into production by force"),
        (line(action="moved", by="someone"), "put version 3 into production"),
        (line(action="held", by="person"), "put version 3 on hold"),
        (line(action="painted", by="x"), "painted version 3"),
    ],
)  # fmt: skip
def test_the_audit_is_told_in_words(told: AuditLine, words: str) -> None:
    assert what(told) == words


def test_only_a_move_that_has_not_ended_is_shown_as_begun() -> None:
    moving, moved = line(action="moving", by="gate"), line(action="moved", by="gate")
    assert shown([moved, moving]) == [moved]
    assert shown([moving, moved]) == [moving, moved]
    assert audit_table([moved])["Reason"][0] == plain(EVIL)


def test_a_link_leads_to_a_page_and_to_no_script() -> None:
    assert is_web_address("http://localhost:5000/#/models/leaf")
    assert not is_web_address("javascript:alert(1)")
    assert not is_web_address("")
