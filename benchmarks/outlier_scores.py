"""Which score tells best that a picture shows none of the classes that were learnt.

    python -m benchmarks.outlier_scores --data FOLDER --keep FEATURES

Rounds: classes are held out, a linear model on EfficientNet-Lite0's frozen pooled features learns
the others, and each score is fitted on the same training images. Held-out classes are near;
digits, the other data set, orchard leaves, drawn leaves and `leafgate.strangers` are foreign. Each
threshold lets 98 % of the validation and test images of the learnt classes through.

Mahalanobis: Lee et al. 2018, arXiv 1807.03888, of features of unit length too (Müller and Hein
2025, arXiv 2505.18032). kNN: Sun et al. 2022, arXiv 2204.06507. ViM: Wang et al. 2022,
arXiv 2203.10807.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import hardware
from benchmarks.pooled import Floats, Known, Lite0, arguments, foreign_sets, known
from registry.outliers import OutlierScore
from training.data.split import split

KNOWN_SHARE = 0.98
PENALTY = 1e-3  # scikit-learn's C, of standardised features
HELD_OUT = {"plantvillage15": 3, "isic9": 2}  # classes a round
HELD_OUT_NAME = "held-out classes"
Scores = NDArray[np.float64]
Score = Callable[[Floats], Scores]  # of pooled features; larger is less known


@dataclass(frozen=True)
class Linear:
    """A linear model on pooled features. weights: (classes, channels); bias: (classes,)."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def fit(cls, pooled: Floats, labels: NDArray[np.str_]) -> "Linear":
        """Logistic regression of standardised features, written for features as they are."""
        scaler = StandardScaler().fit(pooled)
        fitted = LogisticRegression(C=PENALTY, max_iter=200).fit(scaler.transform(pooled), labels)
        weights = fitted.coef_ / scaler.scale_
        return cls(weights, fitted.intercept_ - weights @ scaler.mean_)

    def logits(self, pooled: Floats) -> Scores:
        """(n, classes)."""
        return np.asarray(pooled @ self.weights.T + self.bias)


@dataclass(frozen=True)
class Fitted:
    """A score, and the values that have to be stored for it."""

    score: Score
    values: int


def unit(pooled: Floats) -> Floats:
    """Rows of length 1."""
    lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    return np.asarray(pooled / np.maximum(lengths, 1e-12), np.float32)


def mahalanobis(pooled: Floats, labels: NDArray[np.str_], _: Linear) -> Fitted:
    """What is served."""
    fitted = OutlierScore.fit(pooled, labels)  # type: ignore[arg-type] # any labels do
    return Fitted(fitted.score, fitted.means.size + fitted.directions.size)


def mahalanobis_unit(pooled: Floats, labels: NDArray[np.str_], linear: Linear) -> Fitted:
    """The same of features of unit length."""
    fitted = mahalanobis(unit(pooled), labels, linear)
    return Fitted(lambda found: fitted.score(unit(found)), fitted.values)


def neighbours(count: int) -> Callable[[Floats, NDArray[np.str_], Linear], Fitted]:
    """Distance to the `count`-th nearest training image, of features of unit length."""

    def fit(pooled: Floats, _: NDArray[np.str_], __: Linear) -> Fitted:
        bank = unit(pooled)

        def score(found: Floats) -> Scores:
            nearest = -np.partition(-(unit(found) @ bank.T), count - 1, axis=1)[:, count - 1]
            return np.sqrt(np.maximum(2 - 2 * nearest.astype(np.float64), 0))

        return Fitted(score, bank.size)

    return fit


def vim(dimensions: int) -> Callable[[Floats, NDArray[np.str_], Linear], Fitted]:
    """Length outside the principal space as one more logit, less the energy of the others."""

    def fit(pooled: Floats, _: NDArray[np.str_], linear: Linear) -> Fitted:
        origin = -np.linalg.pinv(linear.weights) @ linear.bias
        apart = pooled - origin
        _, axes = np.linalg.eigh(apart.T @ apart / len(apart))
        principal = axes[:, -dimensions:]

        def residual(found: Floats) -> Scores:
            moved = found - origin
            inside = ((moved @ principal) ** 2).sum(axis=1)
            return np.sqrt(np.maximum((moved**2).sum(axis=1) - inside, 0))

        scale = linear.logits(pooled).max(axis=1).mean() / residual(pooled).mean()

        def score(found: Floats) -> Scores:
            return np.asarray(scale * residual(found) - logsumexp(linear.logits(found), axis=1))

        return Fitted(score, principal.size + origin.size)

    return fit


