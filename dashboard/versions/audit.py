"""The audit trail as a person reads it: who did what to which version, when and why."""

from collections.abc import Sequence

import pandas as pd

from dashboard.calls.model_versions import AuditLine
from dashboard.plain_text import plain
from dashboard.versions.figures import MISSING
from dashboard.versions.told import moment

MOVED = {
    "gate": "the gate put {to} into production{instead}",
    "rollback": "went back to {to}{instead}",
    "force": "put {to} into production by force{instead}",
    "recovery": "finished a move that was cut off: {to} is in production{instead}",
}
ELSE_MOVED = "put {to} into production{instead}"
OTHERS = {
    "staged": "registered {to}",
    "moving": "began to move production from {from_} to {to}",
    "abandoned": "took back a move to {to} that was cut off",
    "held": "put {to} on hold",
    "released": "ended the hold of {to}",
}


def what(line: AuditLine) -> str:
    """What was done, in words."""
    to, before = _version(line.to_version), _version(line.from_version)
    told = {"to": to, "from_": before, "instead": ""}
    if line.action == "verdict":
        return f"the gate judged {to}: {line.outcome or 'no outcome on record'}"
    if line.action == "moved":
        if line.from_version is not None and line.from_version != line.to_version:
            told["instead"] = f", in place of {before}"
        return MOVED.get(line.by, ELSE_MOVED).format(**told)
    known = OTHERS.get(line.action)
    return known.format(**told) if known else f"{line.action} {to}"


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def shown(lines: Sequence[AuditLine]) -> list[AuditLine]:
    """Without the beginnings of moves whose end is told. lines: newest first."""
    return [line for place, line in enumerate(lines) if line.action != "moving" or not place]


def audit_table(lines: Sequence[AuditLine]) -> pd.DataFrame:
    """A row a record; the cells are Markdown."""
    return pd.DataFrame(
        {
            "When (UTC)": [plain(moment(line.at_utc)) for line in lines],
            "Who": [plain(line.who or MISSING) for line in lines],
            "What": [plain(what(line)) for line in lines],
            "Reason": [plain(line.reason or MISSING) for line in lines],
        }
    )
