"""The stored classifier: what is in its folder, and how it answers.

A folder holds `model.json` (labels, image size), the Keras model and its OpenVINO form. The network
takes RGB in [0, 255] and prepares it itself, so every caller hands over plain pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels, resize
from registry.description import read_description, write_description
from registry.engine import Engine, EngineChoice, load_engine, store_network

TOP = 5


@dataclass(frozen=True)
class ClassifierDescription:
    """What must be known of a classifier before it runs. image_size: pixels, square."""

    labels: tuple[str, ...]
    image_size: int
    backbone: str
    weights: str
    kind: str = "classifier"
    format: int = 1


@dataclass(frozen=True)
class Prediction:
    """The answer for one image. top: up to five (class, probability), most probable first."""

    class_name: str
    confidence: float
    top: tuple[tuple[str, float], ...]


class Classifier:
    """A stored classifier, loaded."""

    def __init__(self, description: ClassifierDescription, engine: Engine) -> None:
        self.description = description
        self.engine = engine

    @classmethod
    def load(cls, folder: Path, engine: EngineChoice = "auto") -> "Classifier":
        """Load from the folder of a stored model. Raises UserError where it is not one."""
        return cls(read_description(folder, ClassifierDescription), load_engine(folder, engine))

    def probabilities(self, images: Sequence[Pixels] | Pixels) -> NDArray[np.float32]:
        """(len(images), classes) for images of (height, width, 3) uint8 of any size."""
        size = self.description.image_size
        if not len(images):
            return np.empty((0, len(self.description.labels)), np.float32)
        batch = np.stack([resize(image, size) for image in images]).astype(np.float32)
        return self.engine.run(batch)

    def predict(self, images: Sequence[Pixels] | Pixels) -> list[Prediction]:
        """One prediction an image."""
        return [self._prediction(row) for row in self.probabilities(images)]

    def _prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")[:TOP]
        top = tuple((self.description.labels[i], float(probabilities[i])) for i in order)
        return Prediction(top[0][0], top[0][1], top)


def store_classifier(network: object, description: ClassifierDescription, folder: Path) -> None:
    """Write a Keras classifier, (n, size, size, 3) in [0, 255] to probabilities, into `folder`."""
    store_network(network, folder)
    write_description(description, folder)
