"""One step: what it updates, and that each setting of it has its effect."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training.gan.config import GanConfig
from training.gan.networks import Gan, build_gan
from training.gan.step import MEASURED, compiled_step

PLAIN = GanConfig(family="vanilla", batch_size=8, precision="float32", loss="wasserstein")
PLACE = tf.constant([1, 0])


def after_one_step(**changes: Any) -> tuple[Gan, dict[str, float]]:
    """The networks and what was measured; all start alike."""
    config = PLAIN.model_copy(update=changes)
    gan = build_gan(config, 2)
    count = config.discriminator_steps * config.batch_size
    pictures = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8)
    labels = np.zeros((count, 0), np.float32)
    found = compiled_step(gan, config)(tf.constant(pictures), tf.constant(labels), PLACE)
    return gan, dict(zip(MEASURED, map(float, found), strict=True))


@pytest.fixture(scope="module")
def plain() -> dict[str, float]:
    return after_one_step()[1]


def test_a_step_moves_both_networks_and_tells_their_gradients(plain: dict[str, float]) -> None:
    start, (gan, measured) = build_gan(PLAIN, 2), after_one_step()
    for name in ("generator", "discriminator"):
        before, now = (getattr(one, name).get_weights()[0] for one in (start, gan))
        assert np.abs(before - now).max() > 1e-5
    assert min(measured["d_gradient"], measured["g_gradient"]) > 0
    assert measured == plain, "the same seed and place give the same step"


def test_the_discriminator_is_updated_as_often_as_asked() -> None:
    gan, _ = after_one_step(discriminator_steps=3)
    assert int(gan.discriminator_optimizer.iterations) == 3
    assert int(gan.generator_optimizer.iterations) == 1


def test_the_gradient_penalty_is_part_of_the_discriminators_loss(plain: dict[str, float]) -> None:
    one, ten = (after_one_step(gradient_penalty=weight)[1]["d_loss"] for weight in (1.0, 10.0))
    assert one > plain["d_loss"]
    assert ten - plain["d_loss"] == pytest.approx(10 * (one - plain["d_loss"]), rel=1e-3)


def test_the_discriminator_sees_changed_pictures_alone(plain: dict[str, float]) -> None:
    changed = after_one_step(augment=("colour", "translation", "cutout"))[1]
    assert changed["d_real"] != plain["d_real"]
    assert changed["d_fake"] != plain["d_fake"]


def test_the_rates_of_both_networks_can_differ() -> None:
    gan, _ = after_one_step(discriminator_learning_rate=4e-4)
    assert float(gan.discriminator_optimizer.learning_rate) == pytest.approx(4e-4)
    assert float(gan.generator_optimizer.learning_rate) == pytest.approx(2e-4)
