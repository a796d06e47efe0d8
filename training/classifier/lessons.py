"""What a stage learns from: pictures, or what frozen layers made of them. Each gives batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from leafgate.images import Pixels
from training.classifier.backbones import LoadedBackbone, Network
from training.classifier.config import ClassifierConfig
from training.classifier.features import FrozenViews
from training.classifier.halves import halves
from training.classifier.learner import Learner, MapLearner
from training.classifier.stages import Learns, Stage
from training.data.pipeline import (
    AHEAD,
    READERS,
    Indices,
    LabelledImages,
    epoch_batches,
    epoch_order,
    steps_an_epoch,
    untuned,
)

Logits = NDArray[np.float32]
BATCH = 64


class Lesson(Protocol):
    """model: what is compiled and fitted; variables: all of the network's that may change by it."""

    model: Network
    variables: Sequence[Any]

    def batches(self, epoch: int) -> Any:  # noqa: ANN401 - tf.data.Dataset
        """The batches of one epoch."""

    def validate(self) -> Logits:
        """(n, classes) logits of the validation images."""


@dataclass(frozen=True)
class Material:
    """All that stage `number` needs. validation: (n, size, size, 3) as they will be served."""

    network: Network
    backbone: LoadedBackbone
    config: ClassifierConfig
    number: int
    stage: Stage
    train: LabelledImages
    validation: Pixels
    frozen: FrozenViews

    def order(self, epoch: int) -> Indices:
        """The training images of one epoch."""
        balanced = self.config.imbalance == "balanced_sampling"
        own = 1000 * self.number + epoch
        return epoch_order(self.train.labels, self.config.seed, own, balanced)


class OnPictures:
    """Views are drawn anew for every step."""

    def __init__(self, material: Material) -> None:
        network = material.network
        self.material = material
        self.model = Learner(network, material.config)
        self.variables = network.variables
        self._logits = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False)["logits"],
            reduce_retracing=True,
        )

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        given, stage = self.material, self.material.stage
        order = given.order(epoch)
        return epoch_batches(given.train, order, stage.batch_size, stage.size(epoch), epoch)

    def validate(self) -> Logits:
        """See Lesson."""
        images = self.material.validation
        parts = [
            np.asarray(self._logits(images[start : start + BATCH]), np.float32)
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts)


class OnFeatures:
    """The head alone, on one of the stored views of each image."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.model = material.network.get_layer("head")
        self.variables = self.model.variables
        self.views = material.frozen.learnt.pooled
        self.validation = material.frozen.validated.pooled.astype(np.float32)
        self.targets = np.eye(material.train.classes, dtype=np.float32)[material.train.labels]

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        order, batch_size = self.material.order(epoch), self.material.stage.batch_size
        features = self.views[drawn_views(self.material, epoch, len(self.views)), order]
        used = steps_an_epoch(len(order), batch_size) * batch_size
        pair = (features[:used].astype(np.float32), self.targets[order[:used]])
        data = tf.data.Dataset.from_tensor_slices(pair).batch(batch_size)
        return data.with_options(untuned())

    def validate(self) -> Logits:
        """See Lesson."""
        return np.asarray(self.model(self.validation, training=False))


class OnMaps:
    """The last layers and the head, on the map of one of the stored views of each image."""

    def __init__(self, material: Material) -> None:
        cut = halves(material.backbone.network, material.config.unfrozen_layers or 0)
        assert cut is not None  # noqa: S101 - else no maps are kept
        self.material = material
        self.maps = material.frozen.learnt.maps
        entering = keras.Input(self.maps.shape[2:])
        pooled = keras.layers.GlobalAveragePooling2D()(cut.tail(entering))
        self.tail = keras.Model(entering, material.network.get_layer("head")(pooled))
        self.model = MapLearner(self.tail, material.config)
        self.variables = self.tail.variables
        self.validation = material.frozen.validated.maps
        self._logits = tf.function(
            lambda maps: self.tail(tf.cast(maps, tf.float32), training=False),
            reduce_retracing=True,
        )

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        given = self.material
        order, views = given.order(epoch), drawn_views(given, epoch, len(self.maps))
        steps = steps_an_epoch(len(order), given.stage.batch_size)
        size = min(given.stage.batch_size, len(order))
        shape, classes = self.maps.shape[2:], given.train.classes

        def read(views: Any, indices: Any) -> Any:  # noqa: ANN401 - arrays
            return self.maps[views, indices].astype(np.float32)

        def batch(step: Any, views: Any, indices: Any) -> Any:  # noqa: ANN401 - tensors
            maps = tf.numpy_function(read, [views, indices], tf.float32, stateful=False)
            seed = tf.fill([size], tf.cast(epoch * steps + step, tf.int32))
            inputs = {"maps": tf.ensure_shape(maps, (size, *shape)), "seed": seed}
            return inputs, tf.one_hot(tf.gather(given.train.labels, indices), classes)

        used = slice(0, steps * size)
        parts = np.arange(steps), views[used].reshape(steps, -1), order[used].reshape(steps, -1)
        data = tf.data.Dataset.from_tensor_slices(parts).map(batch, READERS, deterministic=True)
        return data.prefetch(AHEAD).with_options(untuned())

    def validate(self) -> Logits:
        """See Lesson."""
        starts = range(0, len(self.validation), BATCH)
        parts = [self._logits(self.validation[start : start + BATCH]) for start in starts]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])


def drawn_views(material: Material, epoch: int, views: int) -> Indices:
    """Which view of each image of the epoch's order is learnt from."""
    rng = np.random.default_rng([material.config.seed, epoch])
    return rng.integers(0, views, len(material.order(epoch)))


LESSONS: dict[Learns, Callable[[Material], Lesson]] = {
    "pictures": OnPictures,
    "features": OnFeatures,
    "maps": OnMaps,
}
