"""Layers that Keras lacks, or has slower: in training alone, never in a stored model.

Spectral normalisation: Miyato et al. 2018, arXiv 1802.05957, one power iteration a step. Keras's
own wrapper overwrites the kernel with its normalised self, so the norm has no part in the gradient.

Resize-convolution: Odena et al. 2016, doi 10.23915/distill.00003, against checkerboards. Doubling a
picture (nearest) and convolving it with a 3x3 kernel is the same as one transposed convolution with
the 4x4 kernel that `doubling_kernel` makes of it, at four products an output pixel instead of nine.

Batch normalisation: Keras computes it from single operations, TensorFlow has it as one; forwards
and back that took a third to a half of the time on two cores.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

KERNEL = 3
POOL = 4
TINY = 1e-12


def initial() -> keras.initializers.Initializer:
    """Orthogonal, as in Brock et al. 2019, arXiv 1809.11096."""
    return keras.initializers.Orthogonal()


class SpectralConv2D(layers.Layer):
    """Convolution whose kernel has spectral norm 1. (n, h, w, c) to (n, h', w', filters)."""

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, name: str = "") -> None:
        super().__init__(name=name or None)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Kernel, bias, and the vector of the power iteration."""
        size = self.kernel_size
        shape = (size, size, input_shape[-1], self.filters)
        self.kernel, self.vector = _spectral_weights(self, shape)
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: ANN401 - tensors
        """One power iteration in training."""
        kernel = tf.cast(normalised(self.kernel, self.vector, training), inputs.dtype)
        return tf.nn.conv2d(inputs, kernel, self.strides, "SAME") + self.bias


class SpectralDense(layers.Layer):
    """Matrix of spectral norm 1. (n, c) to (n, units)."""

    def __init__(self, units: int, use_bias: bool = True, name: str = "") -> None:
        super().__init__(name=name or None)
        self.units, self.use_bias = units, use_bias

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Kernel, bias where there is one, and the vector of the power iteration."""
        self.kernel, self.vector = _spectral_weights(self, (input_shape[-1], self.units))
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: ANN401 - tensors
        """One power iteration in training."""
        found = inputs @ tf.cast(normalised(self.kernel, self.vector, training), inputs.dtype)
        return found + self.bias if self.use_bias else found


class FusedNorm(layers.BatchNormalization):
    """Keras's batch normalisation over (n, h, w, c) or (n, c), in one operation while training."""

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:  # noqa: ANN401
        """As Keras's own."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        width = inputs.shape[-1]
        found, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs if len(inputs.shape) == 4 else inputs[:, None, None],
            tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(width),
            tf.cast(self.beta, tf.float32) if self.center else tf.zeros(width),
            epsilon=self.epsilon,
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * now)
        return tf.reshape(found, tf.shape(inputs))

    def as_stored(self) -> tuple[Any, list[Any]]:
        """Keras's own layer and its weights."""
        config = {**self.get_config(), "dtype": "float32"}
        return layers.BatchNormalization.from_config(config), self.get_weights()


class ResizeConv2D(layers.Layer):
    """Double the picture, then convolve 3x3. (n, h, w, c) to (n, 2h, 2w, filters); no bias."""

    def __init__(self, filters: int, name: str = "") -> None:
        super().__init__(name=name or None)
        self.filters = filters

    def build(self, input_shape: tuple[int, ...]) -> None:
        """The 3x3 kernel as a transposed convolution has it: turned, (3, 3, filters, c)."""
        shape = (KERNEL, KERNEL, self.filters, input_shape[-1])
        self.kernel = self.add_weight(
            shape=shape, initializer=initial(), name="kernel", autocast=False
        )

    def call(self, inputs: Any) -> Any:  # noqa: ANN401 - tensors
        """As one transposed convolution."""
        size = tf.shape(inputs)
        shape = (size[0], 2 * inputs.shape[1], 2 * inputs.shape[2], self.filters)
        kernel = tf.cast(doubling_kernel(tf.convert_to_tensor(self.kernel)), inputs.dtype)
        return tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "SAME")

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Twice the height and width."""
        return (input_shape[0], 2 * input_shape[1], 2 * input_shape[2], self.filters)

    def as_stored(self) -> tuple[Any, list[Any]]:
        """The transposed convolution and its weights."""
        layer = layers.Conv2DTranspose(
            self.filters, KERNEL + 1, 2, "same", use_bias=False, name=self.name, dtype="float32"
        )
        return layer, [doubling_kernel(tf.convert_to_tensor(self.kernel)).numpy()]


def doubling_kernel(kernel: Any) -> Any:  # noqa: ANN401 - tensors
    """(3, 3, filters, c) to the (4, 4, filters, c) of a transposed convolution of stride 2."""
    rows = tf.pad(kernel, [[0, 1], [0, 0], [0, 0], [0, 0]])
    rows += tf.pad(kernel, [[1, 0], [0, 0], [0, 0], [0, 0]])
    both = tf.pad(rows, [[0, 0], [0, 1], [0, 0], [0, 0]])
    return both + tf.pad(rows, [[0, 0], [1, 0], [0, 0], [0, 0]])


def normalised(kernel: Any, vector: Any, training: bool) -> Any:  # noqa: ANN401 - tensors
    """`kernel` divided by its largest singular value, seen as a matrix (everything else, outputs).

    vector: (1, outputs), the right singular vector so far; moved on by one step in training.
    """
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
    right = tf.convert_to_tensor(vector)
    left = tf.math.l2_normalize(right @ tf.transpose(matrix), epsilon=TINY)
    if training:
        right = tf.math.l2_normalize(left @ matrix, epsilon=TINY)
        right = tf.stop_gradient(right)
        vector.assign(right)
    largest = tf.stop_gradient(left) @ matrix @ tf.transpose(right)
    return kernel / tf.reshape(tf.maximum(largest, TINY), ())


def _spectral_weights(layer: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:  # noqa: ANN401
    kernel = layer.add_weight(shape=shape, initializer=initial(), name="kernel", autocast=False)
    vector = layer.add_weight(
        shape=(1, shape[-1]),
        initializer="random_normal",
        trainable=False,
        name="vector",
        autocast=False,
    )
    return kernel, vector


def self_attention(x: Any, convolution: Any, name: str) -> Any:  # noqa: ANN401 - Keras tensors
    """`x` plus what its own other places tell: Zhang et al. 2019, arXiv 1805.08318.

    convolution(filters, kernel_size, name=): how queries, keys and values are made. Keys and values
    are pooled 4x4 (in the authors' code 2x2, at four times the cost); the last convolution starts
    at zero in place of their factor that does.
    """
    height, width, channels = x.shape[1:]
    few = max(channels // 8, 1)
    half = max(channels // 2, 1)
    places, pooled = height * width, (height // POOL) * (width // POOL)
    query = layers.Reshape((places, few))(convolution(few, 1, name=f"{name}_query")(x))
    key = layers.MaxPooling2D(POOL)(convolution(few, 1, name=f"{name}_key")(x))
    value = layers.MaxPooling2D(POOL)(convolution(half, 1, name=f"{name}_value")(x))
    alike = layers.Dot(axes=2)([query, layers.Reshape((pooled, few))(key)])
    shares = layers.Softmax(name=f"{name}_shares")(alike)
    told = layers.Dot(axes=(2, 1))([shares, layers.Reshape((pooled, half))(value)])
    told = layers.Reshape((height, width, half))(told)
    out = layers.Conv2D(channels, 1, kernel_initializer="zeros", name=f"{name}_out")(told)
    return layers.Add(name=f"{name}_add")([x, out])
