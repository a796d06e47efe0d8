"""Two classifiers on the same images: how far apart, and is it more than chance?

Accuracy: McNemar's test, exact with the mid-p value (Fagerland, Lydersen and Laake 2013, BMC Med.
Res. Methodol. 13:91). It departs in that the images of a leaf change sides together: the sign of
each group's difference is flipped, which is McNemar's test where each group is one image.
Macro F1: a paired bootstrap (Efron 1979) that draws whole groups, the same for both models.
Both are tested, so each has to pass a level at which the two together raise a false alarm in
`alpha` of cases: maxT (Westfall and Young 1993; Romano and Wolf 2005, Econometrica 73:1237), here
from the joint bootstrap draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # which loads what is used of it on first use, 0.7 s for `stats`
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Counts = NDArray[np.int64]
Floats = NDArray[np.floating]
Outcome = Literal["better", "worse", "not shown to differ"]

CELLS = 250_000  # of one piece of the bootstrap: it stays in the processor's cache
NOTHING = 1e-12  # a spread below is rounding


@dataclass(frozen=True)
class Difference:
    """One figure of the candidate minus the champion's, with the ends of its interval.

    The interval is at the `level` of its Comparison: at alpha 0.05 both intervals hold their true
    difference in 95 % of cases. NaN ends where there is one group alone.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Candidate against champion.

    only_candidate_right, only_champion_right: images that one of the two answers right.
    p_accuracy, p_macro_f1: two-sided, of the hypothesis that the models are equally good.
    level: what either has to be below; from half of the alpha asked for to all of it.
    """

    accuracy: Difference
    macro_f1: Difference
    only_candidate_right: int
    only_champion_right: int
    p_accuracy: float
    p_macro_f1: float
    level: float
    outcome: Outcome


def mcnemar(
    right_candidate: NDArray[np.bool_],
    right_champion: NDArray[np.bool_],
    groups: Sequence[str] | None = None,
) -> float:
    """Two-sided exact mid-p value that two models are right equally often; (n,) bool each.

    groups: n names; images of one name change sides together. 1 where the models are right on the
    same images, or there are none. ValueError for lengths that differ.
    """
    ours, theirs = np.asarray(right_candidate, int), np.asarray(right_champion, int)
    if ours.shape != theirs.shape:
        raise ValueError(f"answers to {len(ours)} images and to {len(theirs)}")
    place = np.arange(len(ours)) if groups is None else _places(groups, len(ours))
    gained = np.bincount(place[ours > theirs], minlength=len(ours))
    return _sign_flip(gained - np.bincount(place[ours < theirs], minlength=len(ours)))


def mcnemar_power(
    only_candidate: float, only_champion: float, images: int, alpha: float = 0.05
) -> float:
    """How often the mid-p test finds a difference, in either direction, on independent images.

    only_candidate, only_champion: the probability that an image is answered right by that model
    alone. Exact but for counts of a probability below 1e-12. ValueError for impossible ones.
    """
    apart = only_candidate + only_champion
    if min(only_candidate, only_champion) < 0 or apart > 1 + NOTHING:
        raise ValueError(f"{only_candidate} and {only_champion} are no shares of the same images")
    if not apart or not images:
        return 0.0
    of_all = scipy.stats.binom(images, min(apart, 1.0))
    counts = np.arange(of_all.ppf(1e-12), of_all.isf(1e-12) + 1)
    fair = scipy.stats.binom(counts, 0.5)
    # The largest count of the rarer side at which the test still rejects; -1 for none.
    last = fair.ppf(alpha / 2)
    last -= 2 * fair.cdf(last) - fair.pmf(last) >= alpha
    true = scipy.stats.binom(counts, only_candidate / apart)
    found = true.cdf(last) + true.sf(counts - last - 1)
    return float(of_all.pmf(counts) @ found)


def compare(
    truth: Labels,
    candidate: Labels,
    champion: Labels,
    classes: int,
    groups: Sequence[str],
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Both models' answers to the same n images, as class indices; a negative answer is wrong.

    classes: how many there are, all of which macro F1 is the mean over. groups: n names; images of
    one name are drawn together. draws: bootstrap samples. `worse` where accuracy or macro F1 is
    shown to be lower, even if the other is shown to be higher. Where the answers differ in under
    some 25 groups, false alarms are nearer to 4 % than to 5. NaN and `not shown to differ` without
    images. ValueError for lengths that differ and classes that do not exist.
    """
    answers = [np.asarray(labels, np.int64) for labels in (truth, candidate, champion)]
    place = _places(groups, *(len(labels) for labels in answers))
    if not len(place):
        none = Difference(math.nan, math.nan, math.nan)
        return Comparison(none, none, 0, 0, math.nan, math.nan, alpha, "not shown to differ")
    counts = _counts(answers, classes, place)
    values = _differences(counts.sum(axis=0))
    sampled = _resampled(counts, draws, np.random.default_rng(seed))
    spread = sampled.std(axis=0)
    level = _level(np.abs(sampled - values), spread, alpha)
    degrees = len(counts) - 1
    if degrees:
        spread *= math.sqrt(len(counts) / degrees)  # else too small by that much
    p = (
        _sign_flip((counts[:, 1] - counts[:, 3]).sum(axis=1)),
        _student_p(values[1], spread[1], counts),
    )
    reach = scipy.stats.t.isf(level / 2, degrees) * spread if degrees else np.full(2, math.nan)
    ends = np.clip([values, values - reach, values + reach], -1, 1).T.tolist()
    right = [labels == answers[0] for labels in answers[1:]]
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    both = (Difference(*ends[0]), Difference(*ends[1]))
    return Comparison(*both, *alone, *p, level, _outcome(values, p, level))


