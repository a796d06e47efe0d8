"""A training that has gone wrong is noticed from the figures of its epochs."""

from math import nan

from training.gan.config import GanConfig
from training.gan.health import discriminator_saturated, diversity_gone
from training.gan.unfinished import Epoch

HINGE = GanConfig(loss="hinge", saturated_epochs=3, collapsed_looks=2)


def epochs(d_losses: list[float]) -> list[Epoch]:
    return [Epoch(n, loss, 0, 0, 0) for n, loss in enumerate(d_losses, 1)]


def looks(*diversities: float) -> list[Epoch]:
    return [Epoch(n, 1, 1, 0, 0, diversity=value) for n, value in enumerate(diversities, 1)]


def test_a_discriminator_that_is_never_wrong_for_long_is_saturated() -> None:
    assert discriminator_saturated(epochs([1.0, 0.001, 0.0, 0.002]), HINGE)
    assert not discriminator_saturated(epochs([0.0, 0.0, 0.5, 0.0, 0.0]), HINGE)
    assert not discriminator_saturated(epochs([0.0, 0.0]), HINGE)


def test_a_smoothed_label_moves_the_floor() -> None:
    smooth = GanConfig(real_label=0.9, saturated_epochs=2)
    assert discriminator_saturated(epochs([0.326, 0.330]), smooth)
    assert not discriminator_saturated(epochs([0.4, 0.4]), smooth)


def test_a_critic_has_no_floor_and_never_counts_as_saturated() -> None:
    critic = GanConfig(family="wgan_gp", saturated_epochs=2)
    assert not discriminator_saturated(epochs([-50.0, -60.0, -70.0]), critic)


def test_pictures_that_differed_and_are_all_alike_now_are_a_collapse() -> None:
    assert diversity_gone(looks(0.6, 0.05, 0.02), HINGE)
    assert diversity_gone(looks(0.6, nan, 0.05, nan, 0.02), HINGE)
    assert not diversity_gone(looks(0.6, 0.05, 0.3), HINGE)
    assert not diversity_gone(looks(0.6, 0.05), HINGE)


def test_a_young_generator_is_given_time_to_differ() -> None:
    assert not diversity_gone(looks(0.01, 0.02, 0.03), HINGE)
    assert diversity_gone(looks(0.01, 0.02, 0.03, 0.03), HINGE)
