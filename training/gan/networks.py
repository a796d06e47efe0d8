"""The networks of one training, with their optimisers; what is sampled from and what is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from registry import Generator, GeneratorDescription, PlainEngine
from training.devices import precision_for, precision_policy
from training.gan.config import GanConfig
from training.gan.families import Shape


@dataclass(frozen=True)
class Gan:
    """Both networks with their optimisers.

    averaged: the generator whose variables are means over the last steps, from which pictures are
    drawn; the generator itself where no average is kept.
    """

    shape: Shape
    generator: keras.Model
    discriminator: keras.Model
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer
    averaged: keras.Model

    @property
    def keeps_average(self) -> bool:
        """Whether an average is kept."""
        return self.averaged is not self.generator


def build_gan(config: GanConfig, classes: int) -> Gan:
    """New networks, initialised from the seed. classes: how many are learnt from."""
    keras.utils.set_random_seed(config.seed % 2**32)
    family, shape = config.architecture, config.shape(classes)
    with precision_for(policy_of(config)):
        generator, discriminator = family.build_generator(shape), family.build_discriminator(shape)
        averaged = generator
        if config.ema:
            averaged = family.build_generator(shape)
            averaged.set_weights(generator.get_weights())
        d_rate = config.discriminator_learning_rate or config.learning_rate
        return Gan(
            shape,
            generator,
            discriminator,
            _adam(generator, config.learning_rate, config),
            _adam(discriminator, d_rate, config),
            averaged,
        )


def policy_of(config: GanConfig) -> str:
    """Keras's precision policy. auto is not mixed with a gradient penalty: it needs the digits."""
    exact = config.precision == "auto" and config.gradient_penalty
    return "float32" if exact else precision_policy(config.precision)


def _adam(network: keras.Model, rate: float, config: GanConfig) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(rate, config.beta_1, config.beta_2)
    if policy_of(config) == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


class InTraining(PlainEngine):
    """A Keras generator as an engine, so that pictures are drawn of it as of a stored one."""

    name = "training"

    def __init__(self, network: keras.Model) -> None:
        import tensorflow as tf

        self._call = tf.function(
            lambda batch: network(batch, training=False), reduce_retracing=True
        )

    def run_for(self, batch: NDArray[np.float32], pick: Callable[..., Any]) -> Any:  # noqa: ANN401
        """See `registry.engine.Engine`."""
        return pick([np.asarray(self._call(batch), np.float32)])


def live_generator(gan: Gan, description: GeneratorDescription) -> Generator:
    """What pictures are drawn from while the training goes on."""
    return Generator(description, InTraining(gan.averaged))


def stored_network(gan: Gan) -> keras.Model:
    """The averaged generator in float32 and Keras's own layers alone, as it is stored."""
    weights = {}

    def plain(layer: Any) -> Any:  # noqa: ANN401 - Keras layers and operations
        if not isinstance(layer, keras.Layer):
            return type(layer).from_config(layer.get_config())
        if hasattr(layer, "as_stored"):
            found, weights[layer.name] = layer.as_stored()
            return found
        weights[layer.name] = layer.get_weights()
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    with precision_for("float32"):
        stored = keras.models.clone_model(gan.averaged, clone_function=plain)
    for layer in stored.layers:
        layer.set_weights(weights.get(layer.name, []))
    return stored
