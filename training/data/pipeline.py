"""From the manifest to batches: every image through the one door, then tf.data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest, Side
from leafgate.progress import progress


def load_side(manifest: Manifest, side: Side, image_size: int) -> tuple[Pixels, NDArray[np.int64]]:
    """Images (n, size, size, 3) uint8 and labels (n,) of one side, with a progress bar.

    A label is the class's place in `manifest.classes`.
    """
    rows = manifest.side(side)
    index = {name: number for number, name in enumerate(manifest.classes)}
    with progress(f"reading {side} images", len(rows)) as advance:
        images = load_images([manifest.file(row) for row in rows], image_size, advance)
    return images, np.array([index[row.class_name] for row in rows], np.int64)


def batches(
    images: Pixels,
    labels: NDArray[np.int64],
    batch_size: int,
    shuffle_seed: int | None = None,
    augment: Any = None,  # noqa: ANN401 - a Keras layer
) -> Any:  # noqa: ANN401 - tf.data.Dataset
    """Batches of (float32 images in [0, 255], labels), shuffled anew each epoch where seeded.

    augment: a Keras layer, run on whole batches while the trainer works on the last one.
    """
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((images, labels))
    if shuffle_seed is not None:
        data = data.shuffle(len(images), seed=shuffle_seed, reshuffle_each_iteration=True)
    data = data.batch(batch_size).map(
        lambda pixels, label: (tf.cast(pixels, tf.float32), label), tf.data.AUTOTUNE
    )
    if augment is not None:
        data = data.map(
            lambda pixels, label: (augment(pixels, training=True), label), tf.data.AUTOTUNE
        )
    return data.prefetch(tf.data.AUTOTUNE)
