"""What a stored generator is measured by: its pictures, real images, and what networks see in them.

Real is the test side, which nothing was learnt from: a generator gains nothing by handing back its
training images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.metrics.generative import pure_noise
from leafgate.progress import progress
from registry import Drawn, FeatureExtractor, Generator

Labels = NDArray[np.int64]
Floats = NDArray[np.floating]
Ask = Callable[[Pixels], Floats | None]

MOST_TRAINING = 5_000  # training images that copies are looked for among
OWN_TRAINING = 512  # of them, for the reference beside the classifier's own distance
CHUNK = 128  # images between two steps of the progress bar


@dataclass(frozen=True)
class LabelledSide:
    """images: (n, size, size, channels) uint8 at the generator's size; labels: (n,) class indices
    into the generator's classes.
    """

    images: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Evidence:
    """drawn: the pictures; train: at most 5,000 of `all_training` images, in random order.

    train_features, test_features, features, probabilities: what the extractor says of training
    images, test images and pictures; noise_features: of pictures of pure noise; wanted: (classes,)
    shares that the pictures ought to have; answers, test_answers: a labelled classifier's
    probabilities for pictures and test images, None where no classifier knows the classes; own:
    the classifier's features, None there too, and where it is the extractor itself; chosen_with:
    the features that chose the generator's epoch, empty where that is not known.
    """

    generator: Generator
    seed: int
    drawn: Drawn
    train: LabelledSide
    test: LabelledSide
    all_training: int
    wanted: Floats
    extractor: FeatureExtractor
    train_features: Floats
    test_features: Floats
    features: Floats
    probabilities: Floats | None
    classifier: FeatureExtractor | None
    answers: Floats | None
    test_answers: Floats | None
    noise_features: Floats
    own: "OwnFeatures | None" = None
    chosen_with: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The generator's."""
        return self.generator.description.classes


@dataclass(frozen=True)
class OwnFeatures:
    """(any, d) features of the platform's own classifier: a second opinion, which it cannot give
    alone, as it learnt from the same images.
    """

    train: Floats
    test: Floats
    drawn: Floats
    noise: Floats


def gather(
    generator: Generator,
    extractor: FeatureExtractor,
    classifier_extractor: FeatureExtractor | None,
    train: LabelledSide,
    test: LabelledSide,
    samples: int,
    seed: int,
    chosen_with: str = "",
) -> Evidence:
    """All that takes time: draw, and run the images through the extractors, once.

    classifier_extractor: left out where it does not know all of the generator's classes; the
    extractor itself stands in where it does.
    """
    classes = generator.description.classes
    classifier = _knowing(classes, classifier_extractor) or _knowing(classes, extractor)
    some = _some(train, seed)
    drawn = generator.draw(range(samples), seed)
    noise = pure_noise(drawn.images)
    own = classifier if classifier is not extractor else None
    known = some.images[:OWN_TRAINING]
    images = [some.images, test.images, drawn.images, noise]
    images += [test.images, drawn.images] if classifier else []
    images += [known, test.images, drawn.images, noise] if own else []
    with progress("measuring the generator", sum(len(_starts(each)) for each in images)) as advance:

        def features(of: FeatureExtractor, these: Pixels) -> Floats:
            return _there(_asked([of.features], these, advance)[0])

        of_train, of_test = features(extractor, some.images), features(extractor, test.images)
        of_drawn = _asked([extractor.features, extractor.probabilities], drawn.images, advance)
        of_noise = features(extractor, noise)
        answers = test_answers = None
        if classifier:
            (test_answers,) = _asked([classifier.probabilities], test.images, advance)
            (answers,) = _asked([classifier.probabilities], drawn.images, advance)
        second = None
        if own:
            sets = (known, test.images, drawn.images, noise)
            second = OwnFeatures(*(features(own, each) for each in sets))
    wanted = wanted_shares(generator, drawn, train)
    return Evidence(
        generator, seed, drawn, some, test, len(train), wanted, extractor,
        of_train, of_test, _there(of_drawn[0]), of_drawn[1],
        classifier, answers, test_answers, of_noise, second, chosen_with,
    )  # fmt: skip


def asked_classes(generator: Generator, drawn: Drawn) -> Labels | None:
    """(n,) index of the class that each picture was asked to be of; None if none can be asked."""
    if not generator.description.conditional:
        return None
    place = {name: index for index, name in enumerate(generator.description.classes)}
    return np.array([place[str(name)] for name in drawn.class_names], np.int64)


def wanted_shares(generator: Generator, drawn: Drawn, train: LabelledSide) -> Floats:
    """(classes,): those asked for, or else those of the training images."""
    asked = asked_classes(generator, drawn)
    labels = train.labels if asked is None else asked
    return np.bincount(labels, minlength=len(generator.description.classes)) / len(labels)


def _knowing(
    classes: tuple[str, ...], extractor: FeatureExtractor | None
) -> FeatureExtractor | None:
    return extractor if extractor and set(classes) <= set(extractor.labels) else None


def _some(side: LabelledSide, seed: int) -> LabelledSide:
    order = np.random.default_rng(seed).permutation(len(side))[:MOST_TRAINING]
    return LabelledSide(side.images[order], side.labels[order])


def _asked(
    asks: Sequence[Ask], images: Pixels, advance: Callable[[], object]
) -> list[Floats | None]:
    """Each question's answer for all images, asked a chunk at a time."""
    parts: list[list[Floats | None]] = []
    for start in _starts(images):
        parts.append([ask(images[start : start + CHUNK]) for ask in asks])
        advance()
    return [_joined(answers) for answers in zip(*parts, strict=True)]


def _starts(images: Pixels) -> range:
    return range(0, max(len(images), 1), CHUNK)  # no images are asked for too: a chunk of none


def _joined(parts: Sequence[Floats | None]) -> Floats | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _there(features: Floats | None) -> Floats:
    assert features is not None, "features are never None"  # noqa: S101 - by the protocol
    return features
