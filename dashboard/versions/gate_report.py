"""The gate's report as it stored it, read for a page. All of it is text from a registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.plain_text import plain
from dashboard.versions.figures import MISSING, is_number
from dashboard.versions.told import moment

DOUBTFUL = 0.8  # of how sure a verdict is: below, more images are asked for
FACTS = {
    "Images on the test side": "test_images",
    "Groups of images that belong together": "leaf_groups",
    "Form measured, as it is served": "engine",
    "Policy": "policy",
    "Machine": "machine",
    "In production when judged": "champion",
    "Evaluation set (digest)": "evaluation_set",
    "Policy (digest)": "policy_digest",
    "Data (digest)": "data_digest",
    "Stored model (digest)": "artifact_digest",
}


@dataclass(frozen=True)
class Check:
    """What one check asked and found. figure: None where it could not be measured.

    sure: how often another draw of as many images would bring the same verdict; None: not known.
    """

    name: str
    passed: bool
    question: str
    sentence: str
    bound: str
    remedy: str
    figure: float | None
    sure: float | None

    @property
    def measured(self) -> str:
        """What was measured, in words."""
        return "not known" if self.figure is None else f"{self.figure:.4g}"

    @property
    def answer(self) -> str:
        """To the question; what could not be measured is not passed either."""
        if self.passed:
            return "Yes"
        return "Not known" if self.figure is None and self.name != "runs" else "No"

    @property
    def how_sure(self) -> str:
        """How much luck is in the verdict, as a sentence; empty where that is not known."""
        if self.sure is None:
            return ""
        cases = round(100 * self.sure)
        often = "in more than 99 of 100 cases" if cases > 99 else f"in {cases} of 100 cases"
        more = " More images are needed to be certain." if self.sure < DOUBTFUL else ""
        return f"Another draw of as many test images would say the same {often}.{more}"


@dataclass(frozen=True)
class Report:
    """What the page shows of a report. pictures: names of the checks that have one."""

    headline: str
    decision: str
    checks: tuple[Check, ...]
    pictures: frozenset[str]
    judged: str
    facts: Mapping[str, str]

    @property
    def failed(self) -> tuple[Check, ...]:
        """In the policy's order."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> tuple[Check, ...]:
        """In the policy's order."""
        return tuple(check for check in self.checks if check.passed)


def read(told: Mapping[str, Any]) -> Report:
    """From the report's JSON; what an older gate did not write is left out."""
    verdicts = told.get("verdicts") or ()
    at, by = moment(told.get("judged_at_utc")), told.get("judged_by") or "nobody on record"
    facts = {title: _fact(told, name) for title, name in FACTS.items()}
    return Report(
        headline=str(told.get("headline") or "The gate has judged this version"),
        decision=str(told.get("decision") or ""),
        checks=tuple(_check(item) for item in verdicts if isinstance(item, Mapping)),
        pictures=frozenset(map(str, told.get("pictures") or ())),
        judged=f"Judged {at} UTC by {by}.",
        facts={title: value for title, value in facts.items() if value != MISSING},
    )


def _fact(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if name == "champion" and name in told:
        return "none" if value is None else f"version {value}"
    if value in (None, ""):
        return MISSING
    return f"{value:,}" if isinstance(value, int) else str(value)


def _check(item: Mapping[str, Any]) -> Check:
    name, outcome = str(item.get("check", "?")), str(item.get("outcome") or "")
    sentence = str(item.get("sentence") or "no reason was stored")
    figure, sure = item.get("figure"), item.get("sure")
    return Check(
        name=name,
        passed=item.get("passed") is True,
        question=str(item.get("question") or name),
        sentence=f"{outcome}: {sentence}" if outcome else sentence,
        bound=str(item.get("bound") or MISSING),
        remedy=str(item.get("remedy") or ""),
        figure=float(figure) if figure is not None and is_number(figure) else None,
        sure=float(sure) if sure is not None and is_number(sure) else None,
    )


def passed_rows(report: Report) -> list[dict[str, str]]:
    """A row a passed check; the cells are Markdown."""
    return [
        {
            "Question": plain(check.question),
            "Answer": "✓ Yes",
            "Measured": plain(check.measured),
            "Asked for": plain(check.bound),
            "Sure": MISSING if check.sure is None else f"{100 * check.sure:.0f} in 100",
        }
        for check in report.passed
    ]
