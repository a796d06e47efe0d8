"""A gate policy: which checks a model must pass, and their bounds; one YAML file a model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from leafgate.errors import UserError
from registry.checks import CHECKS, ModelKind

POLICIES = Path(__file__).parent / "policies"
KINDS: tuple[ModelKind, ...] = ("classifier", "generator")


@dataclass(frozen=True)
class Policy:
    """checks: bounds by check name. digest: SHA-256 of the file, in hex."""

    kind: ModelKind
    checks: dict[str, dict[str, float]]
    digest: str
    source: str


def load_policy(file: Path | None, kind: ModelKind) -> Policy:
    """Read and check a policy; without a file, the one that LeafGate brings for `kind`.

    Raises UserError for an unknown check, a missing or non-numeric bound, or no checks at all.
    """
    file = file or POLICIES / f"leaf-{kind}.yaml"
    if not file.is_file():
        raise UserError(f"no policy file {file}", "check the path given to --policy")
    text = file.read_text(encoding="utf-8")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not YAML ({error})", "correct it") from None
    if not isinstance(found, dict) or not isinstance(found.get("checks"), dict):
        raise UserError(f"{file} names no checks", "write `kind:` and `checks:`; see docs/gate.md")
    if found.get("kind") != kind:
        raise UserError(
            f"{file} is for a {found.get('kind')}, the model is a {kind}", "choose another --policy"
        )
    checks = {
        name: _bounds(file, name, bounds or {}, kind) for name, bounds in found["checks"].items()
    }
    if not checks:
        raise UserError(f"{file} has no checks", "a policy without bounds promotes nothing")
    return Policy(kind, checks, hashlib.sha256(text.encode()).hexdigest(), file.name)


def _bounds(file: Path, name: str, bounds: Any, kind: ModelKind) -> dict[str, float]:  # noqa: ANN401
    known = {check: entry for check, entry in CHECKS.items() if entry.kind == kind}
    if name not in known:
        raise UserError(
            f"{file}: unknown check {name!r} for a {kind}", f"known are: {', '.join(known)}"
        )
    wanted = known[name].bounds
    if not isinstance(bounds, dict) or set(bounds) != set(wanted):
        given = ", ".join(bounds) if isinstance(bounds, dict) else repr(bounds)
        raise UserError(
            f"{file}: check {name} has bounds {given or 'none'}",
            f"give {', '.join(wanted) or 'none'}",
        )
    for key, value in bounds.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"{file}: {name}.{key} is {value!r}", "give a number")
    return {key: float(value) for key, value in bounds.items()}
