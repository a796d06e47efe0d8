"""A classifier sees in the pictures the class that was asked for."""

import numpy as np

from leafgate.metrics.labels import class_fidelity as share_right
from leafgate.wording import counted
from registry.checks.check import NAN, Check, at_least
from registry.checks.evidence import GeneratorEvidence, Likeness
from registry.checks.verdict import Verdict, sureness


def class_fidelity(
    evidence: GeneratorEvidence, at_least: float, worst_class_at_least: float | None = None
) -> Verdict:
    """Passes at the bound and above, and for a generator of which no class can be asked."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    bound = f"at least {at_least:g}"
    if not evidence.conditional:
        told = "no class can be asked of it: there is nothing to keep to"
        return Verdict("class_fidelity", True, 0.0, bound, told, "does not apply")
    if not len(like.asked):
        told = f"no classifier sees classes: {like.no_own or 'train one on these images first'}"
        return Verdict("class_fidelity", False, NAN, bound, told)
    value = share_right(like.asked, like.seen)
    each = fidelity_of_classes(like)
    worst = min(each, key=lambda name: each[name])
    passed = value >= at_least
    if worst_class_at_least is not None:
        bound += f", worst class at least {worst_class_at_least:g}"
        passed = passed and each[worst] >= worst_class_at_least
    return Verdict(
        "class_fidelity",
        passed,
        value,
        bound,
        f"a classifier sees the class asked for in {value:.1%} of "
        f"{counted(len(like.asked), 'picture')}; worst is {worst} with {each[worst]:.1%}",
        sure=sureness(value, at_least, float(np.sqrt(value * (1 - value) / len(like.asked)))),
    )


def fidelity_of_classes(like: Likeness) -> dict[str, float]:
    """By class, of those that were asked for."""
    return {
        like.labels[label]: share_right(
            like.asked[like.asked == label], like.seen[like.asked == label]
        )
        for label in np.unique(like.asked)
    }


CHECK = Check(
    question="Does a picture show the class that was asked for?",
    remedy="Train longer; classes with very few images need them repeated, or more of them.",
    judge=class_fidelity,
    bounds=(at_least("at_least"), at_least("worst_class_at_least", optional=True)),
    needs=("likeness",),
)
