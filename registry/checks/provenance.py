"""A version can be traced: run, data, code and environment are all on record."""

from registry.checks.check import Check
from registry.checks.evidence import Evidence
from registry.checks.verdict import Verdict


def provenance(evidence: Evidence) -> Verdict:
    """Passes where no fact is missing. The figure is how many are."""
    origin = evidence.origin
    assert origin is not None  # noqa: S101 - asked for by `needs`
    missing = [name for name, value in origin.facts.items() if not value]
    listed = ", ".join(f"{name} {value}" for name, value in origin.facts.items() if value)
    told = f"missing: {', '.join(missing)}" if missing else listed
    return Verdict(
        "provenance", bool(origin.facts) and not missing, len(missing), "none missing", told
    )


CHECK = Check(
    question="Can it be traced to its data, code and environment?",
    remedy="Train it with `leafgate train`, which records all of them.",
    judge=provenance,
    needs=("origin",),
)
