"""Random views of training images: one geometric step, sharpness, colour, then mixing of pairs.

Every random number follows from a seed that is handed in, so a run that was interrupted draws the
same views again. All of it is TensorFlow, so it runs where the network runs. Mixing: CutMix (Yun et
al. 2019, arXiv 1905.04899) and mixup (Zhang et al. 2018, arXiv 1710.09412).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from training.classifier.config import ClassifierConfig

Tensor = Any  # tf.Tensor
WEAKENED = (
    *("zoom", "stretch", "translation"),
    *("contrast", "brightness", "saturation", "white_balance"),
)
CALL_STRIDE = 40_000_003  # calls of one step and steps of one run never meet on a seed


@dataclass
class Draws:
    """Random numbers, different at every call, the same for the same seed (2,) int32."""

    seed: Tensor
    calls: int = 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:  # noqa: ANN401
        """Float32 in [low, high)."""
        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def normal(self, shape: Any) -> Tensor:  # noqa: ANN401
        """Float32 of mean 0 and deviation 1."""
        return tf.random.stateless_normal(shape, self._next())

    def _next(self) -> Tensor:
        self.calls += 1
        return self.seed + tf.constant([0, self.calls * CALL_STRIDE], tf.int32)


def random_views(images: Tensor, size: Tensor, config: ClassifierConfig, draws: Draws) -> Tensor:
    """(n, source, source, 3) in [0, 255] to (n, size, size, 3) float32 in [0, 255].

    size: scalar int32.
    """
    config = at_strength(config)
    pixels = tf.cast(images, tf.float32)
    matrix = _geometry(tf.shape(images)[0], tf.shape(images)[1], size, config, draws)
    pixels = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrix,
        output_shape=tf.stack([size, size]),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
    if config.sharpness:
        pixels = _focus(pixels, config, draws)
    pixels = _colours(pixels, config, draws)
    if config.noise:
        pixels += _noise(tf.shape(pixels), config, draws)
    return tf.clip_by_value(pixels, 0.0, 255.0)


def at_strength(config: ClassifierConfig) -> ClassifierConfig:
    """With the reaches that `view_strength` is a factor of multiplied by it."""
    strength = 1.0 if config.view_strength is None else config.view_strength
    return config.model_copy(update={n: getattr(config, n) * strength for n in WEAKENED})


def _geometry(
    count: Tensor, source: Tensor, size: Tensor, config: ClassifierConfig, draws: Draws
) -> Tensor:
    """(n, 8): where each output pixel is read from. Turn, scale, stretch, mirror, shift at once."""

    def uniform(reach: float) -> Tensor:
        return draws.uniform([count], -reach, reach)

    angle = uniform(config.rotation * 2 * math.pi)
    scale = tf.exp(uniform(config.zoom)) * tf.cast(source, tf.float32) / tf.cast(size, tf.float32)
    stretch = tf.exp(uniform(config.stretch))
    mirror = tf.sign(uniform(1.0)) if config.flip else tf.ones([count])
    upright = tf.sign(uniform(1.0)) if config.flip else tf.ones([count])
    across, along = scale * stretch, scale / stretch
    a, b = tf.cos(angle) * across * mirror, -tf.sin(angle) * along * upright
    c, d = tf.sin(angle) * across * mirror, tf.cos(angle) * along * upright
    middle = (tf.cast(source, tf.float32) - 1) / 2
    reach = tf.cast(source, tf.float32) * config.translation
    x = middle + uniform(1.0) * reach
    y = middle + uniform(1.0) * reach
    half = (tf.cast(size, tf.float32) - 1) / 2
    zero = tf.zeros([count])
    return tf.stack([a, b, x - (a + b) * half, c, d, y - (c + d) * half, zero, zero], axis=1)


def _colours(pixels: Tensor, config: ClassifierConfig, draws: Draws) -> Tensor:
    """Contrast, brightness, saturation and white balance, each picture its own."""
    count = tf.shape(pixels)[0]

    def factor(reach: float, channels: int = 1) -> Tensor:
        return draws.uniform([count, 1, 1, channels], 1 - reach, 1 + reach)

    mean = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
    pixels = (pixels - mean) * factor(config.contrast) + mean * factor(config.brightness)
    grey = tf.reduce_mean(pixels, axis=-1, keepdims=True)
    pixels = grey + (pixels - grey) * factor(config.saturation)
    return pixels * factor(config.white_balance, 3)


def _focus(pixels: Tensor, config: ClassifierConfig, draws: Draws) -> Tensor:
    """Softer or sharper, each picture its own.

    Networks lean on how sharp the pictures were that they learnt from; without this, a resizing
    filter other than the one of training cost ten points of accuracy.
    """
    padded = tf.pad(pixels, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT")
    smooth = tf.nn.depthwise_conv2d(padded, _smoothing(), [1, 1, 1, 1], "VALID")
    count = tf.shape(pixels)[0]
    kept = draws.uniform([count, 1, 1, 1], 1 - config.sharpness, 1 + config.sharpness / 2)
    return smooth + (pixels - smooth) * kept


def _smoothing() -> Tensor:
    """(5, 5, 3, 1): a Gaussian of one pixel."""
    line = np.exp(-(np.arange(-2, 3) ** 2) / 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    return tf.constant(np.repeat(kernel[:, :, None, None], 3, axis=2), tf.float32)


def _noise(shape: Tensor, config: ClassifierConfig, draws: Draws) -> Tensor:
    """Sensor noise, for most pictures little."""
    strength = config.noise * draws.uniform([shape[0], 1, 1, 1]) ** 2
    return strength * draws.normal(shape)


def mixes(config: ClassifierConfig) -> bool:
    """Whether any image is mixed with another."""
    return bool(config.mixup or config.cutmix)


def mixed(
    images: Tensor, targets: Tensor, config: ClassifierConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Some images blended with, or pasted over by, another of the batch.

    targets: (n, classes), mixed in the same shares.
    """
    count = tf.shape(images)[0]
    partner = tf.argsort(draws.uniform([count]))
    kind = draws.uniform([count])
    cutmix, mixup = config.cutmix or 0.0, config.mixup or 0.0
    cut, blend = kind < cutmix, (kind >= cutmix) & (kind < cutmix + mixup)
    kept = tf.where(
        cut[:, None, None, None],
        _outside_a_box(tf.shape(images)[1], count, draws),
        tf.where(blend, _larger_share(draws.uniform([count])), 1.0)[:, None, None, None],
    )
    share = tf.reduce_mean(kept, axis=[1, 2, 3])[:, None]
    return (
        images * kept + tf.gather(images, partner) * (1 - kept),
        targets * share + tf.gather(targets, partner) * (1 - share),
    )


def _larger_share(uniform: Tensor) -> Tensor:
    return 0.5 + tf.abs(uniform - 0.5)


def _outside_a_box(size: Tensor, count: Tensor, draws: Draws) -> Tensor:
    """(n, size, size, 1): 0 inside a box of random area and place, 1 outside."""
    side = tf.sqrt(draws.uniform([count, 1]))
    places = (tf.cast(tf.range(size), tf.float32)[None] + 0.5) / tf.cast(size, tf.float32)
    rows = tf.abs(places - draws.uniform([count, 1])) < side / 2
    columns = tf.abs(places - draws.uniform([count, 1])) < side / 2
    inside = rows[:, :, None] & columns[:, None, :]
    return 1 - tf.cast(inside, tf.float32)[..., None]
