"""The conditional family's own layers do what their papers say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.gan.layers import (
    FusedNorm,
    ResizeConv2D,
    SpectralConv2D,
    SpectralDense,
    normalised,
    self_attention,
)

PICTURES = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype(np.float32)


def largest_singular_value(kernel: np.ndarray) -> float:
    return float(np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0])


def test_a_resize_convolution_is_doubling_and_then_convolving() -> None:
    layer = ResizeConv2D(5)
    found = layer(PICTURES)
    doubled = PICTURES.repeat(2, axis=1).repeat(2, axis=2)
    kernel = np.asarray(layer.kernel)[::-1, ::-1].transpose(0, 1, 3, 2)
    expected = tf.nn.conv2d(doubled, kernel, 1, "SAME")
    assert found.shape == (2, 12, 12, 5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_training_brings_the_spectral_norm_to_one() -> None:
    for layer, inputs in ((SpectralConv2D(8, 4, 2), PICTURES), (SpectralDense(7), PICTURES[0, 0])):
        layer(inputs)
        layer.kernel.assign(5 * layer.kernel + 0.3)
        for _ in range(300):
            layer(inputs, training=True)
        kernel = normalised(layer.kernel, layer.vector, training=False)
        assert abs(largest_singular_value(np.asarray(kernel)) - 1) < 1e-3


def test_the_spectral_norm_takes_part_in_the_gradient() -> None:
    layer = SpectralDense(7, use_bias=False)
    for _ in range(30):
        layer(PICTURES[0, 0], training=True)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(PICTURES[0, 0]))
    gradient = tape.gradient(total, layer.kernel.value)
    along = tf.reduce_sum(gradient * layer.kernel)
    assert abs(float(along)) < 1e-3, "a longer kernel gives the same output"


def test_the_power_iteration_moves_on_in_training_alone() -> None:
    layer = SpectralDense(7)
    layer(PICTURES[0, 0])
    layer.vector.assign(np.eye(1, 7, dtype=np.float32))
    layer(PICTURES[0, 0], training=False)
    assert np.array_equal(layer.vector, np.eye(1, 7))
    layer(PICTURES[0, 0], training=True)
    assert not np.array_equal(layer.vector, np.eye(1, 7))


@pytest.mark.parametrize("shape", [(8, 4, 4, 3), (8, 5)])
def test_fused_normalisation_is_keras_own_in_training_and_after(shape: tuple[int, ...]) -> None:
    inputs = 3 * np.random.default_rng(2).standard_normal(shape).astype(np.float32) + 1
    ours, theirs = FusedNorm(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for _ in range(3):
        found, expected = ours(inputs, training=True), theirs(inputs, training=True)
        np.testing.assert_allclose(found, expected, atol=2e-3)
    count = inputs.size // shape[-1]
    mean, variance = np.asarray(theirs.moving_mean), np.asarray(theirs.moving_variance)
    np.testing.assert_allclose(ours.moving_mean, mean, atol=1e-4)
    biased = (ours.moving_variance - 0.125) * (
        count - 1
    ) / count + 0.125  # its start is no estimate
    np.testing.assert_allclose(biased, variance, rtol=1e-3)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(inputs), theirs(inputs))


def test_attention_adds_nothing_at_first_and_then_what_other_places_tell() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 8))
    layer = keras.layers.Conv2D
    network = keras.Model(inputs, self_attention(inputs, layer, "attention"))
    pictures = np.random.default_rng(1).standard_normal((1, 8, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(network(pictures), pictures)
    out = network.get_layer("attention_out")
    out.set_weights([np.ones_like(out.get_weights()[0]), out.get_weights()[1]])
    brighter, darker = pictures.copy(), pictures.copy()
    brighter[0, 7, 7] += 9
    darker[0, 7, 7] -= 9  # one of both raises the largest value of the pooled square
    here = [network(image)[0, 0, 0] - network(pictures)[0, 0, 0] for image in (brighter, darker)]
    assert np.abs(here).max() > 1e-4, "a change in one corner is seen in the other"
    np.testing.assert_allclose(
        np.asarray(network.get_layer("attention_shares").output.shape[1:]), (64, 4)
    )
