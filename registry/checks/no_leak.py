"""No image of the evaluation set, nor another shot of the same leaf, was learnt from."""

from leafgate.wording import counted, named
from registry.checks.check import NAN, Check
from registry.checks.evidence import Evidence
from registry.checks.verdict import Verdict


def no_leak(evidence: Evidence) -> Verdict:
    """Passes where neither is found in the training manifest. The figure is how many images leak.

    Training and validation sides both count as learnt from.
    """
    origin = evidence.origin
    assert origin is not None  # noqa: S101 - asked for by `needs`
    if not origin.traced:
        told = "what it learnt from is not on record: it may have been these very images"
        return Verdict("no_leak", False, NAN, "none", told)
    leaking = [
        f"{counted(len(paths), 'test image')} {what} ({named(paths)})"
        for paths, what in (
            (origin.seen, "were learnt from"),
            (origin.mates, "show a leaf of which another picture was learnt from"),
        )
        if paths
    ]
    leaks = len(origin.seen) + len(origin.mates)
    fine = "no test image, nor another picture of its leaf, was learnt from"
    if not origin.related:
        fine = (
            "no test image was learnt from; whether another picture of its leaf was cannot be "
            "told, since the two splits have no image in common"
        )
    return Verdict("no_leak", not leaks, leaks, "none", "; ".join(leaking) or fine)


CHECK = Check(
    question="Has it really never seen the images that it is judged by?",
    remedy="The figures of this version are worth nothing. Split the images with `leafgate data "
    "split` (with --resplit where the folders give the sides), prove it with `leafgate data "
    "leaks`, and train again.",
    judge=no_leak,
    needs=("origin",),
)
