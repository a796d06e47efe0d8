"""The classes are those of the version in production, or more of them."""

from leafgate.wording import named
from registry.checks.check import Check, at_most
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict


def classes(evidence: ClassifierEvidence, removed_at_most: float) -> Verdict:
    """Passes where few enough of the champion's classes are missing. New ones and another order
    are said, and harm nothing: answers are compared by the class's name.
    """
    champion = evidence.champion
    if champion is None:
        told = "no other version is in production: any classes will do"
        return Verdict("classes", evidence.first, 0.0 if evidence.first else float("nan"), "", told)
    before, now = champion.labels, champion.candidate_labels
    removed = [name for name in before if name not in now]
    return Verdict(
        "classes",
        len(removed) <= removed_at_most,
        len(removed),
        f"at most {removed_at_most:g} removed",
        f"compared with version {champion.version}: {changes(before, now)}",
    )


def changes(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    """What became of the classes, in words."""
    removed = [name for name in before if name not in now]
    added = [name for name in now if name not in before]
    told = [f"removed: {named(removed)}"] if removed else []
    told += [f"added: {named(added)}"] if added else []
    kept = [name for name in before if name in now]
    if kept != [name for name in now if name in before]:
        told.append("in another order, which harms nothing")
    return "; ".join(told) or "the same classes in the same order"


CHECK = Check(
    question="Does it still know every class that the version in production knows?",
    remedy="Train on a data folder that has the missing classes too; if they were given up on "
    "purpose, raise `removed_at_most` in the policy.",
    judge=classes,
    bounds=(at_most("removed_at_most", idle_at=1000),),
    needs=("champion",),
)
