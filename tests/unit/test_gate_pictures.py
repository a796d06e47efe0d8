"""The pictures of the gate's report: one a check that needs one, whatever the evidence is like."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from registry.checks import CHECKS, Evidence, ModelKind, Verdict, judge
from registry.checks.kernel_distance import kernel_distance
from registry.gate_pictures import PICTURES, draw_pictures
from registry.gate_pictures.picture import bound_in
from tests.evidence import (
    BOUNDS,
    answers,
    classifier_evidence,
    generator_evidence,
    image_files,
    judged,
    likeness,
    origin,
)

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return image_files(tmp_path_factory.mktemp("leaves"), 60)


def seen_evidence(kind: ModelKind, files: tuple[Path, ...], **overrides: Any) -> Evidence:
    """Evidence with files, and a leak: everything that is drawn can be."""
    if kind == "generator":
        return generator_evidence(likeness=likeness(train_files=files[:30]), **overrides)
    leaking = replace(origin(), seen=(f"{files[0].parent.name}/000.png",))
    return classifier_evidence(files=files, origin=leaking, **overrides)


CASES: list[tuple[ModelKind, str]] = [
    (kind, check)
    for kind, pictures in PICTURES.items()
    for check in pictures
    if (kind, check) != ("generator", "no_leak")  # a generator's test images are not at hand
]


@pytest.mark.parametrize(("kind", "check"), CASES)
def test_every_check_has_its_picture(kind: ModelKind, check: str, files: tuple[Path, ...]) -> None:
    evidence = seen_evidence(kind, files)
    verdict = judge(kind, check, evidence, BOUNDS[kind][check])
    png = draw_pictures(kind, evidence, [verdict])[check]
    width, height = Image.open(io.BytesIO(png)).size
    assert 130 < width < 1000
    assert height > 100


def test_only_checks_that_exist_have_pictures_and_all_say_how_to_read_them() -> None:
    for kind, pictures in PICTURES.items():
        assert set(pictures) <= set(CHECKS[kind])
        assert all(picture.shows and picture.reading for picture in pictures.values())


def test_the_pictures_of_failed_checks_come_first(files: tuple[Path, ...]) -> None:
    evidence = seen_evidence("classifier", files)
    good = judge("classifier", "accuracy", evidence, {"at_least": 0.8})
    bad = judge("classifier", "macro_f1", evidence, {"at_least": 0.99})
    assert list(draw_pictures("classifier", evidence, [good, bad])) == ["macro_f1", "accuracy"]


def failed(*checks: str) -> list[Verdict]:
    return [Verdict(check, False, float("nan"), "at least 0.5", "odd") for check in checks]


ALL = tuple(PICTURES["classifier"])
ODD_NAMES = ("<b>rust</b> $5", "blight $ \\frac{$", "a very long name " * 6)
FAR = (Path("gone.png"),) * 60


@pytest.mark.parametrize(
    ("changes", "checks", "drawn"),
    [
        ({"answers": answers(20, labels=ODD_NAMES)}, ("accuracy", "class_recall"), 2),
        ({"answers": answers(3, confidence=np.full(60, np.nan))}, ("calibration", "finite"), 1),
        ({"answers": answers(3, predicted=np.full(60, -1))}, ("accuracy", "macro_f1"), 2),
        ({"answers": answers(60), "files": FAR}, ("class_recall", "champion"), 2),
        ({"answers": answers(0, images=0), "champion": None, "forms": {}}, ALL, None),
        (dict.fromkeys(("champion", "forms", "corrupted", "strangers", "latency", "origin")),
         ("champion", "engine_forms", "robustness", "unknowns", "latency", "no_leak"), 0),
    ],
    ids=["names", "no numbers", "no class", "no files", "no images", "nothing measured"],
)  # fmt: skip
def test_odd_evidence_of_a_classifier_is_drawn_or_left_out(
    changes: dict[str, Any], checks: tuple[str, ...], drawn: int | None
) -> None:
    found = draw_pictures("classifier", classifier_evidence(**changes), failed(*checks))
    assert all(png.startswith(PNG) for png in found.values())
    assert drawn is None or len(found) == drawn


GREY = np.zeros((30, 16, 16, 1), np.uint8)


@pytest.mark.parametrize(
    ("changes", "checks", "drawn"),
    [
        ({"outputs": np.full((2, 4, 4, 3), np.nan, np.float32)}, ("finite", "in_range"), 0),
        ({"images": GREY, "real": GREY[:2]}, ("not_collapsed", "diverse"), 2),
        ({"likeness": likeness(2)}, ("kernel_distance", "coverage"), 2),
        ({"likeness": likeness(1)}, ("kernel_distance", "coverage", "memorised"), None),
        ({"likeness": likeness(train_files=FAR, champion=None)}, ("memorised", "champion"), 0),
        ({"likeness": None, "gain": None}, ("coverage", "memorised", "augmentation_gain"), 0),
    ],
    ids=["no numbers", "grey and few", "two", "one", "no files", "nothing measured"],
)
def test_odd_evidence_of_a_generator_is_drawn_or_left_out(
    changes: dict[str, Any], checks: tuple[str, ...], drawn: int | None
) -> None:
    found = draw_pictures("generator", generator_evidence(**changes), failed(*checks))
    assert all(png.startswith(PNG) for png in found.values())
    assert drawn is None or len(found) == drawn


MADE_UP: dict[ModelKind, Callable[..., Evidence]] = {
    "classifier": classifier_evidence,
    "generator": generator_evidence,
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_the_line_in_a_picture_is_the_bound_of_the_policy(kind: ModelKind) -> None:
    for check in PICTURES[kind]:
        asked = next(iter(BOUNDS[kind][check].values()), None)
        if asked is not None:
            shift = 1 if check == "in_range" else 0
            verdict = judge(kind, check, MADE_UP[kind](), BOUNDS[kind][check])
            assert bound_in(verdict) == pytest.approx(float(asked) + shift), check


def test_a_tiny_bound_is_read_too() -> None:
    assert bound_in(kernel_distance(generator_evidence(), at_most=1e-07)) == 1e-07


@pytest.mark.parametrize("kind", MADE_UP)
def test_the_made_up_evidence_passes_its_bounds(kind: ModelKind) -> None:
    assert [item.check for item in judged(kind, MADE_UP[kind]()) if not item.passed] == []
