"""What a stage learns on: pictures, or features computed once. Each gives batches by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from leafgate.images import Pixels
from training.classifier.backbones import Network
from training.classifier.config import ClassifierConfig
from training.classifier.features import image_features, view_features
from training.classifier.learner import Learner
from training.classifier.stages import Stage
from training.data.pipeline import (
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
    config: ClassifierConfig
    number: int
    stage: Stage
    train: LabelledImages
    validation: Pixels

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
        network, train = material.network, material.train
        self.material = material
        self.model = network.get_layer("head")
        self.variables = self.model.variables
        self.views = view_features(network, train, material.config)
        self.validation = image_features(network, material.validation)
        self.targets = np.eye(train.classes, dtype=np.float32)[train.labels]

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        order, batch_size = self.material.order(epoch), self.material.stage.batch_size
        rng = np.random.default_rng([self.material.config.seed, epoch])
        features = self.views[rng.integers(0, len(self.views), len(order)), order]
        used = steps_an_epoch(len(order), batch_size) * batch_size
        pair = (features[:used].astype(np.float32), self.targets[order[:used]])
        data = tf.data.Dataset.from_tensor_slices(pair).batch(batch_size)
        return data.with_options(untuned())

    def validate(self) -> Logits:
        """See Lesson."""
        return np.asarray(self.model(self.validation.astype(np.float32), training=False))
