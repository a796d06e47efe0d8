"""Differentiable augmentation: changes of its own for each picture, and gradients pass through."""

import numpy as np
import pytest
import tensorflow as tf

from training.gan.augment import CHANGES, augmented, cutout, translation

ALL = tuple(CHANGES)
SEED = tf.constant([3, 4])


def pictures(count: int = 8, channels: int = 3) -> tf.Tensor:
    one = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, channels))
    return tf.constant(one.repeat(count, axis=0), tf.float32)


@pytest.mark.parametrize("name", ALL)
def test_each_picture_is_changed_in_a_way_of_its_own(name: str) -> None:
    changed = augmented(pictures(), (name,), SEED)
    assert len({picture.tobytes() for picture in np.asarray(changed)}) > 4


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_same_seed_changes_alike_whatever_the_channels(channels: int) -> None:
    once, again = (augmented(pictures(4, channels), ALL, SEED) for _ in range(2))
    assert once.shape == (4, 16, 16, channels)
    np.testing.assert_array_equal(once, again)
    other = augmented(pictures(4, channels), ALL, tf.constant([3, 5]))
    assert not np.array_equal(once, other)


def test_no_change_asked_is_no_change() -> None:
    np.testing.assert_array_equal(augmented(pictures(), (), SEED), pictures())


def test_translation_moves_by_an_eighth_at_most_and_leaves_zeros() -> None:
    dot = np.zeros((200, 16, 16, 1), np.float32)
    dot[:, 8, 8] = 1
    _, rows, columns, _ = np.nonzero(np.asarray(translation(tf.constant(dot), SEED)))
    assert len(rows) == 200, "a dot in the middle never leaves the picture"
    assert set(rows) == set(columns) == {6, 7, 8, 9, 10}
    moved = np.asarray(translation(tf.ones((50, 16, 16, 1)), SEED))
    assert set(np.unique(moved)) == {0.0, 1.0}


def test_cutout_blanks_a_square_of_half_the_side_where_it_fits() -> None:
    blank = (np.asarray(cutout(tf.ones((300, 16, 16, 2)), SEED)) == 0).all(axis=3)
    sizes = blank.sum(axis=(1, 2))
    assert sizes.max() == 8 * 8
    assert sizes.min() >= 4 * 4


@pytest.mark.parametrize("name", ALL)
def test_gradients_pass_through(name: str) -> None:
    real = pictures(2)
    with tf.GradientTape() as tape:
        tape.watch(real)
        total = tf.reduce_sum(augmented(real, (name,), SEED) ** 2)
    gradient = tape.gradient(total, real)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
