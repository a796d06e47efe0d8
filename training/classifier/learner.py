"""The network as it learns: views are drawn, mixed and learnt from in one step on the accelerator.

Class imbalance is met in one of three ways: batches with as many of each class (see
`training.data.pipeline`), a weight for each class, or logits shifted by the log of the class's
share while learning (logit adjustment: Menon et al. 2021, arXiv 2007.07314).
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.classifier.backbones import Network
from training.classifier.config import ClassifierConfig
from training.classifier.views import Draws, mixed, mixes, random_views

Loss = Callable[[Any, Any], Any]
Counts = NDArray[np.int64]


class Learner(keras.Model):  # type: ignore[misc] # Keras has no type information
    """A model of batches `{pixels, seed, size}, targets` that shares the network's weights.

    pixels: (n, source, source, 3) uint8; seed, size: (n,) int32, the first of each counts.
    """

    def __init__(self, network: Network, config: ClassifierConfig) -> None:
        super().__init__(network.inputs, network.output["logits"], name="learner")
        self.config = config

    def train_step(self, data: Any) -> Any:  # noqa: ANN401 - Keras's hook
        """One step on views of the batch."""
        batch, targets = data
        draws = Draws(tf.stack([self.config.seed, batch["seed"][0]]))
        images = random_views(batch["pixels"], batch["size"][0], self.config, draws)
        if mixes(self.config):
            images, targets = mixed(images, targets, self.config, draws)
        return super().train_step((images, targets))


class MapLearner(keras.Model):  # type: ignore[misc] # Keras has no type information
    """A model of batches `{maps, seed}, targets`: learns from what frozen layers have made.

    maps: (n, height, width, channels) float32; seed: (n,) int32, the first of which counts.
    """

    def __init__(self, tail: Network, config: ClassifierConfig) -> None:
        super().__init__(tail.inputs, tail.output, name="map_learner")
        self.config = config

    def train_step(self, data: Any) -> Any:  # noqa: ANN401 - Keras's hook
        """One step; maps are mixed as pictures are."""
        batch, targets = data
        maps = batch["maps"]
        if mixes(self.config):
            draws = Draws(tf.stack([self.config.seed, batch["seed"][0]]))
            maps, targets = mixed(maps, targets, self.config, draws)
        return super().train_step((maps, targets))


def learning_loss(config: ClassifierConfig, counts: Counts) -> Loss:
    """Cross-entropy of targets (n, classes) and logits, as the imbalance setting wants it.

    counts: training images of each class.
    """
    shares = np.maximum(counts, 1) / max(counts.sum(), 1)
    entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing, reduction=None
    )
    weights = (1 / (len(counts) * shares)).astype(np.float32)
    shift = np.log(shares).astype(np.float32)
    adjusted, weighted = config.imbalance == "logit_adjustment", config.imbalance == "class_weights"

    def loss(targets: Any, logits: Any) -> Any:  # noqa: ANN401 - tensors
        values = entropy(targets, logits + shift if adjusted else logits)
        return values * tf.linalg.matvec(targets, weights) if weighted else values

    return loss
