"""What shows soonest that other images are sent in: answers, outlier scores, or features?

    python -m benchmarks.drift_features --data FOLDER --keep FEATURES

A linear model on EfficientNet-Lite0's frozen features learns the training side; its answers on
the validation side are the reference. Windows are drawn from the test side, as it is or shifted.
The bound of each statistic lets 95 % of the windows without a shift pass; detection is the share of
shifted windows beyond it. Answers and outlier scores are in the log of requests; features are not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.stats import ks_2samp

from benchmarks.machine import hardware
from benchmarks.outlier_scores import Linear
from benchmarks.pooled import Floats, Known, Lite0, arguments, foreign_sets, known
from leafgate.images import Pixels
from leafgate.metrics.drift import even_bins, psi
from registry.outliers import OutlierScore
from training.data.split import split

SETS = ("plantvillage15", "isic9")
WINDOWS = (100, 300)
DRAWS = 300
LEVEL = 0.95
BINS = 50
FOREIGN_SHARE = 0.1
DIMENSIONS = 32  # principal components of the features that are compared


@dataclass(frozen=True)
class Seen:
    """What is known of n images. classes: (n,) told; confidences, scores: (n,); features: (n, d)
    whitened principal components.
    """

    classes: NDArray[np.int64]
    confidences: NDArray[np.float64]
    scores: NDArray[np.float64]
    features: NDArray[np.float64]

    def of(self, rows: NDArray[np.int64]) -> "Seen":
        """Some of them."""
        return Seen(
            self.classes[rows], self.confidences[rows], self.scores[rows], self.features[rows]
        )


Statistic = Callable[[Seen, Seen], float]


def classes_index(reference: Seen, window: Seen) -> float:
    """Population stability index of the class mix."""
    bins = int(max(reference.classes.max(), window.classes.max())) + 1
    return psi(np.bincount(reference.classes, None, bins), np.bincount(window.classes, None, bins))


def confidences_index(reference: Seen, window: Seen) -> float:
    """The same of the confidences."""
    counts = [
        np.histogram(side.confidences, BINS, (0, 1))[0].astype(np.int64)
        for side in (reference, window)
    ]
    return psi(*even_bins(*counts))


def scores_index(reference: Seen, window: Seen) -> float:
    """The same of the outlier scores, in tenths of the reference's."""
    edges = np.quantile(reference.scores, np.linspace(0, 1, 11))[1:-1]
    counts = [
        np.bincount(np.searchsorted(edges, side.scores), None, 10) for side in (reference, window)
    ]
    return psi(*counts)


def scores_apart(reference: Seen, window: Seen) -> float:
    """Kolmogorov and Smirnov's statistic of the outlier scores."""
    return float(ks_2samp(reference.scores, window.scores).statistic)


def features_apart(reference: Seen, window: Seen) -> float:
    """Squared distance of the means of the whitened features."""
    return float(((reference.features.mean(axis=0) - window.features.mean(axis=0)) ** 2).sum())


STATISTICS: dict[str, Statistic] = {
    "class mix, PSI": classes_index,
    "confidences, PSI": confidences_index,
    "outlier scores, PSI": scores_index,
    "outlier scores, KS": scores_apart,
    "means of features": features_apart,
}


def darker(images: Pixels) -> Pixels:
    """At 70 % of the light."""
    return (images * 0.7).astype(np.uint8)


def blurred(images: Pixels) -> Pixels:
    """By a Gaussian of 1.5 pixels at 224."""
    blur = ImageFilter.GaussianBlur(1.5)
    return np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in images])


@dataclass(frozen=True)
class Model:
    """What a served classifier and its outlier score tell of features."""

    linear: Linear
    outliers: OutlierScore
    middle: NDArray[np.float64]
    axes: NDArray[np.float64]  # divided by their spread

    @classmethod
    def fit(cls, pooled: Floats, labels: NDArray[np.str_]) -> "Model":
        """On the training side."""
        middle = pooled.mean(axis=0, dtype=np.float64)
        variances, axes = np.linalg.eigh(np.cov((pooled - middle).T))
        whitened = axes[:, -DIMENSIONS:] / np.sqrt(variances[-DIMENSIONS:])
        outliers = OutlierScore.fit(pooled, labels)  # type: ignore[arg-type] # any labels do
        return cls(Linear.fit(pooled, labels), outliers, middle, whitened)

    def seen(self, pooled: Floats) -> Seen:
        """Of (n, 1280) features."""
        logits = self.linear.logits(pooled)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        confidences = chances.max(axis=1) / chances.sum(axis=1)
        features = (pooled - self.middle) @ self.axes
        return Seen(logits.argmax(axis=1), confidences, self.outliers.score(pooled), features)


