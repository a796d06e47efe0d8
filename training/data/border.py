"""The border test: how well do the pixels at the edge of a picture alone tell its class?

Noyan et al. 2022 (arXiv 2206.04374) named the right one of PlantVillage's 38 classes for 49 % of
test images from eight background pixels: the classes differ in how they were photographed, and a
model can learn that in place of the disease. Here the whole outer ring is used, and leaf groups
are kept whole: no leaf is both learnt from and tested on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GroupKFold

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.manifest import Manifest
from leafgate.metrics.classification import accuracy, class_scores, confusion
from training.data.folder import FolderScan
from training.data.leaf_groups import leaf_groups
from training.data.named_images import rows_of

Borders = NDArray[np.float32]
Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]

CELL = 4  # pixels, of a picture of 64 x 64: the ring is its outer 6 %
FOLDS = 5
TREES = 200
LEARN_AT_MOST = 8000  # images; more would take minutes and say the same
PARTLY, STRONGLY = 0.1, 0.3  # of the way from guessing to always right
# Standard errors above a guess that a border has to be for the test to notice it four times in
# five, the usual power; two of them are what luck explains.
NOTICED = 2.84
LEAVES_TO_LEARN = 10  # leaf groups of a class: from fewer, nothing subtle is learnt
CANNOT_TELL = "cannot be told"


@dataclass(frozen=True)
class Background:
    """A class's border pixels. colour and spread: mean and standard deviation of R, G, B, 0-255."""

    class_name: str
    colour: tuple[float, ...]
    spread: tuple[float, ...]


@dataclass(frozen=True)
class BorderTest:
    """What the border alone gives away; all figures are shares of the tested images.

    mean_recall: the mean over classes, which is `chance` (1 / classes) for a guess however uneven
    the classes are. majority_share: the accuracy of always naming the largest class.
    beyond_luck: the least mean_recall that luck does not explain. recalls: each class's own.
    learnt_leaves: leaf groups of a class that were learnt from, the median over classes.
    """

    method: str
    images_tested: int
    accuracy: float
    macro_f1: float
    mean_recall: float
    chance: float
    majority_share: float
    beyond_luck: float
    recalls: dict[str, float]
    learnt_leaves: float

    @property
    def tells(self) -> str:
        """`nothing`, `a little`, `part` or `much` of the class; `cannot be told` where classes are
        too small for the test to notice a border that tells much.
        """
        way = (self.mean_recall - self.chance) / (1 - self.chance)
        if self.mean_recall <= self.beyond_luck:
            return "nothing" if self._would_notice else CANNOT_TELL
        return "a little" if way < PARTLY else "part" if way < STRONGLY else "much"

    @property
    def _would_notice(self) -> bool:
        noticed = NOTICED / 2 * (self.beyond_luck - self.chance)
        is_sharp = noticed <= STRONGLY * (1 - self.chance)
        return is_sharp and self.learnt_leaves >= LEAVES_TO_LEARN

    @property
    def verdict(self) -> str:
        """In plain words, with what to do about it."""
        figures = (
            f"border pixels alone name the class of {self.accuracy:.0%} of {self.images_tested:,} "
            f"images (mean over classes {self.mean_recall:.0%}; a guess: {self.chance:.0%}; always "
            f"the largest class: {self.majority_share:.0%})"
        )
        if self.tells == CANNOT_TELL:
            return (
                "It cannot be told whether the border gives the class away: the classes are too "
                f"small, so luck alone explains a mean of up to {min(self.beyond_luck, 1):.0%}. "
                f"Here {figures}. {ADVICE[CANNOT_TELL]}"
            )
        return f"The border tells {self.tells} about the class: {figures}. {ADVICE[self.tells]}"

    def as_dict(self) -> dict[str, object]:
        """For JSON, the verdict with the figures."""
        return {**asdict(self), "tells": self.tells, "verdict": self.verdict}


ADVICE = {
    CANNOT_TELL: "Look at the samples: are the backgrounds of the classes alike? Test again with "
    "more images.",
    "nothing": "A model has to look at the subject.",
    "a little": "A model gains little by looking at the background.",
    "part": "Some of a model's accuracy may come from the background, or the subject reaches the "
    "border. Check heat maps, and test on photographs taken elsewhere.",
    "much": "A model can score well without looking at the subject, unless the subject itself "
    "reaches the border. Trust no accuracy measured on these images alone: check heat maps, crop "
    "or mask the background, and test on photographs taken elsewhere.",
}


def border_of(image: Pixels) -> Borders:
    """(64, 64, 3) uint8 to (2, 60, 3): mean and spread of the cells of CELL pixels round the edge.

    Any side that is a multiple of CELL will do.
    """
    cells = len(image) // CELL
    values = image.astype(np.float32).reshape(cells, CELL, cells, CELL, 3)
    ring = np.ones((cells, cells), np.bool_)
    ring[1:-1, 1:-1] = False
    return np.stack([values.mean(axis=(1, 3))[ring], values.std(axis=(1, 3))[ring]])


