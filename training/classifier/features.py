"""Stage 1 without the backbone: features of a few augmented views, computed once.

A frozen backbone gives the same features for the same view, so K views of every image are sent
through it once, and the head alone learns on them, an epoch in well under a second.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.progress import progress
from training.classifier.backbones import Network
from training.classifier.config import ClassifierConfig
from training.classifier.views import Draws, random_views
from training.data.pipeline import LabelledImages

Features = NDArray[np.float16]
BATCH = 32


def view_features(network: Network, images: LabelledImages, config: ClassifierConfig) -> Features:
    """(views, n, channels) pooled features of `config.stage1_views` views of every image."""
    extract = _pooled(network)

    @tf.function(reduce_retracing=True)
    def features_of(pixels: Any, seed: Any) -> Any:  # noqa: ANN401 - tensors
        draws = Draws(tf.stack([tf.constant(config.seed, tf.int32), seed]))
        views = random_views(pixels, tf.constant(config.image_size), config, draws)
        return extract(views, training=False)

    starts = range(0, len(images), BATCH)
    views = []
    with progress("features of augmented views", config.stage1_views * len(starts)) as advance:
        for view in range(config.stage1_views):
            parts = []
            for start in starts:
                pixels = images.read(np.arange(start, min(start + BATCH, len(images))))
                seed = tf.constant(view * len(images) + start, tf.int32)
                parts.append(np.asarray(features_of(pixels, seed), np.float16))
                advance()
            views.append(np.concatenate(parts))
    return np.stack(views)


def image_features(network: Network, images: Pixels) -> Features:
    """(n, channels) pooled features of images as they are."""
    extract = tf.function(_pooled(network), reduce_retracing=True)
    parts = [
        np.asarray(extract(images[i : i + BATCH].astype(np.float32), training=False), np.float16)
        for i in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)


def _pooled(network: Network) -> Network:
    return keras.Model(network.inputs, network.get_layer("pooled").output)
