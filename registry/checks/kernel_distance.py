"""How far generated pictures lie from held-out real ones: the kernel distance, in its own unit.

Bińkowski et al. 2018, arXiv 1801.01401. It is called KID where the features are Inception's and
kernel distance otherwise. Departs in its unit: 1 is what the same real picture, repeated, would get
on average, so that one bound serves any features. The own classifier's features are asked for a
second opinion, and where the two disagree about the bound, nothing is passed.
"""

from dataclasses import replace

from leafgate.metrics.generative import evenly
from leafgate.metrics.kernel_interval import kernel_interval, one_repeated
from leafgate.metrics.statistics import Interval
from registry.checks.check import Check, at_most
from registry.checks.evidence import Floats, GeneratorEvidence, Likeness
from registry.checks.verdict import Verdict, sureness

APART = "one is within the bound and the other is not, so this is no clear pass"
REFERENCE_DRAWS = 1  # its interval is not shown


def kernel_distance(evidence: GeneratorEvidence, at_most: float) -> Verdict:
    """Passes where the distance to held-out real pictures is at the bound or below, to both."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    found = relative_distance(like.real, like.generated)
    own = None if like.own is None else relative_distance(like.own.real, like.own.generated)
    near, near_too = found.value <= at_most, own is None or own.value <= at_most
    disagree = near != near_too and own is not None
    second = second_opinion(like, "" if own is None else in_words(own), APART if disagree else "")
    told = (
        f"{distance_name(like)} is {in_words(found)} between {len(like.generated)} generated and "
        f"{len(like.real)} held-out real pictures, where 0 is as near as real ones and 1 is one "
        f"real picture over and over{_references(like)}. {second}. "
        f"{epoch_note(like)}Features: {like.about}"
    )
    return Verdict(
        "kernel_distance",
        near and near_too,
        found.value,
        f"at most {at_most:g} of one picture repeated",
        told,
        outcome="features disagree" if disagree else "",
        sure=sureness(found.value, at_most, found.spread),
    )


def distance_name(like: Likeness) -> str:
    """KID for Inception's features only."""
    return "KID" if like.name == "inception" else f"kernel distance ({like.name} features)"


def relative_distance(real: Floats, generated: Floats) -> Interval:
    """Kernel distance over that of one real picture repeated, with its 95 % interval.

    NaN for fewer than two pictures of either.
    """
    return scaled(kernel_interval(real, generated), one_repeated(real))


def scaled(found: Interval, unit: float) -> Interval:
    """In multiples of `unit`."""
    value, low, high, spread = (
        each / unit for each in (found.value, found.low, found.high, found.spread)
    )
    return replace(found, value=value, low=low, high=high, spread=spread)


def in_words(found: Interval) -> str:
    """The value and its interval."""
    return f"{found.value:.3f} (95 % interval {found.low:.3f} to {found.high:.3f})"


def epoch_note(like: Likeness) -> str:
    """A sentence about what chose the epoch; empty where that is not on record."""
    if not like.chosen_with:
        return ""
    if like.chosen_with == like.name:
        return (
            f"The epoch was chosen with the same features ({like.name}), on validation images, so "
            "this figure may flatter it. "
        )
    return f"The epoch was chosen with other features ({like.chosen_with}). "


def _references(like: Likeness) -> str:
    """What the two ends of the scale get."""
    learnt = like.train[evenly(len(like.train), len(like.generated))]
    ends = {"real training pictures get": learnt, "pure noise gets": like.noise}
    unit = one_repeated(like.real)
    values = {
        name: kernel_interval(like.real, each, REFERENCE_DRAWS).value / unit
        for name, each in ends.items()
        if each is not None
    }
    return "".join(f", {name} {value:.3f}" for name, value in values.items())


def second_opinion(like: Likeness, distance: str, disagreement: str) -> str:
    """What the own classifier's features give, in a sentence.

    distance: with its interval, empty where there is none; disagreement: empty where they agree.
    """
    if not distance:
        return f"The own classifier's features do not count: {like.no_own or 'not asked'}"
    sentence = f"With the own classifier's features it is {distance}"
    return f"{sentence}: {disagreement}" if disagreement else sentence


CHECK = Check(
    question="Do its pictures look like real ones, to a network that has learnt to see?",
    remedy="Train longer, on more images, or with the conditional family; look at the pictures "
    "beside real ones to see what is amiss.",
    judge=kernel_distance,
    bounds=(at_most("at_most", idle_at=10),),
    needs=("likeness",),
)
