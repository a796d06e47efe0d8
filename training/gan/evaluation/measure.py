"""Every figure of a generator, computed from what `evidence.gather` has seen."""

import math
import re
from dataclasses import asdict, dataclass

import numpy as np

from leafgate.metrics.memorisation import memorisation
from training.gan.evaluation.class_figures import ClassFigures, class_figures
from training.gan.evaluation.evidence import Evidence
from training.gan.evaluation.figures import (
    FEWEST,
    Figure,
    comparisons,
    diversity,
    kernel_figure,
    memorised,
    score,
)

UNEVEN = 0.1  # share of test images in other classes than the pictures, from which it is told
LONGEST_NAME = 200
Pairs = tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class GeneratorEvaluation:
    """Figures of one generator. features, about: what they were computed with; chosen_with: the
    features that chose its epoch, empty where that is not known; seed: of the pictures; notes: what
    limits them all.

    closest: (picture, image of `Evidence.train`, distance), nearest first; classes: None where no
    classifier knows the generator's classes.
    """

    family: str
    conditional: bool
    image_size: int
    features: str
    about: str
    seed: int
    pictures: int
    test_images: int
    training_images: int
    figures: tuple[Figure, ...]
    classes: ClassFigures | None
    closest: Pairs
    notes: tuple[str, ...]
    chosen_with: str = ""

    def __getitem__(self, name: str) -> Figure:
        """The figure of that name. Raises KeyError."""
        return {figure.name: figure for figure in self.figures}[name]

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Flat, finite, with the numbers of images, under names that MLflow takes."""
        flat = {
            "generated_images": float(self.pictures),
            "real_images": float(self.test_images),
            "training_images": float(self.training_images),
        }
        for figure in self.figures:
            flat |= figure.metrics()
        if self.classes:
            flat |= self.classes.metrics()
        start = f"{prefix}_" if prefix else ""
        return _safely_named(
            {start + n: value for n, value in flat.items() if math.isfinite(value)}
        )

    def line(self) -> str:
        """The kernel distances between their references, for the terminal."""
        return "; ".join(map(str, (figure for figure in self.figures if figure.is_kernel_distance)))

    def as_dict(self) -> dict[str, object]:
        """For JSON, None for what could not be computed."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def measure(evidence: Evidence) -> GeneratorEvaluation:
    """Every figure of what was gathered; NaN, with a note, where there are too few images."""
    described, features = evidence.generator.description, evidence.extractor.name
    held_out = evidence.test_features
    # Without test images the pairs are found all the same: the pictures stand in as the yardstick.
    copies = memorisation(
        evidence.train_features, held_out if len(held_out) else evidence.features, evidence.features
    )
    counts = len(evidence.test), len(evidence.features)
    figures = (
        *comparisons(
            held_out,
            evidence.features,
            evidence.train_features,
            evidence.noise_features,
            features,
        ),
        *_second_opinion(evidence),
        *_scores(evidence),
        diversity(evidence.test.images, evidence.drawn.images),
        *memorised(copies, features, *counts, _searched(evidence)),
    )
    return GeneratorEvaluation(
        described.family,
        described.conditional,
        described.image_size,
        features,
        evidence.extractor.about,
        evidence.seed,
        len(evidence.features),
        len(evidence.test),
        evidence.all_training,
        figures,
        class_figures(evidence),
        copies.closest,
        tuple(_notes(evidence)),
        evidence.chosen_with,
    )


def _second_opinion(evidence: Evidence) -> tuple[Figure, ...]:
    own = evidence.own
    if own is None:
        return ()
    return (kernel_figure(own.test, own.drawn, own.train, own.noise, "classifier"),)


def _scores(evidence: Evidence) -> tuple[Figure, ...]:
    own = score(evidence.probabilities, evidence.extractor.name)
    if evidence.classifier in (None, evidence.extractor):
        return own
    return own + score(evidence.answers, "classifier")


def _searched(evidence: Evidence) -> str:
    looked, there = len(evidence.train), evidence.all_training
    return f"{looked:,} training images" + (f" of {there:,}" if looked < there else "")


def _notes(evidence: Evidence) -> list[str]:
    notes = []
    if len(evidence.test) < FEWEST:
        notes.append(
            f"{len(evidence.test)} test images are fewer than {FEWEST}: distances from them were "
            "not computed"
        )
    elif (apart := _unevenness(evidence)) > UNEVEN:
        notes.append(
            f"the classes of the test images differ from those of the pictures by {apart:.0%}: "
            "part of the distances comes from that"
        )
    if evidence.extractor.name == "pixels":
        notes.append(
            "the features are small thumbnails: figures tell a broken generator from a whole one, "
            "not a good one from a better one"
        )
    if evidence.extractor is evidence.classifier:
        notes.append(
            "features and recognised classes come from one classifier, which learnt from the same "
            "images: what it overlooks, all of these figures overlook"
        )
    if evidence.chosen_with == evidence.extractor.name:
        notes.append(
            f"the epoch was chosen with {evidence.chosen_with} features too, on the validation "
            "images: distances may flatter it"
        )
    elif evidence.chosen_with:
        notes.append(f"the epoch was chosen with other features ({evidence.chosen_with})")
    if evidence.classifier is None:
        notes.append("no classifier knows these classes: none were recognised")
    return notes


def _unevenness(evidence: Evidence) -> float:
    """Share of the test images that would have to be of another class (total variation)."""
    shares = np.bincount(evidence.test.labels, minlength=len(evidence.classes))
    return float(np.abs(shares / len(evidence.test) - evidence.wanted).sum() / 2)


def _safely_named(figures: dict[str, float]) -> dict[str, float]:
    """Letters, digits, `_` and `-` alone; names that thereby become the same are numbered."""
    named: dict[str, float] = {}
    for name, value in figures.items():
        safe = re.sub(r"[^\w-]+", "_", name)[:LONGEST_NAME]
        unique, number = safe, 2
        while unique in named:
            unique, number = f"{safe}_{number}", number + 1
        named[unique] = value
    return named


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
