"""What a labelled classifier sees in the pictures: which classes, and those that were asked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.labels import class_fidelity, class_shares, divergence, entropy
from registry import FeatureExtractor
from training.gan.evaluation.evidence import Evidence, asked_classes

Labels = NDArray[np.int64]
NAN = float("nan")


@dataclass(frozen=True)
class ClassFigures:
    """about: the classifier in a sentence; pictures, test_images: how many it answered for.

    recognised, wanted: share of each class, and their entropies in nats; divergence: of the first
    from the second, in nats; fidelity: share of pictures recognised as the class asked for, in all
    and by class, NaN and empty where no class can be asked for; chance: that of a blind answer;
    accuracy: the classifier's own on real test images at the same size, in all and by class, NaN
    where there are none.
    """

    about: str
    pictures: int
    test_images: int
    recognised: dict[str, float]
    wanted: dict[str, float]
    entropy: float
    wanted_entropy: float
    divergence: float
    fidelity: float
    chance: float
    accuracy: float
    fidelity_by_class: dict[str, float]
    accuracy_by_class: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """Flat; NaN among them. The names of classes are as they are."""
        flat = {
            "class_entropy": self.entropy,
            "class_entropy_wanted": self.wanted_entropy,
            "class_divergence": self.divergence,
            "class_fidelity": self.fidelity,
            "class_fidelity_chance": self.chance,
            "class_accuracy_of_real": self.accuracy,
        }
        flat |= {f"class_share_of_{name}": share for name, share in self.recognised.items()}
        return flat | {
            f"class_fidelity_of_{name}": share for name, share in self.fidelity_by_class.items()
        }


def class_figures(evidence: Evidence) -> ClassFigures | None:
    """None where no classifier knows the generator's classes."""
    if evidence.classifier is None or evidence.answers is None or evidence.test_answers is None:
        return None
    labels = evidence.classifier.labels
    predicted = evidence.answers.argmax(axis=1)
    shares = class_shares(predicted, len(labels))
    wanted = np.zeros(len(labels))
    places = _places(evidence.classifier, evidence.classes)
    wanted[places] = evidence.wanted
    asked = asked_classes(evidence.generator, evidence.drawn)
    fidelity = _Matches(places, np.empty(0, np.int64), np.empty(0, np.int64), evidence.classes)
    if asked is not None:
        fidelity = _Matches(places, asked, predicted, evidence.classes)
    real = _Matches(
        places, evidence.test.labels, evidence.test_answers.argmax(axis=1), evidence.classes
    )
    return ClassFigures(
        about=evidence.classifier.about,
        pictures=len(predicted),
        test_images=len(evidence.test),
        recognised=dict(zip(labels, map(float, shares), strict=True)),
        wanted=dict(zip(labels, map(float, wanted), strict=True)),
        entropy=entropy(shares),
        wanted_entropy=entropy(wanted),
        divergence=divergence(shares, wanted),
        fidelity=fidelity.all(),
        chance=NAN if asked is None else 1 / len(evidence.classes),
        accuracy=real.all(),
        fidelity_by_class=fidelity.by_class(),
        accuracy_by_class=real.by_class(),
    )


def _places(classifier: FeatureExtractor, classes: tuple[str, ...]) -> Labels:
    """(classes,) place of each of the generator's classes among the classifier's labels."""
    return np.array([classifier.labels.index(name) for name in classes], np.int64)


@dataclass(frozen=True)
class _Matches:
    """truth (n,): indices into `classes`; predicted (n,): into the classifier's labels."""

    places: Labels
    truth: Labels
    predicted: Labels
    classes: tuple[str, ...]

    def all(self) -> float:
        """Share of answers that are the truth."""
        return class_fidelity(self.places[self.truth], self.predicted)

    def by_class(self) -> dict[str, float]:
        """The same of each class that is there."""
        return {
            self.classes[c]: float((self.predicted[self.truth == c] == self.places[c]).mean())
            for c in np.unique(self.truth)
        }
