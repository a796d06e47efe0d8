"""Each figure under its right name, with the numbers of images behind it and what it cannot say.

Fréchet distance is FID and kernel distance is KID with Inception's features alone; with others the
extractor is part of the name.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.metrics.frechet import frechet_distance
from leafgate.metrics.generative import evenly, pixel_diversity
from leafgate.metrics.kernel import kernel_distance
from leafgate.metrics.labels import inception_score
from leafgate.metrics.manifold import density_coverage, precision_recall
from leafgate.metrics.memorisation import Memorisation

Floats = NDArray[np.floating]
Values = dict[str, tuple[float, float]]

NAN = float("nan")
FEWEST = 10  # test images, below which no distance from them says anything
COMPARED = 1_000  # images whose distances from each other make up the diversity

TITLES = {
    "fd": "Fréchet distance, lower is better",
    "kid": "kernel distance, lower is better",
    "precision": "precision: share of pictures among real images",
    "recall": "recall: share of real images among pictures",
    "density": "density: as precision, 1 for real images",
    "coverage": "coverage: share of real images with a picture near",
}
SIZES = "depends on both numbers of images: compare at the same only"
NOTES = {
    "fd": "biased upwards, the more the fewer images for {width} features: compare at the same "
    "numbers of images only",
    "kid": "not biased by the number of images; its deviation is that of one block",
    "precision": SIZES,
    "recall": SIZES,
    "density": "",
    "coverage": f"rises with the number of pictures; {SIZES}",
}
INCEPTION_NAMES = {"fd": "fid"}
SCORES = {"inception": "inception_score", "classifier": "classifier_score"}


@dataclass(frozen=True)
class Figure:
    """value: NaN where it could not be computed; real, generated: images it was computed from.

    spread: standard deviation, NaN where there is none; reference: the same figure with real
    training images in place of pictures, NaN where none was computed; note: bias and limits.
    """

    name: str
    title: str
    value: float
    real: int
    generated: int
    spread: float = NAN
    reference: float = NAN
    note: str = ""

    def metrics(self) -> dict[str, float]:
        """By name; NaN among them."""
        return {
            self.name: self.value,
            f"{self.name}_sd": self.spread,
            f"{self.name}_reference": self.reference,
        }


def named(base: str, features: str) -> str:
    """What a figure is called that was computed with these features."""
    return INCEPTION_NAMES.get(base, base) if features == "inception" else f"{base}_{features}"


def comparisons(
    real: Floats, generated: Floats, training: Floats, features: str
) -> tuple[Figure, ...]:
    """Distances and neighbours of (n, d) test features and those of pictures.

    training: features of training images, as many of which as there are pictures are compared in
    the same way. All NaN, and said so, for fewer than 10 test images.
    """
    found = _compared(real, generated)
    yardstick = _compared(real, training[: len(generated)])
    return tuple(
        Figure(
            named(base, features), title, *_of(found[base], real, generated),
            reference=yardstick[base][0], note=_note(base, real),
        )
        for base, title in TITLES.items()
    )  # fmt: skip


def _of(
    found: tuple[float, float], real: Floats, generated: Floats
) -> tuple[float, int, int, float]:
    return found[0], len(real), len(generated), found[1]


def _note(base: str, real: Floats) -> str:
    if len(real) < FEWEST:
        return f"not computed: {len(real)} test images are fewer than {FEWEST}"
    return NOTES[base].format(width=real.shape[1])


def _compared(real: Floats, other: Floats) -> Values:
    """Value and standard deviation by base name."""
    if len(real) < FEWEST:
        return dict.fromkeys(TITLES, (NAN, NAN))
    kernel = kernel_distance(real, other)
    precision, recall = precision_recall(real, other)
    density, coverage = density_coverage(real, other)
    return {
        "fd": (frechet_distance(real, other), NAN),
        "kid": (kernel.value, kernel.standard_deviation),
        "precision": (precision, NAN),
        "recall": (recall, NAN),
        "density": (density, NAN),
        "coverage": (coverage, NAN),
    }


def score(probabilities: Floats | None, features: str) -> tuple[Figure, ...]:
    """Inception Score of (n, classes), or what it is called with a classifier's; none for None."""
    if probabilities is None:
        return ()
    value, spread = inception_score(probabilities)
    title = f"sure answers of many classes, 1 to {probabilities.shape[1]}, higher is better"
    note = "biased downwards for few pictures a class; knows nothing of the real images"
    return (Figure(SCORES[features], title, value, 0, len(probabilities), spread, note=note),)


def diversity(real: Pixels, generated: Pixels) -> Figure:
    """Mean distance between pictures over that between real images, pixel by pixel."""
    ours, theirs = generated[:COMPARED], real[evenly(len(real), COMPARED)]
    among_real = pixel_diversity(theirs) if len(theirs) >= FEWEST else NAN
    value = pixel_diversity(ours) / among_real if among_real else NAN
    note = "of pixels, with any features: says nothing about how real a picture looks"
    if math.isnan(value):
        note = f"not computed: {len(theirs)} test images are too few, or all alike"
    title = "diversity: 1 where pictures differ as much as real images"
    return Figure("diversity", title, value, len(theirs), len(ours), note=note)


def memorised(
    found: Memorisation, features: str, test_images: int, generated: int, searched: str
) -> tuple[Figure, ...]:
    """How near pictures are to training images, against held-out ones. searched: among which."""
    enough = test_images >= FEWEST
    note = f"copies were looked for among {searched}"
    if not enough:
        note = f"not computed: {test_images} test images are fewer than {FEWEST}"
    share = f"memorised: share of pictures as near to a training image as {found.expected:.0%} of "
    return (
        Figure(
            named("memorised_share", features),
            f"{share}held-out real images are; {found.expected:.0%} where nothing is",
            found.share if enough else NAN, test_images, generated, note=note,
        ),
        Figure(
            named("memorised_ratio", features),
            "distance to the nearest training image over that of held-out ones; 0 for copies, "
            "1 for new pictures",
            found.ratio if enough else NAN, test_images, generated, note=note,
        ),
    )  # fmt: skip
