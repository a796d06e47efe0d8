"""Losses against values worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from training.gan.losses import LOSSES, gradient_penalty

REAL = tf.constant([[2.0], [0.0]])
FAKE = tf.constant([[-3.0], [0.5]])


def test_hinge_asks_for_a_margin_of_one() -> None:
    loss = LOSSES["hinge"]
    assert float(loss.discriminator(REAL, FAKE, 1.0)) == pytest.approx((0 + 1) / 2 + (0 + 1.5) / 2)
    assert float(loss.generator(FAKE)) == pytest.approx(1.25)


def test_wasserstein_is_the_difference_of_means() -> None:
    loss = LOSSES["wasserstein"]
    assert float(loss.discriminator(REAL, FAKE, 1.0)) == pytest.approx(-1.25 - 1.0)
    assert float(loss.generator(FAKE)) == pytest.approx(1.25)


def test_cross_entropy_of_a_discriminator_that_knows_nothing() -> None:
    nothing = tf.zeros((4, 1))
    loss = LOSSES["cross_entropy"]
    assert float(loss.discriminator(nothing, nothing, 0.9)) == pytest.approx(2 * math.log(2))
    assert float(loss.generator(nothing)) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("name", "label"), [("cross_entropy", 0.9), ("cross_entropy", 1.0), ("hinge", 1.0)]
)
def test_no_discriminator_gets_below_the_floor(name: str, label: float) -> None:
    loss = LOSSES[name]
    assert loss.floor is not None
    best = min(
        float(loss.discriminator(tf.constant([[real]]), tf.constant([[-40.0]]), label))
        for real in np.linspace(-5, 40, 901, dtype=np.float32)
    )
    assert best == pytest.approx(loss.floor(label), abs=1e-3)


def test_the_gradient_penalty_of_a_linear_critic_is_its_slope_off_one() -> None:
    weights = tf.constant(np.full((4, 4, 3, 1), 0.5, np.float32))
    slope = math.sqrt(4 * 4 * 3) * 0.5

    def critic(pictures: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.nn.conv2d(pictures, weights, 1, "VALID"), (-1, 1))

    real, fake = tf.random.normal((5, 4, 4, 3)), tf.random.normal((5, 4, 4, 3))
    found = gradient_penalty(critic, real, fake, tf.constant([1, 2]))
    assert float(found) == pytest.approx((slope - 1) ** 2, rel=1e-4)
