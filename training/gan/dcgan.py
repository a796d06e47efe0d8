"""DCGAN: Radford, Metz and Chintala 2016, arXiv 1511.06434.

Departs from the paper in half its filters, 4x4 kernels for 5x5 (a multiple of the stride, so no
checkerboard), and a discriminator without batch normalisation, which then judges each picture by
itself. Weights start at N(0, 0.02) as in the paper.
"""

from collections.abc import Sequence

import keras
from keras import layers

from training.gan.families import Shape
from training.gan.layers import FusedNorm

FILTERS = (64, 128, 256, 512)
FIRST = 4
KERNEL = 4
NORM_MOMENTUM = 0.9  # scarce classes have a few steps an epoch: 0.99 would lag for many epochs


def build_generator(shape: Shape, all_filters: Sequence[int] = FILTERS) -> keras.Model:
    """(n, latent_size) normal to (n, image_size, image_size, channels) tanh."""
    widest, *narrower = reversed(all_filters)
    latent = keras.Input((shape.latent_size,), name="latent")
    x = layers.Dense(
        FIRST * FIRST * widest, use_bias=False, kernel_initializer=_weights(), name="project"
    )(latent)
    x = _norm_relu(x, "project")
    x = layers.Reshape((FIRST, FIRST, widest), name="reshape")(x)
    for filters in narrower:
        x = _up(x, filters, f"up_{filters}", use_bias=False)
        x = _norm_relu(x, f"up_{filters}")
    picture = layers.Activation("tanh", dtype="float32", name="tanh")(
        _up(x, shape.channels, "picture")
    )
    return keras.Model(latent, picture, name="generator")


def build_discriminator(shape: Shape, all_filters: Sequence[int] = FILTERS) -> keras.Model:
    """(n, image_size, image_size, channels) in [-1, 1] to (n, 1) logits, above 0 for real."""
    picture = keras.Input((shape.image_size, shape.image_size, shape.channels), name="picture")
    x = picture
    for filters in all_filters:
        name = f"down_{filters}"
        x = layers.Conv2D(filters, KERNEL, 2, "same", kernel_initializer=_weights(), name=name)(x)
        x = layers.LeakyReLU(negative_slope=0.2, name=f"{name}_leaky")(x)
    x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(1, kernel_initializer=_weights(), dtype="float32", name="logits")(x)
    return keras.Model([picture], logits, name="discriminator")


def _up(x: keras.KerasTensor, filters: int, name: str, use_bias: bool = True) -> keras.KerasTensor:
    return layers.Conv2DTranspose(
        filters, KERNEL, 2, "same", use_bias=use_bias, kernel_initializer=_weights(), name=name
    )(x)


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    norm = FusedNorm(
        momentum=NORM_MOMENTUM,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
        name=f"{name}_norm",
    )
    return layers.ReLU(name=f"{name}_relu")(norm(x))


def _weights() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(0.0, 0.02)
