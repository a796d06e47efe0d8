"""The stored classifier: what is in its folder, and how it answers.

A folder holds `model.json` (labels, image size, temperature, the preferred form), the Keras model,
its OpenVINO forms, the head's weights (for Grad-CAM) and the outlier score. The network takes RGB
in [0, 255] and prepares it itself, so every caller hands over plain pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leafgate.class_names import find_class
from leafgate.images import Pixels, eight_positions, resize
from leafgate.metrics.calibration import softmax
from registry.description import read_description, write_description
from registry.engine import Engine, EngineChoice, Form, load_engine, store_network
from registry.head import Head, grad_cam
from registry.outliers import OutlierScore

TOP = 5
TTA_VIEWS = 8  # positions of a square


@dataclass(frozen=True)
class ClassifierDescription:
    """What must be known of a classifier before it runs. image_size: pixels, square.

    temperature: divides the logits; form: what `auto` runs on a CPU; form_accuracy: of each form on
    the test side; test_time_views: 1, or 8 positions of the square that are averaged. What it said
    of the pictures that it was validated on, which drift is measured against: reference_classes,
    how many were told each class; reference_confidences, how many lie in each `confidence_bin`.
    Both are empty where it was stored by an older LeafGate.
    """

    labels: tuple[str, ...]
    image_size: int
    backbone: str
    weights: str
    temperature: float = 1.0
    form: Form = "fp32"
    form_accuracy: dict[str, float] = field(default_factory=dict)
    test_time_views: int = 1
    reference_classes: dict[str, int] = field(default_factory=dict)
    reference_confidences: tuple[int, ...] = ()
    kind: str = "classifier"
    format: int = 2


@dataclass(frozen=True)
class Prediction:
    """The answer for one image. top: up to five (class, probability), most probable first.

    unknown: the picture is unlike the training images, whatever the class; its score is about 1 for
    images as learnt and None for a model without an outlier score.
    """

    class_name: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    unknown: bool = False
    unknown_score: float | None = None


@dataclass(frozen=True)
class Explanation:
    """heat: (h, w) in [0, 1], where the network saw reason for `class_name`, at its own scale."""

    prediction: Prediction
    class_name: str
    heat: NDArray[np.float32]


class Outputs(NamedTuple):
    """For n images: logits (n, classes) unscaled, pooled (n, channels), features (n, h, w, c)."""

    logits: NDArray[np.float32]
    pooled: NDArray[np.float32]
    features: NDArray[np.float32]


class Judgement(NamedTuple):
    """For n images: logits (n, classes) before the temperature, and outlier scores (n,)."""

    logits: NDArray[np.float32]
    scores: NDArray[np.float64]


class Classifier:
    """A stored classifier, loaded."""

    def __init__(
        self,
        description: ClassifierDescription,
        engine: Engine,
        head: Head,
        outliers: OutlierScore | None = None,
    ) -> None:
        self.description, self.engine = description, engine
        self.head, self.outliers = head, outliers

    @classmethod
    def load(
        cls, folder: Path, engine: EngineChoice = "auto", serving_threads: int = 0
    ) -> "Classifier":
        """Load from the folder of a stored model. Raises UserError where it is not one.

        serving_threads: for many callers at a time, on so many cores; 0: for one.
        """
        description = read_description(folder, ClassifierDescription)
        loaded = load_engine(folder, engine, description.form, serving_threads)
        return cls(description, loaded, Head.load(folder), OutlierScore.load(folder))

    def outputs(self, images: Sequence[Pixels] | Pixels) -> Outputs:
        """What the network gives for images of (height, width, 3) uint8 of any size."""
        found = self.engine.run_all(self.batch_of(images))
        logits, features = _by_rank(found)
        return Outputs(logits, features.mean(axis=(1, 2)), features)

    def batch_of(self, images: Sequence[Pixels] | Pixels) -> NDArray[np.float32]:
        """What the network takes: (n, size, size, 3) in [0, 255]."""
        size = self.description.image_size
        batch = np.empty((len(images), size, size, 3), np.float32)
        for row, image in zip(batch, images, strict=True):
            row[...] = resize(image, size)
        return batch

    def probabilities(self, images: Sequence[Pixels] | Pixels) -> NDArray[np.float32]:
        """(len(images), classes), at the stored temperature and test-time views."""
        if not len(images):
            return np.empty((0, len(self.description.labels)), np.float32)
        return self._shares(self.judge(images))

    def predict(
        self, images: Sequence[Pixels] | Pixels, views: int | None = None
    ) -> list[Prediction]:
        """One prediction an image. views: 1 or 8 positions to average; None: as stored."""
        if not len(images):
            return []
        return self.answers(self.judge(images, views))

    def answers(self, judged: Judgement) -> list[Prediction]:
        """One prediction a row."""
        pairs = zip(self._shares(judged), judged.scores, strict=True)
        return [self._prediction(row, float(score)) for row, score in pairs]

    def explain(self, image: Pixels, class_name: str | None = None) -> Explanation:
        """Grad-CAM for one image: for the class given, or for the one predicted.

        Raises ValueError for a class the model does not know.
        """
        prediction = self.predict([image])[0]
        labels = self.description.labels
        name = prediction.class_name
        if class_name:
            name = find_class(class_name, labels) or class_name
        index = labels.index(name)
        heat = grad_cam(self.head, self.outputs([image]).features[0], index)
        return Explanation(prediction, name, heat)

    def judge(self, images: Sequence[Pixels] | Pixels, views: int | None = None) -> Judgement:
        """Logits and outlier scores, averaged over the test-time views."""
        shown = [self.views_of(image, views) for image in images]
        return averaged(map(self.judge_once, map(list, zip(*shown, strict=True))))

    def views_of(self, image: Pixels, views: int | None = None) -> list[Pixels]:
        """The image as the network sees it, (size, size, 3), in 1 or 8 positions of the square."""
        square = resize(image, self.description.image_size)
        return [square] if (views or self.views) == 1 else eight_positions(square)

    def judge_once(self, images: Sequence[Pixels] | Pixels) -> Judgement:
        """Logits and outlier scores of images as they stand."""

        def pick(found: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
            logits, features = _by_rank(found)
            return np.array(logits, np.float32), features.mean(axis=(1, 2), dtype=np.float32)

        logits, pooled = self.engine.run_for(self.batch_of(images), pick)
        return Judgement(logits, self.outlier_scores(pooled))

    @property
    def views(self) -> int:
        """Positions of a picture that are averaged, unless told otherwise."""
        return self.description.test_time_views

    def outlier_scores(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) for pooled features (n, channels); NaN for a model without an outlier score."""
        if self.outliers is None:
            return np.full(len(pooled), np.nan)
        return self.outliers.score(pooled)

    def _shares(self, judged: Judgement) -> NDArray[np.float32]:
        return softmax(judged.logits, self.description.temperature).astype(np.float32)

    def _prediction(self, probabilities: NDArray[np.float32], score: float) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")[:TOP]
        top = tuple((self.description.labels[i], float(probabilities[i])) for i in order)
        if self.outliers is None:
            return Prediction(*top[0], top)
        return Prediction(*top[0], top, score > float(self.outliers.threshold), score)


def averaged(views: Iterable[Judgement]) -> Judgement:
    """The mean over several views of the same images."""
    found = list(views)
    if len(found) == 1:
        return found[0]
    return Judgement(
        np.mean([view.logits for view in found], axis=0),
        np.mean([view.scores for view in found], axis=0),
    )


def _by_rank(found: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
    """Logits (n, classes) and feature map (n, h, w, channels), in whatever order they come."""
    logits = next(values for values in found if values.ndim == 2)
    return logits, next(values for values in found if values.ndim == 4)


def store_classifier(
    network: object, head: Head, description: ClassifierDescription, folder: Path
) -> None:
    """Write a Keras classifier into `folder`.

    network: (n, size, size, 3) in [0, 255] to logits (n, classes) and feature map (n, h, w, c).
    """
    store_network(network, folder)
    head.save(folder)
    write_description(description, folder)
