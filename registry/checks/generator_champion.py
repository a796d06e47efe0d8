"""Candidate and champion draw as many pictures of the same seed: are the new ones further off?"""

from registry.checks.check import NAN, Check, at_most
from registry.checks.evidence import GeneratorEvidence
from registry.checks.kernel_distance import distance_name, relative_distance
from registry.checks.verdict import Verdict, sureness


def generator_champion(evidence: GeneratorEvidence, worse_by_at_most: float) -> Verdict:
    """Passes where the kernel distance grew by no more than the margin, in its unit.

    Both are measured now, with the same features and real pictures. The first version passes.
    """
    like, bound = evidence.likeness, f"worse by at most {worse_by_at_most:g}"
    assert like is not None  # noqa: S101 - asked for by `needs`
    if like.champion is None:
        told = "no other version is in production: there is nothing to compare it with"
        figure = 0.0 if evidence.first else NAN
        return Verdict("champion", evidence.first, figure, bound, told, "no champion")
    ours, spread = relative_distance(like.real, like.generated)
    theirs, other = relative_distance(like.real, like.champion)
    worse = ours - theirs
    return Verdict(
        "champion",
        worse <= worse_by_at_most,
        worse,
        bound,
        f"{distance_name(like)} is {ours:.3f}, the version in production has {theirs:.3f}",
        sure=sureness(worse, worse_by_at_most, float((spread**2 + other**2) ** 0.5)),
    )


CHECK = Check(
    question="Are its pictures no further from real ones than those of the version in production?",
    remedy="Keep the version in production, and train the next one longer.",
    judge=generator_champion,
    bounds=(at_most("worse_by_at_most", idle_at=10),),
    needs=("likeness",),
)
