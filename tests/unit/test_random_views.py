"""Random views follow from their seed; what is mixed keeps its share; rare classes can count more.

And which images an epoch has, in which order.
"""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import ArrayLike

from training.classifier.config import ClassifierConfig
from training.classifier.learner import learning_loss
from training.classifier.views import Draws, mixed, random_views
from training.data.pipeline import epoch_order

STILL = ClassifierConfig(
    flip=False, rotation=0, zoom=0, stretch=0, translation=0,
    contrast=0, brightness=0, saturation=0, white_balance=0, sharpness=0, noise=0,
    mixup=0, cutmix=0, label_smoothing=0,
)  # fmt: skip
LIVELY = ClassifierConfig(rotation=0.5, contrast=0.9, brightness=0.9, white_balance=0.5)
COUNTS = np.array([80, 15, 5])


def changed(**values: Any) -> ClassifierConfig:
    """No change of views at all, but for these."""
    return STILL.model_copy(update=values)


def draws(step: int = 0, seed: int = 0) -> Draws:
    return Draws(tf.constant([seed, step], tf.int32))


def photographs(count: int = 4, side: int = 24) -> np.ndarray:
    """Pictures without any symmetry."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def views(
    images: np.ndarray, config: ClassifierConfig, size: int = 24, step: int = 0, seed: int = 0
) -> np.ndarray:
    return np.asarray(random_views(images, tf.constant(size), config, draws(step, seed)))


@pytest.mark.parametrize("size", [16, 24, 40])
def test_views_have_the_size_and_range_of_what_the_network_takes(size: int) -> None:
    seen = views(photographs(), LIVELY, size)
    assert seen.shape == (4, size, size, 3)
    assert seen.dtype == np.float32
    assert 0 <= seen.min() < seen.max() <= 255


def test_views_follow_from_seed_and_step_alone() -> None:
    first = views(photographs(), LIVELY, step=3)
    assert np.array_equal(first, views(photographs(), LIVELY, step=3))
    assert np.abs(first - views(photographs(), LIVELY, step=4)).mean() > 5
    assert np.abs(first - views(photographs(), LIVELY, step=3, seed=1)).mean() > 5


def test_views_are_the_same_in_a_compiled_step() -> None:
    compiled = tf.function(lambda x: random_views(x, tf.constant(24), LIVELY, draws(3)))
    seen = np.asarray(compiled(photographs()))
    assert np.allclose(seen, views(photographs(), LIVELY, step=3), atol=0.05)


def test_every_image_of_a_batch_has_a_view_of_its_own() -> None:
    same = photographs(1).repeat(4, axis=0)
    seen = views(same, LIVELY)
    assert min(np.abs(seen[0] - other).mean() for other in seen[1:]) > 5


def test_without_any_reach_a_view_is_the_image() -> None:
    assert np.allclose(views(photographs(), STILL), photographs(), atol=0.01)


def test_a_smaller_view_shows_the_whole_image() -> None:
    ramp = np.linspace(0, 240, 48).astype(np.uint8)
    image = np.broadcast_to(ramp[None, None, :, None], (1, 48, 48, 3))
    seen = views(image, STILL, 24)
    assert np.allclose(seen[0, :, :, 0], ramp.reshape(24, 2).mean(axis=1), atol=1)


def test_a_mirrored_view_is_one_of_four_and_all_of_them_come() -> None:
    image = photographs(1)[0]
    mirrors = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    which = [
        [np.allclose(view, mirror, atol=0.01) for mirror in mirrors].index(True)
        for view in views(np.stack([image] * 40), changed(flip=True))
    ]
    assert set(which) == {0, 1, 2, 3}


@pytest.mark.parametrize("setting", ["rotation", "zoom", "stretch", "translation"])
def test_each_step_of_geometry_moves_the_picture_and_keeps_its_colours(setting: str) -> None:
    images = np.full((6, 24, 24, 3), (90, 160, 40), np.uint8)
    assert np.allclose(views(images, changed(**{setting: 0.3})), images, atol=0.01)
    images[:, 4:9, 3:10] = 255
    assert np.abs(views(images, changed(**{setting: 0.3})) - images).mean() > 1


def test_a_picture_turns_and_grows_around_its_middle() -> None:
    rows, columns = np.mgrid[:48, :48] - 23.5
    radius = np.hypot(rows, columns)
    cone = np.clip(255 - 8 * radius[..., None].repeat(3, axis=-1), 0, 255).astype(np.uint8)
    turned = views(np.stack([cone] * 8), changed(rotation=0.5, flip=True), 48)
    assert np.abs(turned - cone)[:, radius < 22].max() < 8
    grown = views(np.stack([cone] * 8), changed(zoom=0.3), 48)
    assert (grown[:, 22:26, 22:26] > 225).all()
    assert np.abs(grown - cone).max() > 20


@pytest.mark.parametrize("setting", ["contrast", "brightness", "saturation", "white_balance"])
def test_each_step_of_colour_is_seen_and_moves_nothing(setting: str) -> None:
    images = np.full((6, 24, 24, 3), (90, 160, 40), np.uint8)
    images[:, 4:9, 3:10] = (120, 100, 60)
    seen = views(images, changed(**{setting: 0.3}))
    assert np.abs(seen - images).mean() > 0.5
    assert np.abs(seen[:, 0, 0, None, None] - seen[:, 12:]).max() < 0.1
    assert np.abs(seen[:, 4, 3, None, None] - seen[:, 4:9, 3:10]).max() < 0.1


def test_brightness_stays_within_its_reach() -> None:
    seen = views(np.full((200, 8, 8, 3), 100, np.uint8), changed(brightness=0.2), 8)
    levels = seen.mean(axis=(1, 2, 3))
    assert 79.9 <= levels.min() < 85
    assert 115 < levels.max() <= 120.1


def detail(images: np.ndarray) -> np.ndarray:
    """How much neighbouring pixels of each image differ."""
    return np.abs(np.diff(np.asarray(images, float), axis=1)).mean(axis=(1, 2, 3))


def test_some_views_are_softer_and_some_sharper_than_the_image() -> None:
    grey = np.random.default_rng(0).integers(90, 166, (1, 24, 24, 3)).astype(np.uint8)
    images = grey.repeat(40, axis=0)
    seen = views(images, changed(sharpness=0.8))
    share = detail(seen) / detail(images)
    assert 0.2 < share.min() < 0.6
    assert 1.1 < share.max() < 1.5
    assert np.allclose(seen.mean(axis=(1, 2, 3)), images.mean(), atol=1)


def test_focus_leaves_a_plain_picture_alone() -> None:
    plain = np.full((4, 24, 24, 3), (90, 160, 40), np.uint8)
    assert np.allclose(views(plain, changed(sharpness=1.0)), plain, atol=0.01)


def test_noise_stays_below_its_strength_and_is_little_for_most() -> None:
    plain = np.full((300, 16, 16, 3), 128, np.uint8)
    spread = views(plain, changed(noise=10.0), 16).std(axis=(1, 2, 3))
    assert 8 < spread.max() < 11
    assert np.median(spread) == pytest.approx(10 * 0.5**2, abs=1)


def coded(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that are their own target: each is red, green or blue throughout."""
    targets = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    return targets[:, None, None].repeat(16, axis=1).repeat(16, axis=2), targets


