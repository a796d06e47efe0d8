"""How long one picture takes on this machine, beside the champion in the same run."""

from registry.checks.check import NAN, Check, at_most, percentile
from registry.checks.evidence import ClassifierEvidence, Latency
from registry.checks.verdict import Verdict

P95 = 0.95


def latency(
    evidence: ClassifierEvidence, p95_ms_at_most: float, times_champion_at_most: float
) -> Verdict:
    """Passes where 95 of 100 pictures are answered in time, and the champion is not much faster.

    The figure is the candidate's 95th percentile at batch 1 in milliseconds.
    """
    found = evidence.latency
    assert found is not None  # noqa: S101 - asked for by `needs`
    ours, times = p95s(found)
    bound = f"p95 at most {p95_ms_at_most:g} ms, {times_champion_at_most:g} times the champion's"
    beside = "" if found.champion_ms is None else f", {times:.2f} times the champion's in turn"
    return Verdict(
        "latency",
        ours <= p95_ms_at_most and (found.champion_ms is None or times <= times_champion_at_most),
        ours,
        bound,
        f"95 of 100 pictures are answered within {ours:.1f} ms, one at a time, decoding included "
        f"({found.engine}, {len(found.candidate_ms)} pictures){beside}",
    )


def p95s(found: Latency) -> tuple[float, float]:
    """The candidate's 95th percentile in milliseconds, and how many times the champion's it is."""
    ours = percentile([float(value) for value in found.candidate_ms], P95)
    if found.champion_ms is None:
        return ours, NAN
    theirs = percentile([float(value) for value in found.champion_ms], P95)
    return ours, ours / theirs if theirs else NAN


CHECK = Check(
    question="Does it answer fast enough?",
    remedy="A smaller backbone or image size, one test-time view, or the int8 form make it faster. "
    "A busy machine makes it slow: let the gate run alone.",
    judge=latency,
    bounds=(
        at_most("p95_ms_at_most", idle_at=60_000),
        at_most("times_champion_at_most", idle_at=1000),
    ),
    needs=("champion", "latency"),
)
