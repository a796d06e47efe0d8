"""Pictures taken under worse conditions: changed, of the same form, and the same every time."""

import numpy as np
import pytest
from PIL import Image

from leafgate.corruptions import (
    CORRUPTIONS,
    blur,
    brighter,
    darker,
    foreground,
    noise,
    other_background,
    rotation,
)
from registry import Classifier, OutlierScore
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier
from training.classifier.finished import Side
from training.classifier.robustness import robustness, unknown_share

LABELS = tuple(COLOURS)
SIZE = 96


def leaf(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A speckled green leaf on grey paper, and where the leaf is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    mask = (rows / 0.32) ** 2 + (columns / 0.22) ** 2 < 1
    image = np.where(mask[..., None], (60, 140, 40), (150, 145, 150))
    return (image + rng.integers(-9, 10, image.shape)).astype(np.uint8), mask


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_change_keeps_size_and_kind_and_is_seen(name: str) -> None:
    image, _ = leaf()
    before = image.copy()
    changed = CORRUPTIONS[name](image, generator())
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert np.abs(changed.astype(int) - image).mean() > 1
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_makes_the_same_change(name: str) -> None:
    image, _ = leaf()
    first, second = (CORRUPTIONS[name](image, generator(7)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("change", [noise, rotation, other_background])
def test_what_is_left_to_chance_differs_from_seed_to_seed(change: object) -> None:
    assert callable(change)
    image, _ = leaf()
    assert not np.array_equal(change(image, generator(1)), change(image, generator(2)))


def test_light_goes_down_and_up_by_what_is_said() -> None:
    image = np.full((40, 40, 3), 100, np.uint8)
    assert (darker(image, generator()) == 60).all()
    assert (brighter(image, generator()) == 140).all()
    assert (brighter(np.full((40, 40, 3), 250, np.uint8), generator()) == 255).all()


def test_noise_spreads_by_what_is_said_around_the_picture() -> None:
    noisy = noise(np.full((200, 200, 3), 128, np.uint8), generator())
    assert noisy.mean() == pytest.approx(128, abs=0.5)
    assert noisy.std() == pytest.approx(20, rel=0.05)


def test_a_blur_takes_away_detail_and_keeps_the_mean() -> None:
    image, _ = leaf()
    blurred = blur(image, generator())
    steps = [np.abs(np.diff(x.astype(float), axis=0)).mean() for x in (image, blurred)]
    assert steps[1] < steps[0] / 2
    assert blurred.mean() == pytest.approx(image.mean(), abs=1)


def test_a_turned_picture_has_no_black_corners() -> None:
    image = np.full((60, 60, 3), 200, np.uint8)
    for seed in range(5):
        assert rotation(image, generator(seed)).min() >= 199


def test_the_leaf_is_told_from_its_background() -> None:
    image, mask = leaf()
    found = foreground(image)
    assert (found & mask).sum() > 0.97 * (found | mask).sum()


def test_a_hole_in_the_leaf_belongs_to_it_and_a_speck_outside_does_not() -> None:
    image, mask = leaf()
    image[44:52, 44:52] = (150, 145, 150)
    image[20, 10] = (60, 140, 40)
    found = foreground(image)
    assert found[44:52, 44:52].all()
    assert not found[20, 10]
    assert (found & mask).sum() > 0.97 * mask.sum()


def test_another_background_keeps_the_pixels_of_the_leaf() -> None:
    image, mask = leaf()
    changed = other_background(image, generator())
    same = (changed == image).all(axis=-1)
    assert same[mask].mean() > 0.97
    assert same[~mask].mean() < 0.03
    assert np.array_equal(changed[foreground(image)], image[foreground(image)])
    behind = changed[~mask].astype(float)
    assert behind.std(axis=0).min() > 20  # blotches, no plain colour


def test_a_picture_without_a_leaf_is_background_throughout() -> None:
    assert not foreground(np.full((48, 48, 3), 90, np.uint8)).any()


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A classifier of plain colours, without an outlier score."""
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder)
    return Classifier.load(folder, "openvino")


@pytest.fixture(scope="module")
def side() -> Side:
    """Four pictures of each colour, framed in white so that there is a background."""
    framed = []
    for number in range(12):
        canvas = Image.new("RGB", (32, 32), "white")
        canvas.paste(colour_picture(LABELS[number % 3], number, 24), (4, 4))
        framed.append(np.asarray(canvas))
    return Side(np.stack(framed), np.arange(12) % 3, tuple(map(str, range(12))))


def test_the_table_has_figures_of_every_change(colours: Classifier, side: Side) -> None:
    table = robustness(colours, side)
    assert list(table) == list(CORRUPTIONS)
    for figures in table.values():
        assert 0 <= figures["accuracy"] <= 1
        assert 0 <= figures["macro_f1"] <= 1
        assert np.isnan(figures["unknown"])
    assert table["blur"]["accuracy"] == table["noise"]["accuracy"] == 1


def test_the_figures_follow_from_the_seed(colours: Classifier) -> None:
    between = np.mean([COLOURS["blue"], COLOURS["green"]], axis=0).astype(np.uint8)
    doubtful = np.broadcast_to(between, (30, 32, 32, 3))
    side = Side(doubtful, np.zeros(30, int), tuple(map(str, range(30))))
    table = robustness(colours, side, seed=1)
    assert 0.1 < table["noise"]["accuracy"] < 0.9
    np.testing.assert_equal(robustness(colours, side, seed=1), table)
    assert robustness(colours, side, seed=2)["noise"] != table["noise"]


def test_a_changed_picture_is_called_unknown_more_often(colours: Classifier, side: Side) -> None:
    pooled = colours.outputs(side.images).pooled
    score = OutlierScore.fit(pooled, side.truth)
    score = score.with_threshold(score.score(pooled), 0.9)
    judging = Classifier(colours.description, colours.engine, colours.head, score)
    assert unknown_share(judging, judging.judge(side.images).scores) <= 0.2
    table = robustness(judging, side)
    assert table["noise"]["unknown"] > 0.5
    assert table["other background"]["unknown"] > 0.5
