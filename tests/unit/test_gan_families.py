"""Each family has the shapes of its source, for every size and number of channels."""

from typing import Any

import keras
import numpy as np
import pytest

from leafgate.errors import UserError
from training.config import read_config
from training.gan.config import GanConfig
from training.gan.families import FAMILIES, Shape, families_help
from training.gan.networks import Gan, build_gan, stored_network

CLASSES = 3


def small_gan(**settings: Any) -> tuple[GanConfig, Gan]:
    config = GanConfig(**settings)
    return config, build_gan(config, CLASSES)


def inputs_of(shape: Shape, labels: list[int]) -> np.ndarray:
    latent = np.random.default_rng(0).standard_normal((len(labels), shape.latent_size))
    one_hot = np.eye(CLASSES, shape.classes)[labels]
    return np.concatenate([latent, one_hot], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("family", "image_size", "channels"),
    [
        ("vanilla", 28, 1),
        ("vanilla", 28, 3),
        ("dcgan", 64, 4),
        ("wgan_gp", 64, 2),
        ("wgan_gp", 128, 3),
        ("conditional", 64, 1),
        ("conditional", 128, 3),
        ("conditional", 256, 3),
    ],
)
def test_what_is_drawn_is_what_is_judged(family: str, image_size: int, channels: int) -> None:
    shape = GanConfig(family=family, image_size=image_size, channels=channels).shape(CLASSES)
    generator = FAMILIES[family].build_generator(shape)
    discriminator = FAMILIES[family].build_discriminator(shape)
    assert generator.input_shape == (None, shape.inputs)
    assert generator.output_shape == (None, image_size, image_size, channels)
    judged, *asked = (tuple(item.shape) for item in discriminator.inputs)
    assert judged == generator.output_shape
    assert asked == ([(None, CLASSES)] if shape.classes else [])
    assert discriminator.output_shape == (None, 1)


def test_vanilla_is_the_gan_of_the_digits() -> None:
    config, gan = small_gan(family="vanilla")
    shapes = {layer.name: layer.output.shape[1:] for layer in gan.generator.layers}
    assert gan.generator.get_layer("project").kernel.shape == (100, 128 * 7 * 7)
    assert [shapes[n] for n in ("reshape", "up_64", "picture")] == [
        (7, 7, 128),
        (14, 14, 64),
        (28, 28, 1),
    ]
    downs = [layer for layer in gan.discriminator.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in downs] == [64, 128]
    assert config.loss == "cross_entropy"


def test_the_critic_of_wgan_gp_has_no_batch_normalisation_and_five_steps() -> None:
    config, gan = small_gan(family="wgan_gp")
    kinds = {type(layer).__name__ for layer in gan.discriminator.layers}
    assert not {kind for kind in kinds if "Normalization" in kind}
    assert (config.loss, config.gradient_penalty, config.discriminator_steps) == (
        "wasserstein",
        10,
        5,
    )


def test_the_conditional_discriminator_is_spectrally_normalised_and_attends_at_32_pixels() -> None:
    config, gan = small_gan(family="conditional")
    for network in (gan.generator, gan.discriminator):
        assert network.get_layer("attention_add").output.shape[1:3] == (32, 32)
    plain = [
        layer.name
        for layer in gan.discriminator.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    assert plain == ["attention_out"], "which starts at zero, as the paper's factor does"
    assert config.loss == "hinge"


def test_the_class_scales_every_normalisation_of_the_conditional_generator() -> None:
    _, gan = small_gan(family="conditional")
    drawn = inputs_of(gan.shape, [0, 0])
    drawn[1] = drawn[0]
    drawn[1, -CLASSES:] = np.eye(CLASSES)[2]
    same, asked = np.asarray(gan.generator(drawn, training=False))
    np.testing.assert_allclose(same, asked, atol=1e-6)
    norms = [layer.name for layer in gan.generator.layers if layer.name.endswith("_norm")]
    for name in norms:
        scale = gan.generator.get_layer(name.replace("_norm", "_scale"))
        kernel, bias = scale.get_weights()
        scale.set_weights([kernel + np.eye(CLASSES, kernel.shape[1]), bias])
    same, asked = np.asarray(gan.generator(drawn, training=False))
    assert np.abs(same - asked).max() > 1e-3


def test_the_projection_makes_the_verdict_depend_on_the_class_asked_for() -> None:
    _, gan = small_gan(family="conditional")
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    verdicts = [
        float(gan.discriminator([picture, np.eye(CLASSES)[[k]]], training=False)[0, 0])
        for k in range(CLASSES)
    ]
    assert len({round(verdict, 5) for verdict in verdicts}) == CLASSES


def test_a_stored_generator_has_keras_layers_alone_and_draws_the_same() -> None:
    _, gan = small_gan(family="conditional", channels=1)
    for variable in gan.averaged.variables:
        noise = np.random.default_rng(1).standard_normal(variable.shape)
        variable.assign(np.abs(variable + 0.05 * noise))
    stored = stored_network(gan)
    assert all(type(layer).__module__.startswith("keras.") for layer in stored.layers)
    drawn = inputs_of(gan.shape, [0, 1, 2])
    expected = gan.averaged(drawn, training=False)
    np.testing.assert_allclose(stored(drawn, training=False), expected, atol=1e-5)


def test_a_recipe_fills_in_what_is_not_given() -> None:
    assert GanConfig(family="wgan_gp").learning_rate == 1e-4
    assert GanConfig(family="wgan_gp", learning_rate=3e-4).learning_rate == 3e-4
    chosen = read_config(GanConfig, None, ["family=conditional", "augment=colour,cutout"])
    assert (chosen.loss, chosen.augment) == ("hinge", ("colour", "cutout"))
    assert (GanConfig().loss, GanConfig().augment, GanConfig().ema) == ("cross_entropy", (), 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"family": "stylegan"}, "unknown generator family 'stylegan'.*dcgan, vanilla, wgan_gp"),
        ({"family": "conditional", "image_size": 96}, "image_size=96.*64, 128, 256"),
    ],
)
def test_what_is_unknown_is_refused_with_the_known(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        GanConfig(**settings)


def test_an_unknown_change_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"augment.*rotate"):
        read_config(GanConfig, None, ["augment=rotate"])


def test_the_help_tells_every_family_with_its_sizes_and_settings() -> None:
    told = families_help()
    assert all(f"family={name}" in told for name in FAMILIES)
    assert "64, 128, 256" in told
    assert "gradient_penalty=10.0" in told