Draw = Callable[[int, np.random.Generator], Floats]


def windows_of(
    test: Floats, labels: NDArray[np.str_], changed: Mapping[str, Floats], foreign: Floats
) -> dict[str, Draw]:
    """How a window of each kind is drawn; the first is without a shift."""

    def some(pooled: Floats) -> Draw:
        return lambda count, rng: pooled[rng.choice(len(pooled), count)]

    def another_mix(count: int, rng: np.random.Generator) -> Floats:
        """The images of a third of the classes three times as often."""
        more = np.isin(labels, np.unique(labels)[::3])
        weights = np.where(more, 3.0, 1.0)
        return test[rng.choice(len(test), count, p=weights / weights.sum())]

    def strangers(count: int, rng: np.random.Generator) -> Floats:
        few = round(FOREIGN_SHARE * count)
        theirs = foreign[rng.choice(len(foreign), few)]
        return np.concatenate([test[rng.choice(len(test), count - few)], theirs])

    return {
        "none": some(test),
        **{name: some(pooled) for name, pooled in changed.items()},
        "another mix": another_mix,
        f"{FOREIGN_SHARE:.0%} foreign": strangers,
    }


def changed_images(
    held: Known, rows: NDArray[np.intp], change: Callable[[Pixels], Pixels]
) -> Pixels:
    """Those rows of a data set, changed."""
    return change(held.images(rows))


def compare(held: Known, pooled: Floats, network: Lite0, foreign: Floats) -> None:
    """Print the table of a data set."""
    side_of = {row.path: str(row.side) for row in split(held.scan, seed=0).rows}
    sides = np.array([side_of.get(image.path, "") for image in held.scan.images])
    train, tested = sides == "train", np.flatnonzero(sides == "test")
    changes = {"darker": darker, "blurred": blurred}
    changed = {
        name: network.of(f"{held.name} test {name}", partial(changed_images, held, tested, change))
        for name, change in changes.items()
    }
    model = Model.fit(pooled[train], held.labels[train])
    reference = model.seen(pooled[sides == "validation"])
    draws = windows_of(pooled[tested], held.labels[tested], changed, foreign)
    print(f"\n{held.name}: {DRAWS} windows of each kind, false alarms held at 5 %, seed 0\n")
    heads = [f"{kind}, {count}" for count in WINDOWS for kind in list(draws)[1:]]
    print(f"| statistic | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    cells: dict[str, list[str]] = {name: [] for name in STATISTICS}
    for count in WINDOWS:
        rng = np.random.default_rng([0, count])
        found: dict[str, NDArray[np.float64]] = {}  # (statistics, windows)
        for kind, draw in draws.items():
            windows = [model.seen(draw(count, rng)) for _ in range(DRAWS)]
            found[kind] = np.array(
                [[told(reference, window) for window in windows] for told in STATISTICS.values()]
            )
        for place, name in enumerate(STATISTICS):
            bound = np.quantile(found["none"][place], LEVEL)
            shares = [np.mean(found[kind][place] > bound) for kind in list(draws)[1:]]
            cells[name] += [f"{share:.0%}" for share in shares]
    for name, row in cells.items():
        print(f"| {name} | {' | '.join(row)} |")


def main() -> None:
    """Print a table for each data set."""
    options = arguments(__doc__ or "").parse_args()
    network = Lite0(options.keep)
    makers = foreign_sets(options.data)
    foreign = np.concatenate([network.of(name, make) for name, make in makers.items()])
    print(hardware())
    for name in SETS:
        held = known(options.data, name)
        compare(held, network.of(name, held.images), network, foreign)


if __name__ == "__main__":
    main()