def background(class_name: str, borders: Borders) -> Background:
    """Over all border pixels of a class's images, (n, 2, cells, 3)."""
    means, spreads = borders[:, 0].astype(np.float64), borders[:, 1].astype(np.float64)
    colour = means.mean(axis=(0, 1))
    variance = (means**2 + spreads**2).mean(axis=(0, 1)) - colour**2
    spread = np.sqrt(np.maximum(variance, 0))
    return Background(class_name, tuple(colour.tolist()), tuple(spread.tolist()))


def border_test(
    borders: Borders, scan: FolderScan, manifest: Manifest | None = None, seed: int = 0
) -> BorderTest | None:
    """Learn classes from `borders`, (n, 2, cells, 3) in the order of `scan.images`, and test it.

    Learnt from the manifest's train side and tested on its test side; without a manifest, each of
    five folds of leaf groups is tested on the others. None where all images are one leaf group, or
    of one class.
    Raises UserError where the manifest has no image of the folder on one of the two sides.
    """
    labels = tuple(scan.counts)
    number = {name: index for index, name in enumerate(labels)}
    truth = np.array([number[image.class_name] for image in scan.images])
    groups = _groups(scan, manifest)
    if len(labels) < 2 or (manifest is None and len(set(groups)) < 2):
        return None
    folds = _sides(scan, manifest) if manifest else _folds(groups, seed)
    features = borders.reshape(len(borders), -1)
    predicted = [_predict(features, truth, fold, seed) for fold in folds]
    tested = np.concatenate([test for _, test in folds])
    method = "test side of the split" if manifest else f"{len(folds)} folds of whole leaf groups"
    in_groups = [groups[index] for index in tested]
    learnt = min(_leaves_learnt(truth, groups, train) for train, _ in folds)
    return _judge(method, labels, truth[tested], np.concatenate(predicted), in_groups, learnt)


def _leaves_learnt(truth: Indices, groups: Sequence[str], train: Indices) -> float:
    """Leaf groups of a class on that side, the median over all classes."""
    pairs = {(int(truth[index]), groups[index]) for index in train}
    counts = Counter(label for label, _ in pairs)
    return float(np.median([counts[label] for label in range(int(truth.max()) + 1)]))


def _groups(scan: FolderScan, manifest: Manifest | None) -> list[str]:
    """Each image's leaf group, from the manifest or found here; its path where it has none."""
    if manifest:
        row_of = rows_of([image.path for image in scan.images], manifest)
        return [
            row_of[place].group if place in row_of else image.path
            for place, image in enumerate(scan.images)
        ]
    known = {image.path: group[0].path for group in leaf_groups(scan) for image in group}
    return [known[image.path] for image in scan.images]


def _sides(scan: FolderScan, manifest: Manifest) -> list[Fold]:
    row_of = rows_of([image.path for image in scan.images], manifest)
    sides = [
        row_of[place].side if place in row_of and row_of[place].sha256 == image.sha256 else None
        for place, image in enumerate(scan.images)
    ]
    train, test = (
        np.array([index for index, side in enumerate(sides) if side == wanted], np.int64)
        for wanted in ("train", "test")
    )
    if not len(train) or not len(test):
        raise UserError(
            f"the split puts {len(train)} images of {scan.root} on its train side and {len(test)} "
            "on its test side",
            "give the split that was made of this folder",
        )
    return [(train, test)]


def _folds(groups: Sequence[str], seed: int) -> list[Fold]:
    folds = GroupKFold(min(FOLDS, len(set(groups))), shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(len(groups)), groups=groups))


def _predict(features: Borders, truth: Indices, fold: Fold, seed: int) -> Indices:
    train, test = _at_most(fold[0], truth, seed), fold[1]
    trees = ExtraTreesClassifier(
        TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
    )
    return trees.fit(features[train], truth[train]).predict(features[test])


def _at_most(train: Indices, truth: Indices, seed: int) -> Indices:
    """At most LEARN_AT_MOST of `train`, the large classes cut first."""
    if len(train) <= LEARN_AT_MOST:
        return train
    order = np.random.default_rng(seed).permutation(train)
    names = np.unique(truth[order])
    quota = LEARN_AT_MOST // len(names)
    return np.concatenate([order[truth[order] == name][:quota] for name in names])


def _judge(
    method: str,
    labels: Sequence[str],
    truth: Indices,
    predicted: Indices,
    groups: Sequence[str],
    learnt_leaves: float,
) -> BorderTest:
    """Only classes that were tested count."""
    scores = class_scores(confusion(truth, predicted, len(labels)))
    tested = {label: s for label, s in zip(labels, scores, strict=True) if s.support}
    chance = 1 / len(labels)
    pairs = set(zip(truth.tolist(), groups, strict=True))
    leaves = np.array(list(Counter(label for label, _ in pairs).values()))
    luck = np.sqrt((chance * (1 - chance) / leaves).sum()) / len(leaves)
    return BorderTest(
        method=method,
        images_tested=len(truth),
        accuracy=accuracy(truth, predicted),
        macro_f1=float(np.mean([score.f1 for score in tested.values()])),
        mean_recall=float(np.mean([score.recall for score in tested.values()])),
        chance=chance,
        majority_share=max(score.support for score in scores) / len(truth),
        beyond_luck=float(chance + 2 * luck),
        recalls={label: score.recall for label, score in tested.items()},
        learnt_leaves=learnt_leaves,
    )
