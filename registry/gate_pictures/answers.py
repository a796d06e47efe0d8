"""Right and wrong answers of a classifier: accuracy, F1 and recall by class, confidence."""

import numpy as np

from leafgate.metrics.calibration import reliability
from leafgate.metrics.classification import accuracy, confusion
from leafgate.metrics.statistics import bootstrap
from leafgate.pictures import confusion_picture, reliability_picture
from registry.checks import Verdict
from registry.checks.class_recall import recall_of_classes
from registry.checks.evidence import Answers, ClassifierEvidence
from registry.checks.macro_f1 import class_f1
from registry.gate_pictures.charts import MOST_BARS, bars, histogram, intervals
from registry.gate_pictures.layout import album, photographs, short, stacked
from registry.gate_pictures.picture import Picture, bound_in

MISSED = 6


def draw_accuracy(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """The interval beside its bound, above the confusion matrix."""
    answers = evidence.answers
    found = bootstrap(
        lambda rows: accuracy(answers.truth[rows], answers.predicted[rows]), answers.groups
    )
    chart = intervals(
        {"accuracy": (found.value, found.low, found.high)},
        "Share of right answers, 95 % interval",
        "share of test images",
        bound_in(verdict),
    )
    return stacked(chart, _confusion(answers))


def _confusion(answers: Answers) -> bytes:
    """Of all classes, or of those with most mistakes where there are too many to be read."""
    names = [short(name) for name in answers.labels] + ["none of them"]
    predicted = np.where(answers.predicted < 0, len(answers.labels), answers.predicted)
    matrix = confusion(answers.truth, predicted, len(names))
    wrong = matrix.sum(axis=1) - np.diag(matrix)
    shown = np.sort(np.argsort(-wrong[:-1], kind="stable")[:MOST_BARS])
    if matrix[:, -1].any():
        shown = np.append(shown, len(names) - 1)
    few = len(answers.labels) > MOST_BARS
    title = f"The {MOST_BARS} classes with most mistakes" if few else "What is taken for what"
    return confusion_picture(
        matrix[np.ix_(shown, shown)].tolist(), [names[row] for row in shown], title
    )


def draw_macro_f1(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """F1 of each class, the weakest on top."""
    answers = evidence.answers
    each = dict(zip(answers.labels, class_f1(answers, np.arange(len(answers))), strict=True))
    return bars(_worst_first(each), _title("F1", each), "F1 score", bound_in(verdict))


def draw_class_recall(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """Recall of each class, the worst on top, above pictures of it that were missed."""
    each = recall_of_classes(evidence.answers)
    chart = bars(
        _worst_first(each), _title("Share found", each), "share of its images", bound_in(verdict)
    )
    known = {name: value for name, value in each.items() if value < 1}
    return stacked(chart, _missed(evidence, min(known, key=lambda name: known[name], default="")))


def _missed(evidence: ClassifierEvidence, worst: str) -> bytes | None:
    """Pictures of this class that were taken for another, the surest mistakes first."""
    answers = evidence.answers
    if not worst or not evidence.files:
        return None
    label = answers.labels.index(worst)
    missed = np.flatnonzero((answers.truth == label) & (answers.predicted != label))
    chosen = missed[np.argsort(-answers.confidence[missed], kind="stable")][:MISSED]
    captions = [f"taken for\n{name_of(answers, row)}" for row in chosen]
    return album(
        photographs([evidence.files[row] for row in chosen]),
        captions,
        f"{short(worst)}: overlooked, the surest mistakes first",
    )


def name_of(answers: Answers, row: int) -> str:
    """What an answer says."""
    label = int(answers.predicted[row])
    return "none of the classes" if label < 0 else answers.labels[label]


def _worst_first(each: dict[str, float]) -> dict[str, float]:
    return dict(sorted(each.items(), key=lambda item: np.nan_to_num(item[1], nan=-1)))


def _title(what: str, each: dict[str, float]) -> str:
    few = f", the worst {MOST_BARS} of {len(each)}" if len(each) > MOST_BARS else ""
    return f"{what} by class{few}"


def draw_calibration(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """Share of right answers over confidence."""
    answers = evidence.answers
    known = np.isfinite(answers.confidence)
    bins = reliability(answers.confidence[known], answers.right[known])
    return reliability_picture({"this version": bins}, "Is it right as often as it says?")


def draw_finite(evidence: ClassifierEvidence, verdict: Verdict) -> bytes | None:
    """How sure the answers are, and how many are no numbers."""
    confidence = evidence.answers.confidence
    known = int(np.isfinite(confidence).sum())
    title = f"Confidence of the answers; {len(confidence) - known:,} are no numbers"
    return histogram(confidence, title, "confidence") if known else None


ACCURACY = Picture(
    draw_accuracy,
    "A chart of the share of right answers with its interval, and a table of true classes against "
    "those answered",
    "Above: the dot is what was measured, the line through it where the true share may well lie; "
    "it has to be right of the dashed bound. Below: a row for each true class, a column for each "
    "answer; dark squares off the diagonal are what it mixes up.",
)
MACRO_F1 = Picture(
    draw_macro_f1,
    "A bar for each class with its F1 score, the weakest on top",
    "F1 counts both images of a class that are missed and images of others taken for it; 1 is "
    "perfect. The dashed bound is for the mean of all bars; hatched classes pull it down.",
)
CLASS_RECALL = Picture(
    draw_class_recall,
    "A bar for each class with the share of its images that are found, the worst on top; then "
    "pictures of the worst class that were missed",
    "Each bar is the share of a class's images that it recognises; hatched ones end before the "
    "dashed bound. The photographs are of the worst class, with what they were taken for.",
)
CALIBRATION = Picture(
    draw_calibration,
    "A chart of how often answers are right over how sure they claim to be",
    "Each dot is a group of answers about as sure, larger for more images. On the grey line it is "
    "right as often as it says; below it, it promises too much; above, too little.",
)
FINITE = Picture(
    draw_finite,
    "A histogram of the confidence of all answers",
    "How many answers have which confidence (logarithmic); what is no number cannot be shown.",
)
