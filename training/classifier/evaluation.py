"""How good the stored classifier is on one side, with intervals, as figures."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from leafgate.metrics.calibration import (
    ReliabilityBin,
    calibration_error,
    log_loss,
    reliability,
    softmax,
)
from leafgate.metrics.classification import (
    Averages,
    ClassScore,
    accuracy,
    averages,
    class_scores,
    confusion,
    macro_f1,
)
from leafgate.metrics.statistics import Interval, bootstrap
from registry import Classifier, Judgement
from training.classifier.finished import FormTable, Side, judge_all
from training.classifier.robustness import robustness, unknown_share
from training.data.pipeline import Labels

VIEWS = (1, 8)


@dataclass(frozen=True)
class Calibration:
    """At one temperature: expected calibration error, log loss in nats, and their bins."""

    temperature: float
    error: float
    log_loss: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Evaluation:
    """Figures on one side. confusion: rows true, columns predicted, in the order of `labels`.

    by_views: accuracy and macro F1 with one and with eight test-time views; unknown: the share of
    these (known) images that are called unknown; forms: None where only one form was measured.
    """

    labels: tuple[str, ...]
    images: int
    groups: int
    accuracy: Interval
    macro_f1: Interval
    averages: Averages
    classes: dict[str, ClassScore]
    confusion: list[list[int]]
    before: Calibration
    after: Calibration
    by_views: dict[str, dict[str, float]]
    robustness: dict[str, dict[str, float]]
    unknown: float
    forms: FormTable | None = None

    def metrics(self, side: str) -> dict[str, float]:
        """Flat figures for MLflow, prefixed with the side."""
        flat = {**asdict(self.averages), "unknown": self.unknown}
        for name, interval in (("accuracy", self.accuracy), ("macro_f1", self.macro_f1)):
            flat |= {
                name: interval.value,
                f"{name}_low": interval.low,
                f"{name}_high": interval.high,
            }
        flat |= {"ece_before": self.before.error, "ece": self.after.error}
        flat |= {f"macro_f1_{n}_views": figures["macro_f1"] for n, figures in self.by_views.items()}
        if self.forms:
            flat |= {f"accuracy_{form}": value for form, value in self.forms.test.items()}
        for name, figures in self.robustness.items():
            flat[f"accuracy_under_{name.replace(' ', '_')}"] = figures["accuracy"]
        return {f"{side}_{name}": value for name, value in flat.items()}

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def evaluate(
    classifier: Classifier, side: Side, judged: Judgement, forms: FormTable | None = None
) -> Evaluation:
    """Measure the stored model. judged: its answers for the side's images."""
    labels, truth = classifier.description.labels, side.truth
    predicted = judged.logits.argmax(axis=1)
    matrix = confusion(truth, predicted, len(labels))
    scores = class_scores(matrix)
    groups = list(side.groups)
    return Evaluation(
        labels=labels,
        images=len(truth),
        groups=len(set(groups)),
        accuracy=bootstrap(lambda rows: accuracy(truth[rows], predicted[rows]), groups),
        macro_f1=bootstrap(
            lambda rows: macro_f1(truth[rows], predicted[rows], len(labels)), groups
        ),
        averages=averages(scores),
        classes=dict(zip(labels, scores, strict=True)),
        confusion=matrix.tolist(),
        before=calibration(judged, truth, 1.0),
        after=calibration(judged, truth, classifier.description.temperature),
        by_views={str(views): _with_views(classifier, side, views) for views in VIEWS},
        robustness=robustness(classifier, side),
        unknown=unknown_share(classifier, judged.scores),
        forms=forms,
    )


def calibration(judged: Judgement, truth: Labels, temperature: float) -> Calibration:
    """How far confidence can be taken at its word at this temperature."""
    shares = softmax(judged.logits, temperature)
    bins = reliability(shares.max(axis=1), shares.argmax(axis=1) == truth)
    loss = log_loss(judged.logits, truth, temperature)
    return Calibration(temperature, calibration_error(bins), loss, bins)


def _with_views(classifier: Classifier, side: Side, views: int) -> dict[str, float]:
    described = replace(classifier.description, test_time_views=views)
    viewing = Classifier(described, classifier.engine, classifier.head, classifier.outliers)
    predicted = judge_all(viewing, side.images).logits.argmax(axis=1)
    return {
        "accuracy": accuracy(side.truth, predicted),
        "macro_f1": macro_f1(side.truth, predicted, len(described.labels)),
    }


def example_indices(judged: Judgement, truth: Labels, count: int) -> tuple[list[int], list[int]]:
    """Up to `count` right and wrong images, of as many classes as there are, the surest first."""
    shares = softmax(judged.logits)
    predicted, sure = shares.argmax(axis=1), shares.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    right = [int(i) for i in order if predicted[i] == truth[i]]
    wrong = [int(i) for i in order if predicted[i] != truth[i]]
    return _spread(right, truth, count), _spread(wrong, truth, count)


def _spread(indices: list[int], truth: Labels, count: int) -> list[int]:
    """One of each class in turn."""
    rank: dict[int, int] = {}
    turns = []
    for index in indices:
        turn = rank.get(int(truth[index]), 0)
        rank[int(truth[index])] = turn + 1
        turns.append((turn, index))
    return [index for _, index in sorted(turns, key=lambda pair: pair[0])[:count]]