def _places(groups: Sequence[str], *lengths: int) -> NDArray[np.intp]:
    """(n,) the number of each image's group."""
    if set(lengths) != {len(groups)}:
        raise ValueError(f"{len(groups)} groups for answers to {lengths} images")
    return np.unique(np.asarray(groups, str), return_inverse=True)[1]


def _sign_flip(differences: Counts) -> float:
    """Mid-p value of the sum of differences, each with either sign, one as likely as the other."""
    sizes, repeats = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances = np.ones(1)  # that the positive ones sum to 0, 1, ...
    for size, times in zip(sizes.tolist(), repeats.tolist(), strict=True):
        of_size = np.zeros(size * times + 1)
        of_size[::size] = scipy.stats.binom.pmf(np.arange(times + 1), times, 0.5)
        chances = np.convolve(chances, of_size)
    smaller = (int(sizes @ repeats) - abs(int(differences.sum()))) // 2
    return min(1.0, float(2 * chances[:smaller].sum() + chances[smaller]))


def _counts(answers: Sequence[Labels], classes: int, place: NDArray[np.intp]) -> Counts:
    """(groups, 5, classes): present, candidate right, claimed, champion right, claimed."""
    truth = answers[0]
    if truth.min() < 0 or max(labels.max() for labels in answers) >= classes:
        raise ValueError(f"a class outside 0 to {classes - 1}")
    size = place.max() + 1

    def of_each(labels: Labels, chosen: NDArray[np.bool_]) -> Counts:
        cells = place[chosen] * classes + labels[chosen]
        return np.bincount(cells, minlength=size * classes).reshape(size, classes)

    found = [of_each(truth, truth >= 0)]
    for labels in answers[1:]:
        found += [of_each(truth, labels == truth), of_each(labels, labels >= 0)]
    return np.stack(found, axis=1)


def _differences(totals: Floats) -> NDArray[np.float64]:
    """(..., 2) differences in accuracy and in macro F1 of (..., 5, classes) counts."""
    present, right, claimed, champion_right, champion_claimed = np.moveaxis(totals, -2, 0)
    accuracy = (right - champion_right).sum(axis=-1) / present.sum(axis=-1)
    f1 = 2 * right / np.maximum(present + claimed, 1)
    champion_f1 = 2 * champion_right / np.maximum(present + champion_claimed, 1)
    return np.stack([accuracy, f1.mean(axis=-1) - champion_f1.mean(axis=-1)], axis=-1)


def _resampled(counts: Counts, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(draws, 2) differences in samples of as many groups, drawn with replacement."""
    size = len(counts)
    each = counts.reshape(size, -1).astype(np.float32)  # whole numbers: exact up to 16 million
    found = []
    for start in range(0, draws, max(CELLS // size, 1)):
        rows = min(max(CELLS // size, 1), draws - start)
        drawn = rng.integers(0, size, (rows, size), np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        totals = (times.astype(np.float32) @ each).reshape(rows, *counts.shape[1:])
        found.append(_differences(totals.astype(np.float64)))
    return np.concatenate(found)


def _level(away: Floats, spread: Floats, alpha: float) -> float:
    """The two-sided level of the (1 - alpha) quantile of the larger of both standard scores.

    Half of alpha is enough however the two depend on each other (Bonferroni).
    """
    scores = np.where(spread > NOTHING, away / np.maximum(spread, NOTHING), 0.0)
    level = 2 * scipy.stats.norm.sf(np.quantile(scores.max(axis=1), 1 - alpha))
    return float(np.clip(level, alpha / 2, alpha))


def _student_p(value: float, spread: float, counts: Counts) -> float:
    """Two-sided p value of a difference with this bootstrap spread.

    Student's t, as some ten leaves do not tell their spread well: with the normal, 12 leaves of 25
    shots give false alarms in 11 % of cases; with 100 groups both are the same. And no less than
    what flipping the signs of the groups that differ at all could give, as a spread of 0 from a few
    groups that all agree proves little.
    """
    if abs(value) < NOTHING:
        return 1.0
    differ = int((counts[:, 1:3] != counts[:, 3:5]).any(axis=(1, 2)).sum())
    least = 0.5**differ
    if spread < NOTHING:
        return least
    return max(least, float(2 * scipy.stats.t.sf(abs(value) / spread, len(counts) - 1)))


def _outcome(values: Floats, p: Sequence[float], level: float) -> Outcome:
    shown = [value for value, chance in zip(values, p, strict=True) if chance < level]
    if any(value < 0 for value in shown):
        return "worse"
    return "better" if shown else "not shown to differ"
