"""Candidate and champion on the same images: is it shown to be better or worse, or neither?

McNemar's test on accuracy and a paired bootstrap over leaf groups on macro F1, which together raise
a false alarm in 5 % of cases (see `leafgate.metrics.paired`).
"""

import numpy as np

from leafgate.metrics.paired import Comparison, compare
from leafgate.wording import counted
from registry.checks.check import NAN, Check, at_most, choice
from registry.checks.evidence import Champion, ClassifierEvidence, Labels
from registry.checks.verdict import Verdict

NOT_SHOWN = "not shown to differ"
WITHIN = "worse, within the margin"
FEWEST = 10  # images: with fewer nothing can be shown


def champion(
    evidence: ClassifierEvidence,
    worse_by_at_most: float,
    if_not_shown_to_differ: str,
    could_be_worse_by_at_most: float | None = None,
) -> Verdict:
    """Fails where it is shown to be worse by more than the margin, in accuracy or in macro F1.

    Where nothing is shown the policy decides. could_be_worse_by_at_most: a loss in macro F1 that
    the interval must exclude. The first version passes. The figure is the difference in macro F1.
    """
    bound = f"not worse by more than {worse_by_at_most:g}, {NOT_SHOWN}: {if_not_shown_to_differ}"
    rival = evidence.champion
    if rival is None:
        told = "no other version is in production: there is nothing to compare it with"
        figure = 0.0 if evidence.first else NAN
        return Verdict("champion", evidence.first, figure, bound, told, "no champion")
    if rival.fair.sum() < FEWEST:
        return Verdict("champion", False, NAN, bound, _too_few(rival), "cannot be told")
    found = compared(evidence, rival)
    outcome = outcome_of(found, worse_by_at_most)
    passed = outcome != "worse" and (outcome != NOT_SHOWN or if_not_shown_to_differ == "pass")
    if could_be_worse_by_at_most is not None:
        bound += f", by no more than {could_be_worse_by_at_most:g} at worst"
        passed = passed and found.macro_f1.low >= -could_be_worse_by_at_most
    return Verdict("champion", passed, found.macro_f1.value, bound, _told(found, rival), outcome)


def compared(evidence: ClassifierEvidence, rival: Champion) -> Comparison:
    """Both on the fair images, over the classes of those."""
    ours, rows = evidence.answers, rival.fair
    groups = [group for group, fair in zip(ours.groups, rows, strict=True) if fair]
    classes = np.unique(ours.truth[rows])

    def among(labels: Labels) -> Labels:
        place = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        return np.where(classes[place] == labels, place, -1)

    return compare(
        among(ours.truth[rows]),
        among(ours.predicted[rows]),
        among(rival.answers.predicted[rows]),
        len(classes),
        groups,
    )


def outcome_of(found: Comparison, margin: float) -> str:
    """`better`, `worse`, `worse, within the margin`, or `not shown to differ`."""
    tested = ((found.accuracy.value, found.p_accuracy), (found.macro_f1.value, found.p_macro_f1))
    shown = [value for value, p in tested if p < found.level]
    if any(value < -margin for value in shown):
        return "worse"
    if any(value < 0 for value in shown):
        return WITHIN
    return "better" if shown else NOT_SHOWN


def _told(found: Comparison, rival: Champion) -> str:
    f1, accuracy = found.macro_f1, found.accuracy
    return (
        f"macro F1 is {f1.value:+.3f} against version {rival.version} (between {f1.low:+.3f} and "
        f"{f1.high:+.3f}), accuracy {100 * accuracy.value:+.1f} points; on "
        f"{counted(int(rival.fair.sum()), 'image')} it alone is right "
        f"{counted(found.only_candidate_right, 'time')}, the champion alone "
        f"{found.only_champion_right} (McNemar p = {found.p_accuracy:.2g}, bootstrap p = "
        f"{found.p_macro_f1:.2g}; each must be below {found.level:.3f}){_caution(rival)}"
    )


def _caution(rival: Champion) -> str:
    if not rival.traced:
        return "; what the champion learnt from is not known: it may have seen these images before"
    if rival.learnt:
        return f"; {counted(rival.learnt, 'image')} that the champion learnt from are left out"
    return ""


def _too_few(rival: Champion) -> str:
    return (
        f"only {counted(int(rival.fair.sum()), 'image')} of the evaluation set can be put to both: "
        f"the champion, version {rival.version}, learnt from {rival.learnt} of them, or does not "
        "know their classes; keep the split that it was trained with, or name one evaluation set "
        "in the policy"
    )


CHECK = Check(
    question="Is it no worse than the version in production, on the same images?",
    remedy="Keep the version in production. If the difference is small and the candidate has other "
    "merits, a larger evaluation set will tell, or a margin in the policy allow it.",
    judge=champion,
    bounds=(
        at_most("worse_by_at_most"),
        choice("if_not_shown_to_differ", ("pass", "hold"), idle="pass"),
        at_most("could_be_worse_by_at_most", optional=True),
    ),
    needs=("champion",),
)
