"""A gate policy: which checks a model must pass, and their bounds; one YAML file a model."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from registry.checks import CHECKS, Check, ModelKind
from registry.checks.check import Bound, BoundValue
from registry.features import FeatureChoice
from registry.policy_file import Entry, PolicyFile, read_policy_file

POLICIES = Path(__file__).parent / "policies"
DIGEST_CHARACTERS = 12  # of an evaluation set, that a policy must name at least
TOP = ("kind", "checks", "evaluation_set", "features", "i_know")


@dataclass(frozen=True)
class Policy:
    """checks: bounds by check name. digest: SHA-256 of the file, in hex; source: its name.

    evaluation_set: the digest (or its start) of the test images to judge by, empty for the
    candidate's own; features: what generated pictures are compared by.
    """

    kind: ModelKind
    checks: Mapping[str, Mapping[str, BoundValue]]
    digest: str
    source: str
    evaluation_set: str = ""
    features: FeatureChoice = "auto"

    @property
    def needs(self) -> frozenset[str]:
        """The measurements that its checks look at."""
        return frozenset(need for name in self.checks for need in CHECKS[self.kind][name].needs)


def load_policy(file: Path | None, kind: ModelKind) -> Policy:
    """Read and check a policy; without a file, the one that LeafGate brings for `kind`.

    Raises UserError that names the line: unknown check or bound, missing bound, wrong type, another
    kind, no checks, or checks that nothing can fail (unless it says `i_know: true`).
    """
    read = read_policy_file(file or POLICIES / f"leaf-{kind}.yaml")
    for entry in read.entries:
        if entry.key not in TOP:
            raise read.wrong(entry.line, f"unknown {entry.key!r}", f"known are: {', '.join(TOP)}")
    _require_kind(read, kind)
    checks = _checks(read, kind)
    _require_some_bound(read, checks, kind)
    return Policy(
        kind,
        checks,
        hashlib.sha256(read.text.encode()).hexdigest(),
        read.name,
        _evaluation_set(read),
        _features(read),
    )


def policy_without(kind: ModelKind, checks: Sequence[str]) -> str:
    """The text of the policy that LeafGate brings, less the lines of these checks."""
    text = (POLICIES / f"leaf-{kind}.yaml").read_text(encoding="utf-8")
    left_out = tuple(f"  {name}:" for name in checks)
    return "".join(line for line in text.splitlines(True) if not line.startswith(left_out))


def _require_kind(read: PolicyFile, kind: ModelKind) -> None:
    entry = read.find("kind")
    if entry is None:
        raise read.wrong(1, "no `kind`", f"write `kind: {kind}`")
    if entry.value not in CHECKS:
        raise read.wrong(
            entry.line, f"unknown kind {entry.value!r}", f"known are: {', '.join(CHECKS)}"
        )
    if entry.value != kind:
        raise read.wrong(
            entry.line,
            f"it is for a {entry.value}, the model is a {kind}",
            "choose another --policy",
        )


def _checks(read: PolicyFile, kind: ModelKind) -> dict[str, dict[str, BoundValue]]:
    entry = read.find("checks")
    if entry is None or not entry.entries:
        line = 1 if entry is None else entry.line
        raise read.wrong(line, "it has no checks", "a policy without bounds promotes nothing")
    return {item.key: _bounds(read, item, kind) for item in entry.entries}


def _bounds(read: PolicyFile, entry: Entry, kind: ModelKind) -> dict[str, BoundValue]:
    check = CHECKS[kind].get(entry.key)
    if check is None:
        raise read.wrong(
            entry.line,
            f"unknown check {entry.key!r} for a {kind}",
            f"known are: {', '.join(CHECKS[kind])}",
        )
    if entry.value not in (None, []) and not entry.entries:
        raise read.wrong(
            entry.line, f"{entry.key} has bounds {entry.value!r}", f"write {_example(entry, check)}"
        )
    known = {bound.name: bound for bound in check.bounds}
    for given in entry.entries:
        if given.key not in known:
            raise read.wrong(
                given.line,
                f"{entry.key} has no bound {given.key!r}",
                f"write {_example(entry, check)}",
            )
    there = {given.key for given in entry.entries}
    missing = [b.name for b in check.bounds if not b.optional and b.name not in there]
    if missing:
        raise read.wrong(
            entry.line, f"{entry.key} lacks {', '.join(missing)}", f"write {_example(entry, check)}"
        )
    return {
        given.key: _bound_value(read, entry, given, known[given.key]) for given in entry.entries
    }


def _example(entry: Entry, check: Check) -> str:
    named = ", ".join(
        f"{bound.name}: {' or '.join(bound.choices) or 'a number'}"
        + (" (may be left out)" if bound.optional else "")
        for bound in check.bounds
    )
    return f"`{entry.key}: {{{named}}}`"


def _bound_value(read: PolicyFile, entry: Entry, given: Entry, bound: Bound) -> BoundValue:
    value, told = given.value, f"{entry.key}.{given.key} is {given.value!r}"
    if bound.choices:
        if value not in bound.choices:
            raise read.wrong(given.line, told, f"give one of {', '.join(bound.choices)}")
        return str(value)
    if isinstance(value, bool) or not isinstance(value, float) or not math.isfinite(value):
        raise read.wrong(given.line, told, "give a number")
    return value


def _require_some_bound(
    read: PolicyFile, checks: dict[str, dict[str, BoundValue]], kind: ModelKind
) -> None:
    known = read.find("i_know")
    if known is not None and not isinstance(known.value, bool):
        raise read.wrong(known.line, f"i_know is {known.value!r}", "give true or false")
    if known is not None and known.value:
        return
    if all(CHECKS[kind][name].is_idle(bounds) for name, bounds in checks.items()):
        line = next(entry.line for entry in read.entries if entry.key == "checks")
        raise read.wrong(
            line,
            "nothing can fail it: every bound lets everything pass",
            "set bounds that a bad model misses, or write `i_know: true` if this is meant",
        )


def _evaluation_set(read: PolicyFile) -> str:
    entry = read.find("evaluation_set")
    if entry is None or entry.value is None:
        return ""
    text = str(entry.value).lower()
    hexadecimal = set(text) <= set("0123456789abcdef")
    if not isinstance(entry.value, str) or not hexadecimal or len(text) < DIGEST_CHARACTERS:
        raise read.wrong(
            entry.line,
            f"evaluation_set is {entry.value!r}",
            "give the digest that `leafgate data split` and the gate's report print, in quotes; "
            f"at least its first {DIGEST_CHARACTERS} digits",
        )
    return text


def _features(read: PolicyFile) -> FeatureChoice:
    entry, known = read.find("features"), get_args(FeatureChoice)
    if entry is None:
        return "auto"
    if entry.value not in known:
        raise read.wrong(
            entry.line, f"features is {entry.value!r}", f"give one of {', '.join(known)}"
        )
    return entry.value  # type: ignore[return-value]
