"""The gate's report: JSON for machines, HTML for people, and lines for the terminal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from leafgate.files import whole
from leafgate.strict_json import dump_json
from registry.checks import CHECKS, ModelKind, Verdict
from registry.report_page import page

Decision = Literal["promoted", "passed", "held back", "on hold"]
# Of a model that could not be run at all, which is no check of a policy.
RUNS = (
    "Can the stored model be run at all?",
    "The reason is given above. Look whether its artefact is still where it was stored, whole and "
    "unchanged; if not, train it again.",
)


@dataclass(frozen=True)
class Hold:
    """That a person does not want the version in production. at_utc: ISO 8601."""

    who: str
    at_utc: str
    reason: str


@dataclass(frozen=True)
class GateReport:
    """Everything that was decided about one version, and why.

    decision: `passed` for a version that is in production already, or not yet; `on hold` for one
    that passed and is kept out by `hold`. champion: the version in production when it was judged;
    evaluation_set: digest of the test images judged by; engine: the stored form that was measured,
    which is the one that is served; seconds: how long judging took.
    """

    model: str
    version: int
    kind: ModelKind
    decision: Decision
    verdicts: tuple[Verdict, ...]
    champion: int | None
    policy: str
    policy_digest: str
    evaluation_set: str
    data_digest: str
    artifact_digest: str
    engine: str
    test_images: int
    leaf_groups: int
    judged_at_utc: str
    judged_by: str
    machine: str
    run_id: str
    seconds: float
    hold: Hold | None = None

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Of the checks that were not passed, in the policy's order."""
        return tuple(item for item in self.verdicts if not item.passed)

    @property
    def passed(self) -> tuple[Verdict, ...]:
        """Of the checks that were passed, in the policy's order."""
        return tuple(item for item in self.verdicts if item.passed)

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        *others, last = [item.check for item in self.failed] or [""]
        listed = f"{', '.join(others)} and {last}" if others else last
        why = f"{listed} not passed" if listed else "all checks passed"
        if self.hold is not None:
            why = f"{why}, but {self.hold.who} holds it: {' '.join(self.hold.reason.split())}"
        told = "has passed the gate" if self.decision == "passed" else f"is {self.decision}"
        return f"{self.model} version {self.version} {told}: {why}"

    def lines(self) -> list[str]:
        """The headline and one line a check, failed ones first."""
        return [self.headline, *(_line(item) for item in (*self.failed, *self.passed))]

    def question(self, check: str) -> tuple[str, str]:
        """What a check asks, and what to try where it fails."""
        known = CHECKS[self.kind].get(check)
        if known:
            return known.question, known.remedy
        return RUNS if check == "runs" else (check, "")

    def as_json(self) -> str:
        """Everything, as strict JSON: what is no number is null."""
        told = asdict(self)
        for item in told["verdicts"]:
            item["question"], item["remedy"] = self.question(item["check"])
        told["headline"] = self.headline
        return dump_json(told, indent=2)

    def save(self, folder: Path, pictures: Mapping[str, bytes]) -> Path:
        """Write `report.json`, `report.html` and a PNG a check; returns the page's file.

        pictures: PNG by check. Each file is seen whole or not at all, the page last; PNGs of an
        earlier report in this folder are removed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files = {f"{check}.png": png for check, png in pictures.items()}
        files["report.json"] = self.as_json().encode()
        files["report.html"] = page(self, pictures).encode()
        for name, content in files.items():
            with whole(folder / name) as beside:
                beside.write_bytes(content)
        for old in folder.glob("*.png"):
            if old.name not in files:
                old.unlink(missing_ok=True)
        return folder / "report.html"


def _line(item: Verdict) -> str:
    outcome = f"{item.outcome}: " if item.outcome else ""
    sure = "" if item.sure is None else f" (sure: {100 * item.sure:.0f} in 100)"
    mark = "pass" if item.passed else "FAIL"
    bound = f" ({item.bound})" if item.bound else ""
    return f"  {mark}  {item.check}{bound}: {outcome}{item.sentence}{sure}"
