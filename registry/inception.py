"""InceptionV3's average pool: the features that FID, KID and the Inception Score are named for.

Heusel et al. 2017, arXiv 1706.08500. Images are brought to 299 pixels by antialiased bicubic
interpolation in floating point, as Parmar et al. 2022, arXiv 2104.11222, found to matter. Departs
in the weights: Keras's, not the TF-Slim ones of the paper, so values compare among themselves only.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.manifest import file_digest
from leafgate.settings import Settings
from registry.extractors import FeatureName, Floats, in_batches, resized
from registry.keras_files import FileUnavailableError, KerasFile, fetch_keras_file

SIZE = 299
POOL, ANSWERS = "avg_pool", "predictions"  # what Keras calls the last two layers
WEIGHTS = KerasFile(
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
    "9a0d58056eeedaa3f26cb7ebd46da564",
)
REMEDY = "give the file of Keras's InceptionV3 with its top in LEAFGATE_INCEPTION_WEIGHTS"


class InceptionFeatures:
    """InceptionV3 with the weights of one file. Makes about 15 images a second on two cores."""

    name: FeatureName = "inception"
    labels: tuple[str, ...] = ()  # ImageNet's thousand are none of ours

    def __init__(self, weights: Path) -> None:
        """Raises UserError where the file does not hold the network's weights."""
        self.about = (
            f"InceptionV3's average pool with Keras's weights ({weights.name}, SHA-256 "
            f"{file_digest(weights)[:12]}), which differ from the TF-Slim weights of Heusel et al. "
            "2017 (arXiv 1706.08500): values compare only among themselves"
        )
        network = load_network(weights)
        self._top = [np.asarray(values) for values in network.get_layer(ANSWERS).get_weights()]
        self._run = _compiled(network)
        self._last: tuple[bytes, Floats] = b"", np.empty(0, np.float32)

    def features(self, images: Pixels) -> Floats:
        """(n, 2048) for images (n, h, w, c) uint8 of any size; the last answer is kept."""
        key = (
            hashlib.sha256(np.ascontiguousarray(images).data).digest() + repr(images.shape).encode()
        )
        if key != self._last[0]:
            found = in_batches(lambda batch: np.asarray(self._run(prepared(batch))), images)
            self._last = key, found
        return self._last[1].copy()

    def probabilities(self, images: Pixels) -> Floats:
        """(n, 1000) over ImageNet's classes; free for the images that were last looked at."""
        kernel, bias = self._top
        logits = self.features(images) @ kernel + bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def find_inception(settings: Settings, classes: tuple[str, ...]) -> InceptionFeatures:
    """With the weights that the settings name, whatever the classes.

    Raises UserError where they cannot be had or read.
    """
    return InceptionFeatures(_weights_file(settings.inception_weights))


def _weights_file(weights: str) -> Path:
    if weights == "none":
        raise UserError("LEAFGATE_INCEPTION_WEIGHTS is none", REMEDY, code="no_weights")
    file = _downloaded() if weights == "auto" else Path(weights).expanduser()
    if not file.is_file():
        problem = f"LEAFGATE_INCEPTION_WEIGHTS={weights}: there is no such file"
        raise UserError(problem, f"{REMEDY}, or auto, or none", code="no_weights")
    return file


def _downloaded() -> Path:
    """Keras's own weights, from its cache or the network."""
    try:
        return fetch_keras_file(WEIGHTS)
    except FileUnavailableError as error:
        raise UserError(
            f"Inception's weights could not be downloaded ({error})",
            f"connect to the network, or {REMEDY}",
            code="no_weights",
        ) from error


def load_network(weights: Path) -> Any:  # noqa: ANN401 - keras.Model
    """Keras's InceptionV3 with its top. Raises UserError where the file is of another network."""
    import keras

    network = keras.applications.InceptionV3(include_top=True, weights=None)
    try:
        network.load_weights(weights)
    except Exception as error:  # h5py, Keras and zipfile each raise their own
        raise UserError(
            f"{weights} does not hold InceptionV3's weights ({_first_line(error)})",
            f"{REMEDY}: they are saved from keras.applications.InceptionV3(include_top=True)",
            code="no_weights",
        ) from error
    return network


def _compiled(network: Any) -> Any:  # noqa: ANN401 - Keras and TensorFlow have no types
    """The network up to its average pool, compiled once for every batch size."""
    import keras
    import tensorflow as tf

    pooled = keras.Model(network.inputs, network.get_layer(POOL).output)
    shape = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32)
    return tf.function(lambda batch: pooled(batch, training=False), input_signature=[shape])


def prepared(images: Pixels) -> Floats:
    """RGB (n, h, w, 3) uint8 at 299 pixels, in [-1, 1] but for what bicubic overshoots."""
    return resized(images, SIZE) / 127.5 - 1


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
