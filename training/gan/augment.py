"""Differentiable augmentation: Zhao et al. 2020, arXiv 2006.10738.

The discriminator only ever sees changed pictures, real and generated ones alike, so it cannot learn
a few real ones by heart; the change passes gradients on to the generator. Each picture has changes
of its own. Pictures are (n, size, size, channels) in [-1, 1]; strengths are the authors'.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

SHIFT = 1 / 8  # of the picture
CUT = 1 / 2

Change = Callable[[Any, Any], Any]


def augmented(images: Any, changes: Sequence[str], seed: Any) -> Any:  # noqa: ANN401 - tensors
    """`images` after each of `changes` in turn. seed: (2,) int32; the same one changes alike."""
    for number, name in enumerate(changes):
        folded = tf.random.experimental.stateless_fold_in(seed, number)
        images = CHANGES[name](images, folded)
    return images


def colour(images: Any, seed: Any) -> Any:  # noqa: ANN401 - tensors
    """Brightness, saturation and contrast."""
    brightness, saturation, contrast = (
        tf.cast(_uniform(images, seed, number), images.dtype)[:, None, None, None]
        for number in range(3)
    )
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = (images - grey) * (2 * saturation) + grey
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - mean) * (contrast + 0.5) + mean


def translation(images: Any, seed: Any) -> Any:  # noqa: ANN401 - tensors
    """Moved by up to an eighth either way, zeros moving in."""
    size = images.shape[1]
    most = round(size * SHIFT)
    down, right = (_whole_number(images, seed, number, -most, most) for number in range(2))
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    rows = tf.clip_by_value(tf.range(size)[None] + down[:, None] + 1, 0, size + 1)
    columns = tf.clip_by_value(tf.range(size)[None] + right[:, None] + 1, 0, size + 1)
    return tf.gather(tf.gather(padded, rows, batch_dims=1), columns, axis=2, batch_dims=1)


def cutout(images: Any, seed: Any) -> Any:  # noqa: ANN401 - tensors
    """A square of half the side is blanked, its centre anywhere."""
    size = images.shape[1]
    half = round(size * CUT) // 2
    places = tf.range(size)[None]
    top, left = (_whole_number(images, seed, number, 0, size)[:, None] for number in range(2))
    in_rows = tf.logical_and(places >= top - half, places < top + half)
    in_columns = tf.logical_and(places >= left - half, places < left + half)
    cut = tf.logical_and(in_rows[:, :, None], in_columns[:, None, :])
    return images * tf.cast(tf.logical_not(cut), images.dtype)[..., None]


CHANGES: dict[str, Change] = {"colour": colour, "translation": translation, "cutout": cutout}


def _uniform(images: Any, seed: Any, number: int) -> Any:  # noqa: ANN401 - tensors
    """(n,) in [0, 1)."""
    folded = tf.random.experimental.stateless_fold_in(seed, number)
    return tf.random.stateless_uniform((tf.shape(images)[0],), folded)


def _whole_number(images: Any, seed: Any, number: int, least: int, most: int) -> Any:  # noqa: ANN401
    """(n,) int32 from `least` to `most`, both included."""
    spread = _uniform(images, seed, number) * (most - least + 1)
    return least + tf.cast(spread, tf.int32)
