"""What a stage learns on: pictures, or features computed once. Each gives batches by epoch."""

from collections.abc import Callable, Sequence
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


def order_of(
    config: ClassifierConfig, train: LabelledImages, number: int
) -> Callable[..., Indices]:
    """From an epoch of stage `number` to its order of images."""
    balanced = config.imbalance == "balanced_sampling"
    return lambda epoch: epoch_order(train.labels, config.seed, 1000 * number + epoch, balanced)


class OnPictures:
    """Views are drawn anew for every step."""

    def __init__(
        self,
        network: Network,
        config: ClassifierConfig,
        stage: Stage,
        train: LabelledImages,
        validation: Pixels,
        order: Callable[[int], Indices],
    ) -> None:
        self.model = Learner(network, config)
        self.variables = network.variables
        self.stage, self.train, self.validation, self.order = stage, train, validation, order
        self._logits = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False)["logits"],
            reduce_retracing=True,
        )

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        order, size = self.order(epoch), self.stage.size(epoch)
        return epoch_batches(self.train, order, self.stage.batch_size, size, epoch)

    def validate(self) -> Logits:
        """See Lesson."""
        parts = [
            np.asarray(self._logits(self.validation[start : start + BATCH]), np.float32)
            for start in range(0, len(self.validation), BATCH)
        ]
        return np.concatenate(parts)


class OnFeatures:
    """The head alone, on one of the stored views of each image."""

    def __init__(
        self,
        network: Network,
        config: ClassifierConfig,
        stage: Stage,
        train: LabelledImages,
        validation: Pixels,
        order: Callable[[int], Indices],
    ) -> None:
        self.model = network.get_layer("head")
        self.variables = self.model.variables
        self.config, self.stage, self.order = config, stage, order
        self.views = view_features(network, train, config)
        self.validation = image_features(network, validation)
        self.targets = np.eye(train.classes, dtype=np.float32)[train.labels]

    def batches(self, epoch: int) -> Any:  # noqa: ANN401
        """See Lesson."""
        order = self.order(epoch)
        rng = np.random.default_rng([self.config.seed, epoch])
        features = self.views[rng.integers(0, len(self.views), len(order)), order]
        used = steps_an_epoch(len(order), self.stage.batch_size) * self.stage.batch_size
        pair = (features[:used].astype(np.float32), self.targets[order[:used]])
        data = tf.data.Dataset.from_tensor_slices(pair).batch(self.stage.batch_size)
        return data.with_options(untuned())

    def validate(self) -> Logits:
        """See Lesson."""
        return np.asarray(self.model(self.validation.astype(np.float32), training=False))
