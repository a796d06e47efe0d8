"""Whether what the service tells has moved away from a reference: which classes, and how surely.

Only what callers were told counts, by production and canary. A moved class mix says that other
leaves are sent in, or that the model sees them otherwise; moved confidences say the same sooner. It
needs no feedback, and is no verdict on accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from leafgate.metrics.drift import Distance, Verdict, distance, even_bins, worst
from sql.analytics.diagnoses import Only, confidence_distribution, disease_frequency
from sql.analytics.span import Span
from sql.histogram import CONFIDENCE_BINS


@dataclass(frozen=True)
class Reference:
    """What is compared with. classes: how often each was told; confidences: how many in each of 50
    bins. model_version: whose answers they are, and are compared; None for those of any version.

    ValueError for another number of bins.
    """

    model_version: int | None
    classes: Mapping[str, int]
    confidences: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.confidences) != CONFIDENCE_BINS:
            raise ValueError(f"{len(self.confidences)} bins of confidence, not {CONFIDENCE_BINS}")

    @property
    def samples(self) -> int:
        """Answers it is made of."""
        return sum(self.classes.values())


@dataclass(frozen=True)
class Drift:
    """Answers of a span against a reference. Distances: see leafgate/metrics/drift.py.

    answers: those of the span; verdict: the graver of the two, where each has enough samples;
    sentence: the same for people.
    """

    answers: Reference
    reference: Reference
    classes: Distance
    confidences: Distance
    verdict: Verdict
    sentence: str

    @property
    def samples(self) -> int:
        """Answers of the span."""
        return self.answers.samples

    @property
    def reference_samples(self) -> int:
        """Answers that the reference is made of."""
        return self.reference.samples

    @property
    def enough(self) -> bool:
        """Whether both sides have so many answers that chance would not look like movement."""
        return self.classes.enough and self.confidences.enough


def drift(engine: sa.Engine, span: Span, reference: Reference) -> Drift:
    """How far the answers of the span are from the reference."""
    found = reference_of(engine, span, reference.model_version)
    names = sorted({*found.classes, *reference.classes})
    classes = distance(
        [reference.classes.get(name, 0) for name in names],
        [found.classes.get(name, 0) for name in names],
    )
    confidences = distance(*even_bins(reference.confidences, found.confidences))
    verdict: Verdict = "too_few"
    if classes.enough and confidences.enough:
        verdict = worst((classes.verdict, confidences.verdict))
    sentence = _sentence(verdict, classes, confidences, found.samples, reference.samples)
    return Drift(found, reference, classes, confidences, verdict, sentence)


def reference_of(engine: sa.Engine, span: Span, version: int | None = None) -> Reference:
    """The answers of a span, of one version or all, as a reference for another."""
    only = Only(version=version)
    classes = {row.class_name: row.count for row in disease_frequency(engine, span, only)}
    return Reference(version, classes, confidence_distribution(engine, span, only).counts)


def _sentence(
    verdict: Verdict, classes: Distance, confidences: Distance, samples: int, known: int
) -> str:
    if verdict == "too_few":
        return (
            f"Too few answers to tell drift from chance: {samples:,} against {known:,} of the "
            "reference."
        )
    figures = (
        f"the class mix by {classes.psi:.2f} and the confidences by {confidences.psi:.2f} "
        f"(index; chance alone stays below {max(classes.noise, confidences.noise):.2f})"
    )
    return SENTENCES[verdict].format(figures=figures)


SENTENCES = {
    "steady": "Nothing has moved beyond what is usual: {figures}.",
    "moving": "The answers begin to move away from the reference: {figures}. Look at what is sent.",
    "drifted": "The answers have moved away from the reference: {figures}. Look at what is sent, "
    "and train again if it is right.",
}
