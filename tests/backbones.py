"""A backbone of two convolutions, for tests of what is done with one: graphs of it are quick."""

from typing import Any

import keras
from keras import layers

from training.classifier.backbones import BACKBONES, Backbone

TINY = "tiny"


def add_tiny_backbone() -> None:
    """Put it into the table, for the rest of this process."""
    BACKBONES[TINY] = Backbone(_tiny, _prepare, last_in_branch="_2_bn")


def _tiny(include_top: bool, weights: str | None, input_shape: tuple[int | None, ...]) -> Any:
    """(n, height, width, 3) to (n, height / 32, width / 32, 16)."""
    pixels = keras.Input(input_shape)
    x = _convolution(pixels, 8, 4, "conv1_1")
    return keras.Model(pixels, _convolution(x, 16, 8, "conv1_2"), name=TINY)


def _convolution(x: Any, channels: int, stride: int, name: str) -> Any:
    x = layers.Conv2D(channels, stride, stride, "same", use_bias=False, name=f"{name}_conv")(x)
    return layers.ReLU()(layers.BatchNormalization(name=f"{name}_bn")(x))


def _prepare(pixels: Any) -> Any:
    return layers.Rescaling(1 / 58.0, offset=-2.0)(pixels)
