"""The page about a classifier: what it says, and that no class name becomes markup."""

import re
from dataclasses import replace
from html import unescape
from typing import NamedTuple

import numpy as np
import pytest

from leafgate.corruptions import CORRUPTIONS
from leafgate.metrics.statistics import Interval
from registry import (
    Classifier,
    Judgement,
    OutlierScore,
)
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier
from training.classifier.evaluation import Evaluation, evaluate, example_indices
from training.classifier.evaluation_page import page, pictures
from training.classifier.finished import FormTable, Side, judge_all

EVIL = "<script>alert('leaf')</script>"
LABELS = (EVIL, "rust & <b>blight</b>", "healthy")
FORMS = FormTable(
    {"fp32": 0.95, "bf16": 0.95, "int8": 0.91},
    {"fp32": 0.94, "bf16": 0.94, "int8": 0.92},
    "fp32",
    "int8 loses <4> points & more",
)


class Case(NamedTuple):
    """A classifier, the images it was judged on, and what came of it."""

    classifier: Classifier
    side: Side
    judged: Judgement
    result: Evaluation

    def page(self, result: Evaluation | None = None, drawn: dict[str, bytes] | None = None) -> str:
        """With pictures of one byte unless others are given."""
        shown = result or self.result
        tiny = dict.fromkeys(("confusion.png", "reliability.png", "robustness.png"), b".")
        return page(shown, drawn or tiny, self.classifier, self.side, self.judged)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Twelve pictures of three colours, the last of which is said to be of another class."""
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder, LABELS, temperature=0.5)
    plain = Classifier.load(folder, "openvino")
    truth = np.arange(12) % 3
    names = tuple(COLOURS)
    images = np.stack([np.asarray(colour_picture(names[c], n)) for n, c in enumerate(truth)])
    pooled = plain.outputs(images).pooled
    score = OutlierScore.fit(pooled, truth)
    score = score.with_threshold(score.score(pooled), 0.8)
    classifier = Classifier(plain.description, plain.engine, plain.head, score)
    truth = np.append(truth[:-1], 0)
    side = Side(images, truth, tuple(f"leaf {n // 2}" for n in range(12)))
    judged = judge_all(classifier, images)
    return Case(classifier, side, judged, evaluate(classifier, side, judged, FORMS))


def words(html: str) -> str:
    """What a reader sees."""
    return unescape(re.sub(r"<[^>]*>", " ", html))


def test_class_names_are_shown_and_never_run(case: Case) -> None:
    html = case.page()
    assert "<script" not in html.lower()
    assert "<b>blight" not in html
    assert html.count("&lt;script&gt;alert(") >= 4  # its row, and under its pictures
    assert EVIL in words(html)
    assert "rust & <b>blight</b>" in words(html)


def test_the_page_says_accuracy_and_macro_f1_with_their_intervals(case: Case) -> None:
    told = replace(
        case.result,
        accuracy=Interval(0.9171, 0.8312, 0.9784, 0.95),
        macro_f1=Interval(0.9022, 0.8003, 0.9651, 0.95),
    )
    html = " ".join(words(case.page(told)).split())
    assert "Accuracy 0.917 (0.831 to 0.978)" in html
    assert "macro F1 0.902 (0.800 to 0.965)" in html
    assert "95 % bootstrap interval over leaf groups" in html
    assert "12 test images" in html
    assert "6 leaf groups" in html


def test_the_page_says_which_form_is_preferred_and_why(case: Case) -> None:
    html = case.page()
    assert "fp32 is preferred on a CPU: int8 loses <4> points & more." in words(html)
    assert "<4>" not in html
    assert row(html, "int8") == ["0.910", "0.920"]


def test_a_page_without_forms_says_nothing_of_them(case: Case) -> None:
    html = case.page(replace(case.result, forms=None))
    assert "preferred" not in html
    assert "int8" not in html


def test_every_class_and_every_change_has_its_row(case: Case) -> None:
    html = case.page()
    healthy = case.result.classes["healthy"]
    assert row(html, "healthy") == [
        str(healthy.support),
        *(f"{value:.3f}" for value in (healthy.precision, healthy.recall, healthy.f1)),
    ]
    for name in CORRUPTIONS:
        assert row(html, name)[0] == f"{case.result.robustness[name]['accuracy']:.3f}"
    assert row(html, "as taken")[0] == f"{11 / 12:.3f}"
    assert len(row(html, "as taken, 8 test-time views")) == 3


def test_calibration_is_told_before_and_after(case: Case) -> None:
    html, result = case.page(), case.result
    assert row(html, "before") == [
        f"{v:.3f}" for v in (1.0, result.before.error, result.before.log_loss)
    ]
    assert row(html, "after") == [
        f"{v:.3f}" for v in (0.5, result.after.error, result.after.log_loss)
    ]


def test_right_and_wrong_answers_are_shown_with_what_is_true(case: Case) -> None:
    right, wrong = case.page().split("Wrong answers")
    assert right.count("<figure>") == 11
    assert wrong.count("<figure>") == 1
    caption = re.findall(r"<figcaption>(.*?)</figcaption>", wrong)[0]
    assert unescape(caption).startswith("healthy (")
    assert f"in truth {EVIL}" in unescape(caption)
    assert "in truth" not in right


def test_pictures_called_unknown_are_marked_as_such(case: Case) -> None:
    unknown = sum(answer.unknown for answer in case.classifier.predict(case.side.images))
    assert unknown > 0
    html = case.page()
    assert html.count("; called unknown") == unknown
    assert f"{unknown / 12:.1%} of these images are called unknown" in words(html)


def test_a_model_without_a_score_for_unknown_images_is_said_to_have_none(case: Case) -> None:
    shown = {name: {**f, "unknown": float("nan")} for name, f in case.result.robustness.items()}
    html = case.page(replace(case.result, unknown=float("nan"), robustness=shown))
    assert "stored without a score for unknown images" in words(html)
    assert "nan" not in words(html)


def test_a_class_name_that_looks_like_a_formula_is_drawn_as_it_is(case: Case) -> None:
    named = ("rust $5", "blight $", "healthy \\frac{$")
    drawn = pictures(replace(case.result, labels=named))
    assert drawn["confusion.png"].startswith(b"\x89PNG")


def test_no_wrong_answer_is_said_to_be_none(case: Case) -> None:
    sound = Side(case.side.images, case.judged.logits.argmax(axis=1), case.side.groups)
    html = page(
        case.result, dict.fromkeys(pictures(case.result), b"."), case.classifier, sound, case.judged
    )
    assert html.split("Wrong answers")[1].count("<p>none</p>") == 1


def test_the_page_needs_nothing_from_elsewhere(case: Case) -> None:
    drawn = pictures(case.result)
    assert set(drawn) == {"confusion.png", "reliability.png", "robustness.png"}
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())
    html = case.page(drawn=drawn)
    sources = re.findall(r'src="([^"]{22})', html)
    assert len(sources) == 3 + 12
    assert set(sources) == {"data:image/png;base64,"}
    assert not re.findall(r"https?://|<link|url\(", html)


def test_examples_are_of_as_many_classes_as_there_are_the_surest_first() -> None:
    truth = np.array([0, 0, 0, 1, 2, 2])
    sure = np.array([9.0, 8.0, 7.0, 1.0, 3.0, 2.0])
    logits = np.eye(3)[[0, 0, 0, 1, 2, 0]] * sure[:, None]
    judged = Judgement(logits.astype(np.float32), np.zeros(6))
    assert example_indices(judged, truth, 4) == ([0, 4, 3, 1], [5])
    assert example_indices(judged, truth, 2) == ([0, 4], [5])


def row(html: str, name: str) -> list[str]:
    """The cells beside the one that says `name`."""
    rows = [re.findall("<td>(.*?)</td>", part) for part in re.split("</?tr>", html)]
    (found,) = [cells[1:] for cells in rows if cells[:1] == [name]]
    return found
