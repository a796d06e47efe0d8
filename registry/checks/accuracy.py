"""Share of test images whose class is right, with its interval."""

from leafgate.metrics import classification
from leafgate.metrics.statistics import bootstrap
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict


def accuracy(evidence: ClassifierEvidence, at_least: float) -> Verdict:
    """Passes at the bound and above."""
    interval = bootstrap(
        lambda rows: classification.accuracy(evidence.truth[rows], evidence.predicted[rows]),
        evidence.groups,
    )
    return Verdict(
        "accuracy",
        interval.value >= at_least,
        interval.value,
        f"at least {at_least:g}",
        f"{interval.value:.1%} of {len(evidence.truth)} test images are classified rightly "
        f"(95 % interval {interval.low:.1%} to {interval.high:.1%})",
    )
