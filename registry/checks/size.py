"""How much room the stored model takes."""

from registry.checks.check import Check, at_most
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict

MB = 1e6


def size(evidence: ClassifierEvidence, megabytes_at_most: float) -> Verdict:
    """Passes where all stored forms together take no more than the bound (1 MB: 10^6 bytes)."""
    found = evidence.size
    assert found is not None  # noqa: S101 - asked for by `needs`
    megabytes = found.stored_bytes / MB
    before = found.champion_bytes
    beside = "" if before is None else f"; the version in production takes {before / MB:.1f} MB"
    return Verdict(
        "size",
        megabytes <= megabytes_at_most,
        megabytes,
        f"at most {megabytes_at_most:g} MB",
        f"its stored forms take {megabytes:.1f} MB together{beside}",
    )


CHECK = Check(
    question="Is it small enough to be kept and sent?",
    remedy="A smaller backbone makes a smaller model; else raise the bound in the policy.",
    judge=size,
    bounds=(at_most("megabytes_at_most", idle_at=1e6),),
    needs=("champion", "size"),
)