def mixture(count: int = 60, step: int = 0, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    images, targets = coded(count)
    config = changed(**settings)
    pair = mixed(tf.constant(images), tf.constant(targets), config, draws(step))
    return np.asarray(pair[0]), np.asarray(pair[1])


MIXTURES: list[dict[str, Any]] = [{"cutmix": 1.0}, {"mixup": 1.0}, {"cutmix": 0.4, "mixup": 0.4}]


@pytest.mark.parametrize("settings", MIXTURES, ids=str)
def test_a_class_has_the_share_of_the_target_that_it_has_of_the_picture(
    settings: dict[str, Any],
) -> None:
    images, targets = mixture(**settings)
    assert np.allclose(images.mean(axis=(1, 2)), targets, atol=1e-4)
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    assert (targets.max(axis=1) < 0.99).mean() > 0.3


def test_cutmix_pastes_one_square_and_blends_nothing() -> None:
    images, _ = mixture(cutmix=1.0)
    assert np.isin(images, (0, 1)).all()
    own = coded(60)[0].argmax(axis=-1)[:, :1, :1]
    pasted = images.argmax(axis=-1) != own
    for box in pasted[pasted.any(axis=(1, 2))]:
        rows, columns = box.any(axis=1), box.any(axis=0)
        assert box.sum() == rows.sum() * columns.sum()
        assert np.diff(np.flatnonzero(rows)).max(initial=1) == 1
        if not (rows[[0, -1]].any() or columns[[0, -1]].any()):  # not cut off by the border
            assert abs(int(rows.sum()) - int(columns.sum())) <= 1


def test_mixup_blends_all_places_alike_and_keeps_more_of_the_image_itself() -> None:
    images, targets = mixture(mixup=1.0)
    assert np.allclose(images, targets[:, None, None], atol=1e-5)
    own = coded(60)[1].argmax(axis=1)
    assert (targets[np.arange(60), own] >= 0.5).all()


def test_without_mixing_everything_stays() -> None:
    images, targets = mixture()
    assert np.array_equal(images, coded(60)[0])
    assert np.array_equal(targets, coded(60)[1])


def test_about_the_share_asked_for_is_mixed() -> None:
    _, targets = mixture(count=3000, mixup=0.3)
    # A third of the partners are of the same class, which nothing shows.
    assert (targets.max(axis=1) < 1).mean() == pytest.approx(0.3 * 2 / 3, abs=0.03)


def test_mixing_follows_from_its_seed() -> None:
    first, again, other = (mixture(cutmix=0.5, mixup=0.5, step=step) for step in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def losses(
    imbalance: str, classes: ArrayLike, logits: np.ndarray, smoothing: float = 0.0
) -> np.ndarray:
    """Loss of each image; `classes` are the true ones."""
    config = changed(imbalance=imbalance, label_smoothing=smoothing)
    targets = tf.one_hot(np.asarray(classes), len(COUNTS))
    values = learning_loss(config, COUNTS)(targets, tf.constant(logits, tf.float32))
    return np.asarray(values)


def cross_entropy(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return -(targets * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))).sum(axis=1)


SOME_LOGITS = np.random.default_rng(4).normal(0, 2, (5, 3))
SOME_CLASSES = (0, 1, 2, 2, 0)
ONE_HOT = np.eye(3)[list(SOME_CLASSES)]


@pytest.mark.parametrize("imbalance", ["none", "balanced_sampling"])
def test_the_plain_loss_is_cross_entropy_with_smoothed_labels(imbalance: str) -> None:
    smoothed = 0.8 * ONE_HOT + 0.2 / 3
    found = losses(imbalance, SOME_CLASSES, SOME_LOGITS, smoothing=0.2)
    assert found == pytest.approx(cross_entropy(smoothed, SOME_LOGITS), rel=1e-4)


def test_class_weights_make_an_error_on_a_rare_class_cost_more() -> None:
    common, rare = losses("class_weights", (0, 2), np.zeros((2, 3)))
    assert rare / common == pytest.approx(80 / 5, rel=1e-4)


def test_class_weights_leave_the_mean_over_the_training_images() -> None:
    every = np.repeat(np.arange(3), COUNTS)
    weighted = losses("class_weights", every, np.zeros((len(every), 3)))
    assert weighted.mean() == pytest.approx(np.log(3), rel=1e-4)


def test_logit_adjustment_is_cross_entropy_of_logits_and_log_prior() -> None:
    expected = cross_entropy(ONE_HOT, SOME_LOGITS + np.log(COUNTS / COUNTS.sum()))
    found = losses("logit_adjustment", SOME_CLASSES, SOME_LOGITS)
    assert found == pytest.approx(expected, rel=1e-4)
    common, rare = losses("logit_adjustment", (0, 2), np.zeros((2, 3)))
    assert rare > common


def test_a_class_without_training_images_gives_a_finite_loss() -> None:
    for imbalance in ("class_weights", "logit_adjustment"):
        config = changed(imbalance=imbalance)
        loss = learning_loss(config, np.array([10, 0, 5]))(tf.one_hot([1], 3), tf.zeros((1, 3)))
        assert np.isfinite(np.asarray(loss)).all()


LABELS = np.repeat(np.arange(3), [800, 150, 50])


def test_an_epoch_has_every_image_once() -> None:
    order = epoch_order(LABELS, seed=0, epoch=0, balanced=False)
    assert np.array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, np.arange(1000))


def test_a_balanced_epoch_has_about_as_many_of_each_class() -> None:
    order = epoch_order(LABELS, seed=0, epoch=0, balanced=True)
    assert len(order) == 1000
    assert np.bincount(LABELS[order]) == pytest.approx([333] * 3, abs=60)
    rare = order[LABELS[order] == 2]
    assert len(set(rare)) > 45  # all of the rare ones, not one over and over


@pytest.mark.parametrize("balanced", [True, False])
def test_the_order_follows_from_seed_and_epoch_alone(balanced: bool) -> None:
    first = epoch_order(LABELS, 3, 7, balanced)
    assert np.array_equal(first, epoch_order(LABELS, 3, 7, balanced))
    assert not np.array_equal(first, epoch_order(LABELS, 3, 8, balanced))
    assert not np.array_equal(first, epoch_order(LABELS, 4, 7, balanced))
