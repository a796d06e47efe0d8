"""Each check of the gate: passes for evidence built to pass, fails for evidence built to fail."""

from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from registry.checks import CHECKS
from registry.checks.evidence import ClassifierEvidence, GeneratorEvidence
from registry.policy import load_policy

LABELS = ("blight", "healthy", "rust")


def classifier(wrong: int, images: int = 100) -> ClassifierEvidence:
    """Evidence in which the first `wrong` answers are wrong."""
    truth = np.arange(images) % 3
    predicted = truth.copy()
    predicted[:wrong] = (truth[:wrong] + 1) % 3
    return ClassifierEvidence(LABELS, truth, predicted, tuple(map(str, range(images))))


def generator(outputs: np.ndarray) -> GeneratorEvidence:
    """Evidence of these outputs beside diverse real images."""
    real = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3)).astype(np.uint8)
    pixels = np.clip((np.nan_to_num(outputs) + 1) * 127.5, 0, 255).astype(np.uint8)
    return GeneratorEvidence(outputs, pixels, real)


def noise(count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize(("wrong", "passed"), [(20, True), (21, False)])
def test_accuracy_passes_at_the_bound_and_fails_below(wrong: int, passed: bool) -> None:
    verdict = CHECKS["accuracy"].judge(classifier(wrong), at_least=0.8)
    assert verdict.passed is passed
    assert verdict.figure == pytest.approx(1 - wrong / 100)


def test_macro_f1_sees_a_class_that_accuracy_overlooks() -> None:
    truth = np.array([0] * 95 + [1] * 5)
    blind = ClassifierEvidence(LABELS[:2], truth, np.zeros(100, int), tuple(map(str, range(100))))
    assert CHECKS["accuracy"].judge(blind, at_least=0.8).passed
    verdict = CHECKS["macro_f1"].judge(blind, at_least=0.8)
    assert not verdict.passed
    assert "weakest class is healthy" in verdict.sentence


def test_an_answer_that_is_no_known_class_is_wrong() -> None:
    evidence = classifier(0)
    evidence.predicted[:50] = -1
    assert CHECKS["accuracy"].judge(evidence, at_least=0.8).figure == 0.5
    assert not CHECKS["macro_f1"].judge(evidence, at_least=0.8).passed


def test_no_test_images_pass_nothing() -> None:
    empty = ClassifierEvidence(LABELS, np.array([], int), np.array([], int), ())
    assert not CHECKS["accuracy"].judge(empty, at_least=0.0).passed
    assert not CHECKS["macro_f1"].judge(empty, at_least=0.0).passed


def test_nan_outputs_fail() -> None:
    outputs = noise()
    outputs[3, 0, 0, 0] = np.nan
    assert not CHECKS["finite"].judge(generator(outputs)).passed
    assert not CHECKS["in_range"].judge(generator(outputs), tolerance=0.001).passed
    assert CHECKS["finite"].judge(generator(noise())).passed


def test_outputs_beyond_the_range_of_pixels_fail() -> None:
    assert CHECKS["in_range"].judge(generator(noise()), tolerance=0.001).passed
    assert not CHECKS["in_range"].judge(generator(noise() * 1.5), tolerance=0.001).passed


def test_a_generator_with_one_picture_has_collapsed() -> None:
    same = np.repeat(noise(1), 40, axis=0)
    verdict = CHECKS["not_collapsed"].judge(generator(same), near_copies_at_most=0.05)
    assert not verdict.passed
    assert verdict.figure == 1.0
    assert not CHECKS["diverse"].judge(generator(same), at_least=0.5).passed
    assert CHECKS["not_collapsed"].judge(generator(noise()), near_copies_at_most=0.05).passed


def test_pictures_that_hardly_differ_are_not_diverse() -> None:
    assert not CHECKS["diverse"].judge(generator(noise() * 0.2), at_least=0.5).passed
    assert CHECKS["diverse"].judge(generator(noise()), at_least=0.5).passed


@pytest.mark.parametrize("kind", ["classifier", "generator"])
def test_the_policies_that_come_with_leafgate_are_sound(kind: str) -> None:
    assert load_policy(None, kind).checks  # type: ignore[arg-type]


def test_the_classifier_policy_asks_for_eighty_percent() -> None:
    assert load_policy(None, "classifier").checks == {
        "accuracy": {"at_least": 0.8},
        "macro_f1": {"at_least": 0.8},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: classifier\nchecks: {}", "has no checks"),
        ("kind: classifier\nchecks: {luck: {at_least: 1}}", "unknown check 'luck'"),
        ("kind: classifier\nchecks: {accuracy: {}}", "bounds none"),
        ("kind: classifier\nchecks: {accuracy: {at_least: high}}", "'high'"),
        ("kind: classifier\nchecks: {diverse: {at_least: 1}}", "unknown check 'diverse'"),
        ("kind: generator\nchecks: {finite: {}}", "is for a generator"),
        ("- nothing", "names no checks"),
        ("checks: [", "is not YAML"),
    ],
)
def test_a_policy_that_says_nothing_clear_is_refused(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=told):
        load_policy(file, "classifier")
