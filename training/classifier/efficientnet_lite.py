"""EfficientNet-Lite for Keras, with the weights of `registry.efficientnet_lite`.

The layers are named as those of Keras's EfficientNet: `block2a_expand_conv`, `block2a_bn` …
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from registry.efficientnet_lite import (
    EPSILON,
    HEAD,
    STEM,
    Block,
    LiteName,
    Weights,
    blocks,
    load_weights,
)

Network = Any  # keras.Model; Keras has no type information


def efficientnet_lite(name: LiteName) -> Callable[..., Network]:
    """A builder as those of `keras.applications`, without a top."""
    return partial(_build, name)


def _build(
    name: LiteName, include_top: bool, weights: str | None, input_shape: tuple[int | None, ...]
) -> Network:
    """(n, height, width, 3), prepared, to (n, height / 32, width / 32, 1280).

    weights: `imagenet` or None. Raises UserError where the package with them is missing.
    """
    if include_top or weights not in (None, "imagenet"):
        raise ValueError("EfficientNet-Lite comes without a top, with ImageNet weights or none")
    stored = load_weights(name) if weights else None
    pixels = keras.Input(input_shape)
    x = _convolution(pixels, "stem", STEM, 3, 2)
    for block in blocks(name):
        x = _block(x, block)
    x = _convolution(x, "top", HEAD, 1, 1)
    network = keras.Model(pixels, x, name=name)
    if stored is not None:
        _fill(network, name, stored)
    return network


def _block(inputs: Any, block: Block) -> Any:  # noqa: ANN401 - keras tensors
    x = inputs
    if block.expansion > 1:
        x = _convolution(x, f"{block.name}_expand", block.inputs * block.expansion, 1, 1)
    x = layers.DepthwiseConv2D(
        block.kernel, block.stride, "same", use_bias=False, name=f"{block.name}_dwconv"
    )(x)
    x = _activated(_normalised(x, f"{block.name}_bn"), f"{block.name}_activation")
    x = layers.Conv2D(block.outputs, 1, use_bias=False, name=f"{block.name}_project_conv")(x)
    x = _normalised(x, f"{block.name}_project_bn")
    return layers.Add(name=f"{block.name}_add")([inputs, x]) if block.adds else x


def _convolution(inputs: Any, name: str, channels: int, side: int, stride: int) -> Any:  # noqa: ANN401
    """Convolution, normalisation and ReLU6."""
    x = layers.Conv2D(channels, side, stride, "same", use_bias=False, name=f"{name}_conv")(inputs)
    return _activated(_normalised(x, f"{name}_bn"), f"{name}_activation")


def _normalised(x: Any, name: str) -> Any:  # noqa: ANN401
    return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def _activated(x: Any, name: str) -> Any:  # noqa: ANN401
    return layers.ReLU(6.0, name=name)(x)


def _fill(network: Network, name: LiteName, weights: Weights) -> None:
    """Every layer from the file's tensors, whose axes are PyTorch's."""
    _set_convolution(network, "stem", weights, "_conv_stem", "_bn0")
    for block in blocks(name):
        own = f"_blocks.{block.number}"
        if block.expansion > 1:
            _set_convolution(
                network, f"{block.name}_expand", weights, f"{own}._expand_conv", f"{own}._bn0"
            )
        kernel = np.transpose(weights[f"{own}._depthwise_conv.weight"], (2, 3, 0, 1))
        network.get_layer(f"{block.name}_dwconv").set_weights([kernel])
        _set_normalisation(network, f"{block.name}_bn", weights, f"{own}._bn1")
        _set_convolution(
            network, f"{block.name}_project", weights, f"{own}._project_conv", f"{own}._bn2"
        )
    _set_convolution(network, "top", weights, "_conv_head", "_bn1")


def _set_convolution(network: Network, layer: str, weights: Weights, conv: str, norm: str) -> None:
    kernel = np.transpose(weights[f"{conv}.weight"], (2, 3, 1, 0))
    network.get_layer(f"{layer}_conv").set_weights([kernel])
    _set_normalisation(network, f"{layer}_bn", weights, norm)


def _set_normalisation(network: Network, layer: str, weights: Weights, norm: str) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    network.get_layer(layer).set_weights([weights[f"{norm}.{part}"] for part in names])
