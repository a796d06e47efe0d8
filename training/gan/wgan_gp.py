"""Wasserstein GAN with gradient penalty: Gulrajani et al. 2017, arXiv 1704.00028.

The critic has no batch normalisation, since the penalty is one a picture; its output is no
probability. Both networks have the shapes of `training.gan.dcgan`, as the paper's first experiment
has, with one more doubling at 128 px.
"""

import keras

from training.gan import dcgan
from training.gan.families import Shape

FILTERS = {64: dcgan.FILTERS, 128: (32, *dcgan.FILTERS)}


def build_generator(shape: Shape) -> keras.Model:
    """(n, latent_size) normal to (n, image_size, image_size, channels) tanh."""
    return dcgan.build_generator(shape, FILTERS[shape.image_size])


def build_discriminator(shape: Shape) -> keras.Model:
    """(n, image_size, image_size, channels) in [-1, 1] to (n, 1): the critic's value."""
    return dcgan.build_discriminator(shape, FILTERS[shape.image_size])
