"""Policies of a few checks, for tests of just these."""

from pathlib import Path

from registry.checks import ModelKind


def write_policy(folder: Path, checks: str, kind: ModelKind = "classifier", top: str = "") -> Path:
    """A policy file of `checks`, a YAML line each; top: lines beside `kind`."""
    file = folder / "policy.yaml"
    lines = [f"  {line.strip()}" for line in checks.strip().splitlines()]
    file.write_text("\n".join([f"kind: {kind}", top, "checks:", *lines]) + "\n")
    return file
