"""The gate's report: JSON for machines, HTML for people, and a table for the terminal."""

import json
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Literal

from registry.checks import Verdict

Decision = Literal["promoted", "held back"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ccc; padding: .4rem; text-align: left; vertical-align: top }
.promoted { color: #00694d } .held { color: #a33a00 }
"""


@dataclass(frozen=True)
class GateReport:
    """Everything that was decided about one version, and why."""

    model: str
    version: int
    decision: Decision
    verdicts: tuple[Verdict, ...]
    champion: int | None
    policy: str
    policy_digest: str
    data_digest: str
    artifact_digest: str
    test_images: int
    judged_at_utc: str
    judged_by: str

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        failed = [verdict.check for verdict in self.verdicts if not verdict.passed]
        why = f": {', '.join(failed)} not passed" if failed else ": all checks passed"
        return f"{self.model} version {self.version} is {self.decision}{why}"

    def lines(self) -> list[str]:
        """The headline and one line a check, failed ones first."""
        ordered = sorted(self.verdicts, key=lambda verdict: verdict.passed)
        return [
            self.headline,
            *(
                f"  {'pass' if item.passed else 'FAIL'}  {item.check} ({item.bound}): "
                f"{item.sentence}"
                for item in ordered
            ),
        ]

    def save(self, folder: Path) -> Path:
        """Write `report.json` and `report.html`; returns the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / "report.json").write_text(text, encoding="utf-8")
        page = folder / "report.html"
        page.write_text(self.html(), encoding="utf-8")
        return page

    def html(self) -> str:
        """One page: the verdict, its reasons, and what it was measured on."""
        ordered = sorted(self.verdicts, key=lambda verdict: verdict.passed)
        rows = "".join(
            f"<tr><td>{'passed' if item.passed else '<b>failed</b>'}</td>"
            f"<td>{escape(item.check)}</td><td>{item.figure:.4g}</td>"
            f"<td>{escape(item.bound)}</td><td>{escape(item.sentence)}</td></tr>"
            for item in ordered
        )
        facts = {
            "judged": f"{self.judged_at_utc} by {self.judged_by}",
            "in production before": self.champion or "none",
            "test images": self.test_images,
            "policy": f"{self.policy} ({self.policy_digest[:12]})",
            "data digest": self.data_digest,
            "artefact digest": self.artifact_digest,
        }
        listed = "".join(
            f"<tr><th>{k}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items()
        )
        shade = "promoted" if self.decision == "promoted" else "held"
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Gate report</title>'
            f'<style>{STYLE}</style><h1 class="{shade}">{escape(self.headline)}</h1>'
            f"<table><tr><th>verdict</th><th>check</th><th>measured</th><th>bound</th>"
            f"<th>in words</th></tr>{rows}</table><h2>Measured on</h2>"
            f"<table>{listed}</table></html>"
        )
