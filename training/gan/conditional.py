"""A GAN that can be asked for a class: SNGAN with projection, Miyato and Koyama 2018, 1802.05637.

The generator's batch normalisation is scaled and shifted by class; the discriminator's verdict has
a term that is the product of its features and an embedding of the class, and every kernel of it has
spectral norm 1. Both attend to themselves at 32x32 (Zhang et al. 2019, arXiv 1805.08318).

Departs from the papers in plain blocks for residual ones (a third of the cost, and two cores train
it), resize-convolutions, and a generator without spectral normalisation.
"""

from typing import Any

import keras
from keras import layers

from training.gan.families import Shape
from training.gan.layers import (
    KERNEL,
    FusedNorm,
    ResizeConv2D,
    SpectralConv2D,
    SpectralDense,
    initial,
    self_attention,
)

FIRST = 4
WIDTHS = {4: 256, 8: 256, 16: 128, 32: 64, 64: 32, 128: 32, 256: 16}  # filters at so many pixels
ATTENTION = 32
NORM_MOMENTUM = 0.9
DOWN = 4  # kernel of the discriminator's halving convolutions


def build_generator(shape: Shape) -> keras.Model:
    """(n, latent_size + classes) to (n, image_size, image_size, channels) tanh."""
    inputs = keras.Input((shape.inputs,), name="latent_and_class")
    latent, label = inputs[:, : shape.latent_size], inputs[:, shape.latent_size :]
    width = WIDTHS[FIRST]
    x = layers.Dense(
        FIRST * FIRST * width, use_bias=False, kernel_initializer=initial(), name="project"
    )(latent)
    x = layers.Reshape((FIRST, FIRST, width), name="first")(x)
    x = _class_norm_relu(x, label, "project")
    for pixels in _doublings(shape):
        name = f"up_{pixels}"
        x = ResizeConv2D(WIDTHS[pixels], name=name)(x)
        x = _class_norm_relu(x, label, name)
        if pixels == ATTENTION:
            x = self_attention(x, _plain_convolution, "attention")
    x = layers.Conv2D(
        shape.channels, KERNEL, padding="same", kernel_initializer=initial(), name="picture"
    )(x)
    return keras.Model(inputs, layers.Activation("tanh", dtype="float32", name="tanh")(x))


def build_discriminator(shape: Shape) -> keras.Model:
    """Pictures in [-1, 1] and one-hot classes (n, classes) to (n, 1) logits, above 0 for real."""
    picture = keras.Input((shape.image_size, shape.image_size, shape.channels), name="picture")
    label = keras.Input((shape.classes,), name="class")
    x = picture
    for pixels in (FIRST, *_doublings(shape))[-2::-1]:
        x = SpectralConv2D(WIDTHS[pixels], DOWN, 2, name=f"down_{pixels}")(x)
        x = layers.LeakyReLU(negative_slope=0.1, name=f"down_{pixels}_leaky")(x)
        if pixels == ATTENTION:
            x = self_attention(x, SpectralConv2D, "attention")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    features = layers.Rescaling(FIRST * FIRST, name="sum")(features)  # the papers' sum
    unconditional = SpectralDense(1, name="logits")(features)
    embedded = SpectralDense(WIDTHS[FIRST], use_bias=False, name="embedding")(label)
    projection = layers.Dot(axes=1, name="projection")([features, embedded])
    logits = layers.Add(dtype="float32", name="verdict")([unconditional, projection])
    return keras.Model([picture, label], logits, name="discriminator")


def _doublings(shape: Shape) -> list[int]:
    return [pixels for pixels in WIDTHS if FIRST < pixels <= shape.image_size]


def _plain_convolution(filters: int, size: int, name: str) -> keras.Layer:
    return layers.Conv2D(filters, size, kernel_initializer=initial(), name=name)


def _class_norm_relu(x: Any, label: Any, name: str) -> Any:  # noqa: ANN401 - Keras tensors
    """Batch normalisation with a scale and a shift for each class, then ReLU."""
    width = x.shape[-1]
    x = FusedNorm(
        momentum=NORM_MOMENTUM, epsilon=1e-5, center=False, scale=False, name=f"{name}_norm"
    )(x)
    scale = layers.Dense(
        width, kernel_initializer="zeros", bias_initializer="ones", name=f"{name}_scale"
    )
    shift = layers.Dense(width, kernel_initializer="zeros", name=f"{name}_shift")
    x = layers.Multiply()([x, layers.Reshape((1, 1, width))(scale(label))])
    x = layers.Add()([x, layers.Reshape((1, 1, width))(shift(label))])
    return layers.ReLU(name=f"{name}_relu")(x)
