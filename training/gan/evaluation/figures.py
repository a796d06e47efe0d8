"""Each figure under its right name, with the numbers of images behind it and what it cannot say.

Fréchet distance is FID and kernel distance is KID with Inception's features alone; with others they
are `fd` and `kd`, and the extractor is part of the name. Each stands between two references: what
real training images get in place of pictures, and what pictures of pure noise get.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.metrics.frechet import frechet_distance
from leafgate.metrics.generative import evenly, pixel_diversity
from leafgate.metrics.kernel_interval import kernel_interval
from leafgate.metrics.labels import inception_score
from leafgate.metrics.manifold import density_coverage, precision_recall
from leafgate.metrics.memorisation import Memorisation
from leafgate.metrics.statistics import Interval

Floats = NDArray[np.floating]
Values = dict[str, Interval]

NAN = float("nan")
FEWEST = 10  # test images, below which no distance from them says anything
COMPARED = 1_000  # images whose distances from each other make up the diversity
FEWEST_FOR_COVARIANCE = 1_000

TITLES = {
    "kd": "kernel distance, lower is better",
    "fd": "Fréchet distance, lower is better; look at the kernel distance first",
    "precision": "precision: share of pictures among real images",
    "recall": "recall: share of real images among pictures",
    "density": "density: as precision, 1 for real images",
    "coverage": "coverage: share of real images with a picture near",
}
SIZES = "depends on both numbers of images: compare at the same only"
NOTES = {
    "kd": "not biased by the number of images; 95 % bootstrap interval over images of both sides",
    "fd": "biased upwards, the more the fewer images for {width} features: compare at the same "
    "numbers of images only",
    "precision": SIZES,
    "recall": SIZES,
    "density": "",
    "coverage": f"rises with the number of pictures; {SIZES}",
}
INCEPTION_NAMES = {"fd": "fid", "kd": "kid"}
SCORES = {"inception": "inception_score", "classifier": "classifier_score"}


@dataclass(frozen=True)
class Figure:
    """value: NaN where it could not be computed; real, generated: images it was computed from.

    spread: standard deviation, low, high: 95 % interval, NaN where there is none; reference: the
    same figure with real training images in place of pictures, noise: with pictures of pure noise,
    NaN where none was computed; note: bias and limits.
    """

    name: str
    title: str
    value: float
    real: int
    generated: int
    spread: float = NAN
    reference: float = NAN
    note: str = ""
    low: float = NAN
    high: float = NAN
    noise: float = NAN

    @property
    def is_kernel_distance(self) -> bool:
        """With whichever features."""
        return self.title == TITLES["kd"]

    def __str__(self) -> str:
        told = f"{self.name} {self.value:.3g} (95 % interval {self.low:.3g} to {self.high:.3g})"
        ends = f"real training images get {self.reference:.3g}, pure noise {self.noise:.3g}"
        return f"{self.name} {self.note}" if math.isnan(self.value) else f"{told}, where {ends}"

    def metrics(self) -> dict[str, float]:
        """By name; NaN among them."""
        return {
            self.name: self.value,
            f"{self.name}_sd": self.spread,
            f"{self.name}_low": self.low,
            f"{self.name}_high": self.high,
            f"{self.name}_reference": self.reference,
            f"{self.name}_noise": self.noise,
        }


def named(base: str, features: str) -> str:
    """What a figure is called that was computed with these features: `kd_lite0`, but `kid`."""
    return INCEPTION_NAMES.get(base, base) if features == "inception" else f"{base}_{features}"


def comparisons(
    real: Floats, generated: Floats, training: Floats, noise: Floats, features: str
) -> tuple[Figure, ...]:
    """Distances and neighbours of (n, d) test features and those of pictures.

    training: features of training images, as many of which as there are pictures are compared in
    the same way; noise: of pictures of pure noise. All NaN, and said so, for fewer than 10 test
    images.
    """
    found = _compared(real, generated)
    yardstick, worst = _compared(real, training[: len(generated)]), _compared(real, noise)
    return tuple(
        Figure(
            named(base, features), title, found[base].value, len(real), len(generated),
            found[base].spread, yardstick[base].value, _note(base, real, generated),
            found[base].low, found[base].high, worst[base].value,
        )
        for base, title in TITLES.items()
    )  # fmt: skip


def kernel_figure(
    real: Floats, generated: Floats, training: Floats, noise: Floats, features: str
) -> Figure:
    """The kernel distance alone, as a second opinion of other features. Arguments as above."""
    sets = (generated, training[: len(generated)], noise)
    found, yardstick, worst = (_kernel(real, each) for each in sets)
    return Figure(
        named("kd", features), TITLES["kd"], found.value, len(real), len(generated), found.spread,
        yardstick.value, _note("kd", real, generated), found.low, found.high, worst.value,
    )  # fmt: skip


def _note(base: str, real: Floats, generated: Floats) -> str:
    if len(real) < FEWEST:
        return f"not computed: {len(real)} test images are fewer than {FEWEST}"
    note = NOTES[base].format(width=real.shape[1])
    return f"{_doubtful_covariance(real, generated)}{note}" if base == "fd" else note


def _doubtful_covariance(real: Floats, generated: Floats) -> str:
    """What a Fréchet distance of so few images is worth."""
    fewest, width = min(len(real), len(generated)), real.shape[1]
    if fewest <= width:
        return (
            f"of little worth: the covariance of {width} features of {fewest} images is singular; "
        )
    if fewest < FEWEST_FOR_COVARIANCE:
        return f"of little worth: {fewest} images are too few for a covariance; "
    return ""


def _kernel(real: Floats, other: Floats) -> Interval:
    return kernel_interval(real, other) if len(real) >= FEWEST else _alone(NAN)


def _alone(value: float) -> Interval:
    return Interval(value, NAN, NAN, NAN)


def _compared(real: Floats, other: Floats) -> Values:
    """Value, deviation and interval by base name."""
    if len(real) < FEWEST:
        return dict.fromkeys(TITLES, _alone(NAN))
    precision, recall = precision_recall(real, other)
    density, coverage = density_coverage(real, other)
    return {
        "kd": _kernel(real, other),
        "fd": _alone(frechet_distance(real, other)),
        "precision": _alone(precision),
        "recall": _alone(recall),
        "density": _alone(density),
        "coverage": _alone(coverage),
    }


def score(probabilities: Floats | None, features: str) -> tuple[Figure, ...]:
    """Inception Score of (n, classes), or what it is called with a classifier's; none for None,
    nor for features whose score would have no name of its own.
    """
    if probabilities is None or features not in SCORES:
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
