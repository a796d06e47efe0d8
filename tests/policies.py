"""Policies of a few checks, for tests of just these."""

from pathlib import Path

from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import Question, run_gate
from registry.checks import ModelKind, Verdict


def write_policy(folder: Path, checks: str, kind: ModelKind = "classifier", top: str = "") -> Path:
    """A policy file of `checks`, a YAML line each; top: lines beside `kind`."""
    file = folder / "policy.yaml"
    lines = [f"  {line.strip()}" for line in checks.strip().splitlines()]
    file.write_text("\n".join([f"kind: {kind}", top, "checks:", *lines]) + "\n")
    return file


def only_verdict(settings: Settings, policy: Path, name: str = "leaf-classifier") -> Verdict:
    """What the only check of the policy says of the version in staging."""
    (found,) = run_gate(open_ledger(settings), Question(name, policy_file=policy)).report.verdicts
    return found


def failed_checks(settings: Settings, policy: Path, name: str = "leaf-classifier") -> set[str]:
    """Which checks of the policy the version in staging fails."""
    report = run_gate(open_ledger(settings), Question(name, policy_file=policy)).report
    return {item.check for item in report.verdicts if not item.passed}
