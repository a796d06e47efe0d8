"""Candidate and champion draw as many pictures of the same seed: are the new ones further off?"""

from leafgate.metrics.kernel_interval import kernel_difference, one_repeated
from leafgate.metrics.statistics import Interval
from registry.checks.check import NAN, Check, at_most
from registry.checks.evidence import Floats, GeneratorEvidence, Likeness
from registry.checks.kernel_distance import (
    distance_name,
    epoch_note,
    relative_distance,
    scaled,
    second_opinion,
)
from registry.checks.verdict import Verdict, sureness

OPPOSITE = "one says nearer and the other further off, so this is no clear win"


def generator_champion(evidence: GeneratorEvidence, worse_by_at_most: float) -> Verdict:
    """Passes where the kernel distance grew by no more than the margin, in its unit.

    Both are measured now, with the same features and real pictures. The first version passes. Where
    the own classifier's features say the opposite, and either difference is shown, none passes: a
    generator that only one of two networks finds better is no clear win.
    """
    like, bound = evidence.likeness, f"worse by at most {worse_by_at_most:g}"
    assert like is not None  # noqa: S101 - asked for by `needs`
    if like.champion is None:
        told = "no other version is in production: there is nothing to compare it with"
        figure = 0.0 if evidence.first else NAN
        return Verdict("champion", evidence.first, figure, bound, told, "no champion")
    ours = relative_distance(like.real, like.generated).value
    theirs = relative_distance(like.real, like.champion).value
    worse, own = relative_difference(like.real, like.generated, like.champion), _own(like)
    disagree = own is not None and _opposite(worse, own)
    difference = "" if own is None else _in_words(own)
    second = second_opinion(like, difference, OPPOSITE if disagree else "")
    told = (
        f"{distance_name(like)} is {ours:.3f}, the version in production has {theirs:.3f}: a "
        f"difference of {_in_words(worse)}. {second}. {epoch_note(like)}"
    )
    return Verdict(
        "champion",
        worse.value <= worse_by_at_most and not disagree,
        worse.value,
        bound,
        told.strip(),
        "features disagree" if disagree else "",
        sureness(worse.value, worse_by_at_most, worse.spread),
    )


def relative_difference(real: Floats, candidate: Floats, champion: Floats) -> Interval:
    """Distance of the candidate less that of the champion, in the unit of the distance."""
    return scaled(kernel_difference(real, candidate, champion), one_repeated(real))


def _own(like: Likeness) -> Interval | None:
    own = like.own
    if own is None or own.champion is None:
        return None
    return relative_difference(own.real, own.generated, own.champion)


def _opposite(one: Interval, other: Interval) -> bool:
    """Whether they differ in sign, and at least one of them is shown: its interval leaves out 0."""
    return one.value * other.value < 0 and (_is_shown(one) or _is_shown(other))


def _is_shown(found: Interval) -> bool:
    return found.low > 0 or found.high < 0


def _in_words(found: Interval) -> str:
    return f"{found.value:+.3f} (95 % interval {found.low:+.3f} to {found.high:+.3f})"


CHECK = Check(
    question="Are its pictures no further from real ones than those of the version in production?",
    remedy="Keep the version in production, and train the next one longer. Where the features "
    "disagree, look at the pictures of both versions yourself.",
    judge=generator_champion,
    bounds=(at_most("worse_by_at_most", idle_at=10),),
    needs=("likeness",),
)
