"""The first GAN for digits: Goodfellow et al. 2014, arXiv 1406.2661, with convolutions.

28x28 grey: a dense layer onto 7x7x128, two transposed convolutions 128-64-1, tanh; a discriminator
of two convolutions 64-128 whose sigmoid is part of the loss. Departs from the paper, which has
dense layers alone, as the DCGAN of digits does that people know.
"""

import keras
from keras import layers

from training.gan.families import Shape
from training.gan.layers import FusedNorm

FIRST, WIDEST, FILTERS = 7, 128, 64
KERNEL = 4
NORM_MOMENTUM = 0.9


def build_generator(shape: Shape) -> keras.Model:
    """(n, latent_size) normal to (n, 28, 28, channels) tanh."""
    latent = keras.Input((shape.latent_size,), name="latent")
    x = layers.Dense(FIRST * FIRST * WIDEST, use_bias=False, name="project")(latent)
    x = _norm_leaky(x, "project")
    x = layers.Reshape((FIRST, FIRST, WIDEST), name="reshape")(x)
    x = layers.Conv2DTranspose(FILTERS, KERNEL, 2, "same", use_bias=False, name="up_64")(x)
    x = _norm_leaky(x, "up_64")
    x = layers.Conv2DTranspose(shape.channels, KERNEL, 2, "same", name="picture")(x)
    return keras.Model(latent, layers.Activation("tanh", dtype="float32", name="tanh")(x))


def build_discriminator(shape: Shape) -> keras.Model:
    """(n, 28, 28, channels) in [-1, 1] to (n, 1) logits, above 0 for real."""
    picture = keras.Input((shape.image_size, shape.image_size, shape.channels), name="picture")
    x = picture
    for filters in (FILTERS, WIDEST):
        x = layers.Conv2D(filters, KERNEL, 2, "same", name=f"down_{filters}")(x)
        x = layers.LeakyReLU(negative_slope=0.2, name=f"down_{filters}_leaky")(x)
    x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    return keras.Model([picture], logits, name="discriminator")


def _norm_leaky(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    norm = FusedNorm(momentum=NORM_MOMENTUM, name=f"{name}_norm")
    return layers.LeakyReLU(negative_slope=0.2, name=f"{name}_leaky")(norm(x))