def confidence(_: Floats, __: NDArray[np.str_], linear: Linear) -> Fitted:
    """Less the largest probability: needs nothing stored, for comparison."""

    def score(found: Floats) -> Scores:
        logits = linear.logits(found)
        return np.asarray(logsumexp(logits, axis=1) - logits.max(axis=1))

    return Fitted(score, 0)


METHODS: dict[str, Callable[[Floats, NDArray[np.str_], Linear], Fitted]] = {
    "Mahalanobis": mahalanobis,
    "Mahalanobis, unit length": mahalanobis_unit,
    "kNN, k = 1": neighbours(1),
    "kNN, k = 10": neighbours(10),
    "kNN, k = 50": neighbours(50),
    "ViM, 256 dimensions": vim(256),
    "ViM, 512 dimensions": vim(512),
    "confidence": confidence,
}


@dataclass(frozen=True)
class Told:
    """auroc: of foreign against known; unknown: share of foreign ones past the threshold."""

    auroc: float
    unknown: float


def judged(score: Score, known_ones: Floats, others: Mapping[str, Floats]) -> dict[str, Told]:
    """How well a score sets each of the others apart."""
    ours = score(known_ones)
    threshold = np.quantile(ours, KNOWN_SHARE)
    told = {}
    for name, pooled in others.items():
        theirs = score(pooled)
        truth = np.repeat([0, 1], [len(ours), len(theirs)])
        auroc = roc_auc_score(truth, np.concatenate([ours, theirs]))
        told[name] = Told(float(auroc), float((theirs > threshold).mean()))
    return told


def rounds(
    held: Known, pooled: Floats, foreign: Mapping[str, Floats], count: int
) -> tuple[dict[str, dict[str, list[Told]]], dict[str, Fitted]]:
    """By method and set, what each round told; and the methods as fitted in the last round."""
    side_of = {row.path: str(row.side) for row in split(held.scan, seed=0).rows}
    sides = np.array([side_of.get(image.path, "") for image in held.scan.images])
    classes = np.unique(held.labels)
    order = np.random.default_rng(0).permuted(np.tile(classes, (count, 1)), axis=1)
    told: dict[str, dict[str, list[Told]]] = defaultdict(lambda: defaultdict(list))
    fitted: dict[str, Fitted] = {}
    for left_out in order[:, : HELD_OUT[held.name]]:
        out = np.isin(held.labels, left_out)
        learnt = ~out & (sides == "train")
        linear = Linear.fit(pooled[learnt], held.labels[learnt])
        known_ones = pooled[~out & np.isin(sides, ("validation", "test"))]
        others = {HELD_OUT_NAME: pooled[out], **foreign}
        for name, method in METHODS.items():
            fitted[name] = method(pooled[learnt], held.labels[learnt], linear)
            for kind, found in judged(fitted[name].score, known_ones, others).items():
                told[name][kind].append(found)
    return told, fitted


def microseconds(score: Score, pooled: Floats, repeats: int = 200) -> float:
    """Median time for one picture."""
    taken = []
    for at in range(repeats):
        one = pooled[at % len(pooled)][None]
        start = time.perf_counter()
        score(one)
        taken.append(time.perf_counter() - start)
    return 1e6 * float(np.median(taken))


def cell(found: list[Told]) -> str:
    """AUROC and the share called unknown: means over the rounds, with their spread."""
    aurocs, shares = [item.auroc for item in found], [100 * item.unknown for item in found]
    return (
        f"{np.mean(aurocs):.3f} ± {np.std(aurocs):.3f}, "
        f"{np.mean(shares):.0f} ± {np.std(shares):.0f} %"
    )


def main() -> None:
    """Print a table for each data set."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    network = Lite0(options.keep)
    sets = {name: known(options.data, name) for name in HELD_OUT}
    features = {name: network.of(name, held.images) for name, held in sets.items()}
    foreign = {name: network.of(name, make) for name, make in foreign_sets(options.data).items()}
    print(hardware())
    for name, held in sets.items():
        (other,) = (kind for kind in sets if kind != name)
        strangers = {**foreign, other: features[other]}
        told, fitted = rounds(held, features[name], strangers, options.rounds)
        kinds = [HELD_OUT_NAME, *strangers]
        print(f"\n{name}: {options.rounds} rounds, {HELD_OUT[name]} classes held out, seed 0\n")
        print(f"| score | {' | '.join(kinds)} | kB in float32 | µs an image |")
        print("|---" * (len(kinds) + 3) + "|")
        for method, found in told.items():
            cells = " | ".join(cell(found[kind]) for kind in kinds)
            taken = microseconds(fitted[method].score, features[name])
            print(f"| {method} | {cells} | {4 * fitted[method].values / 1e3:,.0f} | {taken:.0f} |")


if __name__ == "__main__":
    main()
