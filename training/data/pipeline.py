"""From the manifest to batches: every image through the one door, then tf.data.

Which image comes when follows from the seed and the epoch alone, so a run that was interrupted
goes on with the batches it would have had.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest, Side
from leafgate.progress import progress

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Read = Callable[[Indices], Pixels]
READERS = 4  # batches being read at once, for images that are decoded when they are due
AHEAD = 4  # batches read before they are asked for


@dataclass(frozen=True)
class LabelledImages:
    """Images of one side. read: indices (n,) to (n, size, size, channels) uint8; labels: (count,).

    classes: how many there are, also where some have no image here.
    """

    read: Read
    labels: Labels
    size: int
    classes: int

    def __len__(self) -> int:
        return len(self.labels)


def side_labels(manifest: Manifest, side: Side) -> Labels:
    """(n,) each image's class as its place in `manifest.classes`."""
    index = {name: number for number, name in enumerate(manifest.classes)}
    return np.array([index[row.class_name] for row in manifest.side(side)], np.int64)


def load_side(
    manifest: Manifest, side: Side, image_size: int, channels: int = 3
) -> tuple[Pixels, Labels]:
    """Images (n, size, size, channels) uint8 and labels (n,) of one side, with a progress bar."""
    files = [manifest.file(row) for row in manifest.side(side)]
    with progress(f"reading {side} images", len(files)) as advance:
        images = load_images(files, image_size, advance, channels)
    return images, side_labels(manifest, side)


def training_images(
    manifest: Manifest, size: int, cache_gib: float, channels: int = 3
) -> LabelledImages:
    """The training side at `size` pixels: in memory where it fits, else decoded when it is due."""
    rows = manifest.side("train")
    labels = side_labels(manifest, "train")
    if len(rows) * size * size * channels <= cache_gib * 2**30:
        images, _ = load_side(manifest, "train", size, channels)
        return LabelledImages(lambda indices: images[indices], labels, size, len(manifest.classes))
    files = [manifest.file(row) for row in rows]
    return LabelledImages(_reader(files, size, channels), labels, size, len(manifest.classes))


def _reader(files: list[Path], size: int, channels: int) -> Read:
    return lambda indices: load_images([files[i] for i in indices], size, channels=channels)


def epoch_order(labels: Labels, seed: int, epoch: int, balanced: bool) -> Indices:
    """Indices of one epoch in random order. balanced: as many of each class, rare ones repeated."""
    rng = np.random.default_rng([seed, epoch])
    if not balanced:
        return rng.permutation(len(labels))
    share = 1 / np.bincount(labels)[labels]
    return rng.choice(len(labels), len(labels), p=share / share.sum())


def epoch_batches(
    images: LabelledImages, order: Indices, batch_size: int, size: int, epoch: int
) -> Any:  # noqa: ANN401 - tf.data.Dataset
    """Batches of ({pixels, seed, size}, targets) for `training.classifier.learner.Learner`.

    size: of the views to be drawn. The last batch is left out where it is not full.
    """
    import tensorflow as tf

    steps = steps_an_epoch(len(order), batch_size)
    used = order[: steps * batch_size].reshape(steps, -1)
    width, side = used.shape[1], images.size

    def read(indices: Any) -> Any:  # noqa: ANN401
        pixels = tf.numpy_function(images.read, [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(pixels, (width, side, side, 3))

    def batch(step: Any, indices: Any) -> Any:  # noqa: ANN401
        seed = tf.fill([width], tf.cast(epoch * steps + step, tf.int32))
        inputs = {"pixels": read(indices), "seed": seed, "size": tf.fill([width], size)}
        return inputs, tf.one_hot(tf.gather(images.labels, indices), images.classes)

    data = tf.data.Dataset.from_tensor_slices((np.arange(steps), used))
    return data.map(batch, READERS, deterministic=True).prefetch(AHEAD).with_options(untuned())


def untuned() -> Any:  # noqa: ANN401 - tf.data.Options
    """Options without tf.data's autotuner: ending its thread costs a second or more an epoch."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def steps_an_epoch(count: int, batch_size: int) -> int:
    """Full batches of an epoch; a set smaller than one batch is one step."""
    return max(count // batch_size, 1)
