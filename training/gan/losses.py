"""What the two networks of a GAN minimise, by name. Logits are (n, 1); a loss is a scalar.

cross_entropy: the non-saturating form of Goodfellow et al. 2014, arXiv 1406.2661, with one-sided
label smoothing of Salimans et al. 2016, arXiv 1606.03498. hinge: Lim and Ye 2017, arXiv 1705.02894.
wasserstein: Arjovsky et al. 2017, arXiv 1701.07875, for a critic held by the gradient penalty of
Gulrajani et al. 2017, arXiv 1704.00028.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any  # TensorFlow has no type information


@dataclass(frozen=True)
class Loss:
    """discriminator(real logits, generated logits, real label), generator(generated logits).

    judged: logits as what is told of them, a probability of being real where they are one; floor:
    the discriminator's least loss at a real label, reached by one that is never wrong; None where
    there is none.
    """

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor], Tensor]
    judged: Callable[[Tensor], Tensor]
    floor: Callable[[float], float] | None


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))


def _cross_entropy_floor(label: float) -> float:
    shares = (label, 1 - label)
    return -sum(share * math.log(share) for share in shares if share > 0)


def _hinge(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + fake))


LOSSES = {
    "cross_entropy": Loss(
        lambda real, fake, label: _cross_entropy(real, label) + _cross_entropy(fake, 0.0),
        lambda fake: _cross_entropy(fake, 1.0),
        tf.sigmoid,
        _cross_entropy_floor,
    ),
    "hinge": Loss(_hinge, lambda fake: -tf.reduce_mean(fake), tf.sigmoid, lambda _: 0.0),
    "wasserstein": Loss(
        lambda real, fake, _: tf.reduce_mean(fake) - tf.reduce_mean(real),
        lambda fake: -tf.reduce_mean(fake),
        tf.identity,
        None,
    ),
}


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, seed: Tensor
) -> Tensor:
    """Mean of (|gradient| - 1)^2 at pictures between real and generated ones.

    critic: pictures (n, h, w, c) to logits (n, 1); seed: (2,) int32, of the places between.
    """
    share = tf.random.stateless_uniform((tf.shape(real)[0], 1, 1, 1), seed, dtype=tf.float32)
    between = real + tf.cast(share, real.dtype) * (fake - real)
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = critic(between)
    gradient = tf.cast(tape.gradient(logits, between), tf.float32)
    norms = tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2, 3)) + 1e-12)
    return tf.reduce_mean((norms - 1) ** 2)
