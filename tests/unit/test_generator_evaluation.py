"""The figures of a generator: their names, their honesty, and that they tell good from bad."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from registry import FeatureExtractor, Generator
from registry.extractors import PixelFeatures
from tests.colours import COLOURS
from tests.painters import (
    CENTRES,
    LATENT,
    ColourSense,
    Floats,
    colour_of_class,
    coloured,
    painter,
    real_side,
)
from training.gan.evaluation import evidence as gathering
from training.gan.evaluation.evidence import LabelledSide, gather
from training.gan.evaluation.measure import GeneratorEvaluation, measure

TRAIN, TEST = real_side(30, seed=1), real_side(20, seed=2)
COMPARISONS = ("precision", "recall", "density", "coverage")


def evaluated(
    generator: Generator,
    extractor: FeatureExtractor = ColourSense(),
    classifier: FeatureExtractor | None = None,
    train: LabelledSide = TRAIN,
    test: LabelledSide = TEST,
    samples: int = 60,
) -> GeneratorEvaluation:
    return measure(gather(generator, extractor, classifier, train, test, samples, seed=5))


@pytest.fixture(scope="module")
def good() -> GeneratorEvaluation:
    """Of a generator that paints as real images are painted."""
    return evaluated(painter())


def replay(inputs: Floats) -> Floats:
    """Training images, whichever latent."""
    rows = np.abs(inputs[:, 0] * 1e4).astype(int) % len(TRAIN)
    return TRAIN.images[rows] / 127.5 - 1


def always_blue(inputs: Floats) -> Floats:
    return coloured(CENTRES[[0] * len(inputs)], inputs[:, :LATENT])


def test_figures_are_named_after_the_features_they_come_from(good: GeneratorEvaluation) -> None:
    names = {figure.name for figure in good.figures}
    assert {f"{name}_classifier" for name in ("kd", "fd", *COMPARISONS)} <= names
    assert {"memorised_share_classifier", "memorised_ratio_classifier", "diversity"} <= names
    assert "classifier_score" in names
    assert not names & {"fid", "kid", "kid_classifier", "inception_score", "precision"}
    pixels = {figure.name for figure in evaluated(painter(), PixelFeatures()).figures}
    assert {"fd_pixels", "kd_pixels", "memorised_share_pixels"} <= pixels
    assert not any("score" in name for name in pixels)


def test_only_inception_gives_a_fid_and_an_inception_score() -> None:
    network = ColourSense(labels=("a", "b"), name="inception")
    result = evaluated(painter(), network, ColourSense())
    names = {figure.name for figure in result.figures}
    assert {
        "kid",
        "fid",
        *COMPARISONS,
        "inception_score",
        "classifier_score",
        "memorised_share",
    } <= names
    assert result["inception_score"].title.startswith("sure answers of many classes, 1 to 2")
    assert result["classifier_score"].value > 2.9


def test_lite0_gives_distances_under_its_own_name_and_no_score() -> None:
    network = ColourSense(labels=(), name="lite0")
    result = evaluated(painter(), network, ColourSense())
    names = {figure.name for figure in result.figures}
    assert {f"{name}_lite0" for name in ("kd", "fd", *COMPARISONS)} <= names
    assert not [name for name in result.metrics() if re.search("kid|fid(?!elity)", name)]
    assert "inception_score" not in names
    assert "kd_classifier" in names, "the own classifier's features are a second opinion"
    assert evaluated(painter(), replace(network, labels=("a", "b"))).metrics().keys() == (
        evaluated(painter(), network).metrics().keys()
    ), "a score over ImageNet's classes would be taken for the Inception Score"


def test_the_kernel_distance_leads_with_an_interval_between_its_two_references(
    good: GeneratorEvaluation,
) -> None:
    first = good.figures[0]
    assert first.name == "kd_classifier"
    assert first.low < first.value < first.high
    assert abs(first.reference) < first.high < first.noise
    metrics = good.metrics("test")
    for end in ("low", "high", "sd", "reference", "noise"):
        assert f"test_kd_classifier_{end}" in metrics
    assert good.line().startswith("kd_classifier ")
    assert "95 % interval" in good.line()
    assert "pure noise" in good.line()


def test_a_frechet_distance_of_few_images_says_what_it_is_worth(good: GeneratorEvaluation) -> None:
    assert "60 images are too few for a covariance" in good["fd_classifier"].note
    wide = evaluated(painter(), PixelFeatures())["fd_pixels"].note
    assert "covariance of 768 features of 60 images is singular" in wide


def test_the_notes_say_what_chose_the_epoch() -> None:
    def notes(chosen_with: str) -> str:
        found = gather(painter(), ColourSense(), None, TRAIN, TEST, 60, 5, chosen_with)
        return " ".join(measure(found).notes)

    assert "chosen with classifier features too" in notes("classifier")
    assert "chosen with other features (pixels)" in notes("pixels")
    assert "epoch" not in notes("")


def test_a_generator_of_real_pictures_is_as_near_as_real_pictures_are(
    good: GeneratorEvaluation,
) -> None:
    assert abs(good["kd_classifier"].value) < 3 * good["kd_classifier"].spread
    for name in ("precision", "recall", "coverage"):
        figure = good[f"{name}_classifier"]
        assert abs(figure.value - figure.reference) < 0.2
    assert 0.8 < good["diversity"].value < 1.2
    assert good["memorised_share_classifier"].value < 0.25
    assert 0.7 < good["memorised_ratio_classifier"].value < 1.4


def test_a_generator_of_one_colour_is_far_and_covers_little(good: GeneratorEvaluation) -> None:
    bad = evaluated(painter(always_blue))
    assert bad["fd_classifier"].value > 10 * good["fd_classifier"].value
    assert bad["coverage_classifier"].value < 0.5
    assert bad["diversity"].value < 0.5
    assert bad["fd_classifier"].reference == good["fd_classifier"].reference
    assert bad.classes is not None
    assert bad.classes.recognised["blue"] == 1
    assert bad.classes.entropy == 0
    assert bad.classes.divergence == pytest.approx(math.log(3))
    assert bad.classes.fidelity == pytest.approx(1 / 3)
    assert bad.classes.fidelity_by_class == {"blue": 1, "green": 0, "red": 0}


def test_a_generator_that_hands_back_its_training_images_is_caught() -> None:
    result = evaluated(painter(replay))
    assert result["memorised_share_classifier"].value == 1
    assert result["memorised_ratio_classifier"].value == 0
    assert len(result.closest) == 16
    found = gather(painter(replay), ColourSense(), None, TRAIN, TEST, 60, 5)
    for picture, training, distance in result.closest:
        assert distance == 0
        assert (found.drawn.images[picture] == found.train.images[training]).all()


def test_the_class_asked_for_is_looked_for(good: GeneratorEvaluation) -> None:
    assert good.classes is not None
    assert (good.classes.fidelity, good.classes.accuracy) == (1, 1)
    assert good.classes.chance == pytest.approx(1 / 3)
    assert good.classes.recognised == pytest.approx(dict.fromkeys(COLOURS, 1 / 3))
    assert good.classes.divergence == pytest.approx(0, abs=1e-9)

    def another(inputs: Floats) -> Floats:
        return colour_of_class(np.concatenate([inputs[:, :LATENT], inputs[:, [7, 8, 6]]], axis=1))

    wrong = evaluated(painter(another)).classes
    assert wrong is not None
    assert wrong.fidelity == 0
    assert wrong.divergence == pytest.approx(0, abs=1e-9)  # as many of each all the same


def test_a_classifier_may_know_more_classes_than_the_generator() -> None:
    blue_and_red = TEST.labels != 1
    side = LabelledSide(TEST.images[blue_and_red], TEST.labels[blue_and_red] // 2)

    def paint(inputs: Floats) -> Floats:
        colours = inputs[:, LATENT:] @ CENTRES[[0, 2]]
        return coloured(colours, inputs[:, :LATENT])

    generator = painter(paint, classes=("blue", "red"))
    found = evaluated(generator, PixelFeatures(), ColourSense(), side, side).classes
    assert found is not None
    assert (found.fidelity, found.accuracy, found.chance) == (1, 1, 0.5)
    assert found.wanted == {"blue": 0.5, "green": 0, "red": 0.5}
    unknown = painter(paint, classes=("blue", "violet"))
    result = evaluated(unknown, PixelFeatures(), ColourSense(), side, side)
    assert result.classes is None
    assert "no classifier knows these classes: none were recognised" in result.notes


def test_an_unconditional_generator_ought_to_have_the_shares_of_its_training_images() -> None:
    rows = np.r_[0:30, 30:40, 60:70]
    uneven = LabelledSide(TRAIN.images[rows], TRAIN.labels[rows])
    generator = painter(lambda latents: coloured(CENTRES[[0] * len(latents)], latents), False)
    result = evaluated(generator, train=uneven)
    assert result.classes is not None
    assert result.classes.wanted == {"blue": 0.6, "green": 0.2, "red": 0.2}
    assert math.isnan(result.classes.fidelity)
    assert result.classes.fidelity_by_class == {}
    metrics = result.metrics("test")
    assert not any("fidelity" in name for name in metrics)
    assert metrics["test_class_share_of_blue"] == 1
    assert any("differ from those of the pictures by 27%" in note for note in result.notes)


def test_every_figure_says_of_how_many_images_it_is(good: GeneratorEvaluation) -> None:
    for figure in good.figures:
        assert figure.generated == 60
        assert figure.real == (0 if figure.name == "classifier_score" else 60)
    assert "biased upwards" in good["fd_classifier"].note
    assert "6 features" in good["fd_classifier"].note
    metrics = good.metrics("test")
    counts = [metrics[f"test_{name}_images"] for name in ("generated", "real", "training")]
    assert counts == [60, 60, 90]


def test_too_few_test_images_leave_out_what_cannot_be_computed() -> None:
    for count in (0, 4):
        few = LabelledSide(TEST.images[:count], TEST.labels[:count])
        result = evaluated(painter(), test=few)
        metrics = result.metrics("test")
        assert not any(key.startswith(("test_fd", "test_mem", "test_div")) for key in metrics)
        assert metrics["test_class_fidelity"] == 1
        assert all(math.isfinite(value) for value in metrics.values())
        assert any(f"{count} test images are fewer than 10" in note for note in result.notes)
        assert "not computed" in result["fd_classifier"].note
        assert len(result.closest) == 16  # what can be looked at is shown


def test_copies_are_looked_for_among_some_of_many_training_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "MOST_TRAINING", 40)
    result = evaluated(painter())
    note = "copies were looked for among 40 training images of 90"
    assert result["memorised_share_classifier"].note == note


def test_names_are_ones_that_mlflow_takes_whatever_the_classes_are_called() -> None:
    names = ("rust $5: ü/b", "rust  $5: ü/b", "x" * 300)
    sense = replace(ColourSense(), labels=names)
    metrics = evaluated(painter(classes=names), sense).metrics("test")
    assert sum(name.startswith("test_class_fidelity_of_") for name in metrics) == 3
    assert all(re.fullmatch(r"[\w-]{1,250}", name) for name in metrics)


def test_it_is_written_as_plain_json(good: GeneratorEvaluation) -> None:
    few = evaluated(painter(conditional=True), test=LabelledSide(TEST.images[:3], TEST.labels[:3]))
    told = json.loads(json.dumps(few.as_dict(), allow_nan=False))
    assert told["figures"][0] | {"title": "", "note": ""} == {
        "name": "kd_classifier", "title": "", "value": None, "real": 3, "generated": 60,
        "spread": None, "reference": None, "note": "", "low": None, "high": None, "noise": None,
    }  # fmt: skip
    assert json.loads(json.dumps(good.as_dict()))["classes"]["fidelity"] == 1


def test_the_same_seed_gives_the_same_figures(good: GeneratorEvaluation) -> None:
    assert evaluated(painter()).metrics() == good.metrics()
