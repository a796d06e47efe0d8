"""Which features find pictures that do not belong to their class: the data report's, or
EfficientNet-Lite0's?

    python -m benchmarks.data_outliers --data FOLDER --keep FEATURES

Into the images of each class, as many as 5 % of them are planted: images of other classes, or
foreign ones. Precision: of the images with the highest scores, as many as were planted, the share
that was. The score is the report's: robust z of the mean distance to the five nearest of the class.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import hardware
from benchmarks.outlier_scores import unit
from benchmarks.pooled import Floats, Known, Lite0, arguments, foreign_sets, known
from leafgate.images import Pixels, decode, resize
from training.data import report

SETS = ("plantvillage15", "isic9")
PLANTED = 0.05
Names = NDArray[np.str_]
Points = Callable[[Floats], Floats]


def report_features(images: Sequence[Pixels]) -> Floats:
    """(n, 256): those that the report computes."""
    return np.stack([report._features(resize(image, report.THUMBNAIL)) for image in images])


def of_files(paths: Sequence[Path]) -> Floats:
    """The same of files."""
    return report_features([decode(path.read_bytes()) for path in paths])


def oddness(points: Floats, names: Names) -> NDArray[np.float64]:
    """(n,) robust z among the images of its class."""
    scores = np.zeros(len(points))
    for name in np.unique(names):
        inside = names == name
        scores[inside] = report._oddness(points[inside])
    return scores


def precision(scores: NDArray[np.float64], planted: NDArray[np.bool_]) -> float:
    """At the number that was planted."""
    worst = np.argsort(-scores, kind="stable")[: planted.sum()]
    return float(planted[worst].mean())


def components(features: Floats) -> Floats:
    """Of unit length, turned to principal components as the report's are."""
    return report._components(unit(features))


WAYS: dict[str, tuple[str, Points]] = {
    "the report's": ("report", report._components),
    "lite0, unit length": ("lite0", unit),
    "lite0, 32 components": ("lite0", components),
}


def wrong_classes(
    ours: dict[str, Floats], names: Names, rng: np.random.Generator
) -> tuple[dict[str, Floats], Names, NDArray[np.bool_]]:
    """5 % of the images of each class filed under another one."""
    planted = rng.random(len(names)) < PLANTED
    classes = np.unique(names)
    moved = names.copy()
    for place in np.flatnonzero(planted):
        moved[place] = rng.choice(classes[classes != names[place]])
    return ours, moved, planted


def foreigners(
    ours: dict[str, Floats], theirs: dict[str, Floats], names: Names, rng: np.random.Generator
) -> tuple[dict[str, Floats], Names, NDArray[np.bool_]]:
    """5 % of the images replaced by foreign ones."""
    planted = rng.random(len(names)) < PLANTED
    chosen = rng.choice(len(theirs["lite0"]), planted.sum(), replace=False)
    mixed = {}
    for kind, features in ours.items():
        mixed[kind] = features.copy()
        mixed[kind][planted] = theirs[kind][chosen]
    return mixed, names, planted


def compare(
    held: Known, ours: dict[str, Floats], foreign: dict[str, dict[str, Floats]], rounds: int
) -> None:
    """Print the table of a data set."""
    print(f"\n{held.name}: {PLANTED:.0%} planted, {rounds} rounds, seed 0\n")
    kinds = ("wrong class", *foreign)
    print(f"| features | {' | '.join(kinds)} |\n{'|---' * (len(kinds) + 1)}|")
    for way, (kind, points) in WAYS.items():
        cells = []
        for planted_kind in kinds:
            found = []
            for number in range(rounds):
                rng = np.random.default_rng([0, number])
                if planted_kind == "wrong class":
                    mixed, names, planted = wrong_classes(ours, held.labels, rng)
                else:
                    mixed, names, planted = foreigners(
                        ours, foreign[planted_kind], held.labels, rng
                    )
                found.append(precision(oddness(points(mixed[kind]), names), planted))
            cells.append(f"{np.mean(found):.2f} ± {np.std(found):.2f}")
        print(f"| {way} | {' | '.join(cells)} |")


def main() -> None:
    """Print a table for each data set."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    network = Lite0(options.keep)
    print(hardware())
    foreign = {
        name: {"lite0": network.of(name, make), "report": report_features(list(make()))}
        for name, make in foreign_sets(options.data).items()
    }
    for name in SETS:
        held = known(options.data, name)
        ours = {"lite0": network.of(name, held.images), "report": of_files(held.paths)}
        compare(held, ours, foreign, options.rounds)


if __name__ == "__main__":
    main()
