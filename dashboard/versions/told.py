"""Versions in words: where they stand, what the gate said, and when."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from dashboard.calls.model_versions import Version
from dashboard.plain_text import plain
from dashboard.versions.figures import MISSING, headlines, with_interval

PRODUCTION, PREVIOUS, STAGING = "production", "previous", "staging"
VERDICTS = {"passed": "✓ passed", "failed": "✗ failed", "not judged": "○ not judged"}


def moment(at_utc: str | None) -> str:
    """`1 Mar 2026, 12:05`; what is no time is shown as it is."""
    if not at_utc:
        return MISSING
    try:
        at = datetime.fromisoformat(at_utc)
    except ValueError:
        return at_utc
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M}"


def verdict(version: Version) -> str:
    """The gate's, as a sign and a word."""
    return VERDICTS.get(version.gate, version.gate)


def holder(versions: Sequence[Version], alias: str) -> Version | None:
    """The version that carries the alias."""
    return next((version for version in versions if alias in version.aliases), None)


def named(version: Version) -> str:
    """`4 (production)`."""
    return (
        f"{version.version} ({', '.join(version.aliases)})"
        if version.aliases
        else str(version.version)
    )


def since(version: Version) -> str:
    """Since when it is in production, and by whom it came there; Markdown."""
    if not version.promoted_at_utc:
        return "since when, and by whom, is not on record"
    by = f", by {plain(version.promoted_by)}" if version.promoted_by else ""
    return f"since {plain(moment(version.promoted_at_utc))} UTC{by}"


def held_words(version: Version) -> str:
    """Who holds it back and why; empty where nobody does."""
    held = version.held
    return f"by {held.who}, {moment(held.at_utc)}: {held.reason}" if held else ""


def chosen_first(versions: Sequence[Version]) -> int:
    """The version to look at: the candidate where there is one, else what is in production."""
    candidate, now = holder(versions, STAGING), holder(versions, PRODUCTION)
    return (candidate or now or versions[0]).version


def compared_first(versions: Sequence[Version]) -> list[int]:
    """What is compared unless asked otherwise: production, and the candidate or the newest."""
    wanted = (holder(versions, PRODUCTION), holder(versions, STAGING) or versions[0])
    found = dict.fromkeys(version.version for version in wanted if version)
    for version in versions:
        if len(found) < 2:
            found.setdefault(version.version)
    return sorted(found)


def versions_table(versions: Sequence[Version]) -> pd.DataFrame:
    """A row a version, in their order; the cells are Markdown."""
    shown = headlines(version.metrics for version in versions)
    rows = [
        {
            "Version": str(version.version),
            "Alias": plain(", ".join(version.aliases) or MISSING),
            "Gate": plain(verdict(version)),
            "On hold": plain(f"by {version.held.who}" if version.held else "no"),
            "Trained (UTC)": plain(moment(version.created_at_utc)),
            **{each.title: plain(with_interval(version.metrics, each.metric)) for each in shown},
        }
        for version in versions
    ]
    return pd.DataFrame(rows)
