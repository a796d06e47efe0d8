"""ResNet-18 without its top: He et al. 2016, arXiv 1512.03385, table 1.

Keras has ResNet from 50 layers up only. The smaller one learns better from a few hundred pictures
without pretrained weights. Built like Keras's: stride in the first convolution of a stage, a
projection where the shape changes.
"""

from typing import Any

import keras
from keras import layers

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride
EPSILON = 1.001e-5  # of batch normalisation, as in Keras's residual networks


def resnet18(include_top: bool, weights: str | None, input_shape: tuple[int | None, ...]) -> Any:  # noqa: ANN401 - keras.Model
    """(n, height, width, 3) to (n, height / 32, width / 32, 512). No top and no weights exist."""
    if include_top or weights is not None:
        raise ValueError("resnet18 comes without a top and without pretrained weights")
    pixels = keras.Input(input_shape)
    x = layers.Conv2D(64, 7, 2, "same", use_bias=False, name="conv1_conv")(pixels)
    x = layers.ReLU()(layers.BatchNormalization(epsilon=EPSILON, name="conv1_bn")(x))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for number, (channels, stride) in enumerate(STAGES, start=2):
        x = _block(x, channels, stride, f"conv{number}_block1")
        x = _block(x, channels, 1, f"conv{number}_block2")
    return keras.Model(pixels, x, name="resnet18")


def _block(inputs: Any, channels: int, stride: int, name: str) -> Any:  # noqa: ANN401 - keras tensors
    branch = _convolution(inputs, channels, 3, stride, f"{name}_1")
    branch = _convolution(layers.ReLU()(branch), channels, 3, 1, f"{name}_2")
    if stride != 1 or inputs.shape[-1] != channels:
        inputs = _convolution(inputs, channels, 1, stride, f"{name}_0")
    return layers.ReLU(name=f"{name}_out")(layers.Add()([inputs, branch]))


def _convolution(inputs: Any, channels: int, side: int, stride: int, name: str) -> Any:  # noqa: ANN401
    conv = layers.Conv2D(channels, side, stride, "same", use_bias=False, name=f"{name}_conv")
    return layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(conv(inputs))
