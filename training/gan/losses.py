"""What the two networks of a GAN minimise: binary cross-entropy on logits.

The non-saturating form of Goodfellow et al. 2014, arXiv 1406.2661, with one-sided label smoothing
of Salimans et al. 2016, arXiv 1606.03498. Logits are (n, 1); a loss is a scalar.
"""

import tensorflow as tf


def discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor, real_label: float
) -> tf.Tensor:
    """Low where real pictures get `real_label` and generated ones 0."""
    return _cross_entropy(real_logits, real_label) + _cross_entropy(fake_logits, 0.0)


def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """Low where generated pictures are taken for real."""
    return _cross_entropy(fake_logits, 1.0)


def _cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
