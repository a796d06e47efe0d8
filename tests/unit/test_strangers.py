"""Pictures of nothing a model knows: of the asked form, the same every time, and not all alike."""

import numpy as np
import pytest

from leafgate.strangers import STRANGERS, make_strangers
from registry import Classifier
from tests.models import add_tiny_outlier_score, store_tiny_classifier

KINDS = len(STRANGERS)
SMOOTH = {"a plain colour", "a gradient", "blotches"}


@pytest.mark.parametrize("size", [28, 96, 300])
def test_pictures_have_the_size_asked_for(size: int) -> None:
    images, kinds = make_strangers(KINDS, size)
    assert images.shape == (KINDS, size, size, 3)
    assert images.dtype == np.uint8
    assert kinds == tuple(STRANGERS)


def test_kinds_come_in_turn() -> None:
    _, kinds = make_strangers(KINDS + 3, 16)
    assert kinds[KINDS:] == tuple(STRANGERS)[:3]


def test_no_pictures_can_be_asked_for() -> None:
    images, kinds = make_strangers(0, 32)
    assert images.shape == (0, 32, 32, 3)
    assert kinds == ()


def test_the_same_seed_gives_the_same_pictures_and_more_begin_with_them() -> None:
    few, many = make_strangers(KINDS, 32, seed=3)[0], make_strangers(KINDS + 2, 32, seed=3)[0]
    assert np.array_equal(few, many[:KINDS])


def test_another_seed_gives_others_of_every_kind() -> None:
    first, second = make_strangers(KINDS, 64, seed=1)[0], make_strangers(KINDS, 64, seed=2)[0]
    apart = np.abs(first.astype(int) - second).mean(axis=(1, 2, 3))
    assert apart.min() > 3


@pytest.mark.parametrize("kind", STRANGERS)
def test_two_of_a_kind_are_two_pictures(kind: str) -> None:
    first, second = (STRANGERS[kind](np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", [kind for kind in STRANGERS if kind not in SMOOTH])
def test_what_is_drawn_has_edges(kind: str) -> None:
    assert steepest(STRANGERS[kind](np.random.default_rng(5))) > 25


@pytest.mark.parametrize("kind", sorted(SMOOTH))
def test_what_is_smooth_has_none(kind: str) -> None:
    assert steepest(STRANGERS[kind](np.random.default_rng(5))) < 25


def steepest(image: np.ndarray) -> float:
    """The largest step between blocks of 4 x 4 pixels, in grey levels."""
    height, width, _ = image.shape
    blocks = image.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3, 4))
    return max(float(np.abs(np.diff(blocks, axis=axis)).max()) for axis in (0, 1))


def test_a_classifier_with_an_outlier_score_calls_most_of_them_unknown(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder)
    images, _ = make_strangers(3 * KINDS, 32)
    without = Classifier.load(folder, "openvino").predict(images)
    assert not any(answer.unknown for answer in without)
    add_tiny_outlier_score(folder)
    answers = Classifier.load(folder, "openvino").predict(images)
    assert np.mean([answer.unknown for answer in answers]) > 0.9
