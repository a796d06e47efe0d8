"""A study's result as a forest plot: a row an arm, the whole at the bottom as a diamond."""

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.calls.model_versions import Study
from dashboard.plain_text import plain
from dashboard.theme import palette
from dashboard.versions.figures import MISSING, is_number

ROW, AROUND = 40, 75  # pixels: of a line, and of the axis below
WHOLE = "All together"
PARTS = ("name", "value", "low", "high")
METRICS = {"macro_f1": "macro F1", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Row:
    """One line of the plot. low, high: None where the study gave no interval."""

    name: str
    value: float
    low: float | None
    high: float | None

    @property
    def told(self) -> str:
        """`+0.023 (+0.004 to +0.041)`."""
        if self.low is None or self.high is None:
            return f"{self.value:+.3f}"
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def rows(study: Study) -> tuple[Row, ...]:
    """The arms as stored, and the whole last; arms without a value are left out."""
    arms = [_row(arm, place) for place, arm in enumerate(study.arms, start=1)]
    whole = Row(WHOLE, study.value, _number(study.low), _number(study.high))
    return (*_apart([arm for arm in arms if arm is not None]), whole)


def _row(arm: Mapping[str, object], place: int) -> Row | None:
    value = _number(arm.get("value"))
    if value is None:
        return None
    name = " ".join(str(arm.get("name") or f"arm {place}").split())
    return Row(name, value, _number(arm.get("low")), _number(arm.get("high")))


def _apart(arms: list[Row]) -> list[Row]:
    """Arms of one name would share a line: they are numbered."""
    taken = [WHOLE]
    told = []
    for arm in arms:
        same = taken.count(arm.name)
        taken.append(arm.name)
        name = f"{arm.name} ({same + 1})" if same else arm.name
        told.append(Row(name, arm.value, arm.low, arm.high))
    return told


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and is_number(value) else None


def metric_name(study: Study) -> str:
    """As people call it."""
    return METRICS.get(study.metric, study.metric.replace("_", " "))


def verdict(study: Study) -> tuple[str, str]:
    """(`helps`, `not shown`, `harms` or `unknown`; the sentence, as Markdown)."""
    low, high, metric = _number(study.low), _number(study.high), plain(metric_name(study))
    if low is None or high is None or not is_number(study.value):
        return "unknown", "The study stored no interval, so it cannot be told whether they help."
    told = f"{metric} changes by {study.value:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
    if low > 0:
        return "helps", f"Generated pictures help: {told}. The whole interval lies above zero."
    if high < 0:
        return "harms", f"Generated pictures harm: {told}. The whole interval lies below zero."
    return "not shown", (
        f"Generated pictures are not shown to help: {told}. The interval covers zero, so the "
        "change may be chance, or too small to be seen with so few repetitions."
    )


def words(study: Study) -> str:
    """The plot as a sentence."""
    told = "; ".join(f"{row.name} {row.told}" for row in rows(study))
    return f"Forest plot of the gain in {metric_name(study)} by generated pictures: {told}"


def forest_plot(study: Study) -> alt.LayerChart | alt.FacetChart:
    """Points with 95 % intervals about a line at zero, no gain."""
    found, colours = rows(study), palette()
    frame = pd.DataFrame([{**vars(row), "told": row.told} for row in found])
    frame["whole"] = [number == len(found) - 1 for number in range(len(found))]
    title = f"gain in {metric_name(study)} by generated pictures"
    ends = [v for row in found for v in (row.value, row.low, row.high, 0.0) if v is not None]
    scale = alt.Scale(domain=_widened(min(ends), max(ends)), nice=False)
    x = alt.X("value:Q", title=title, scale=scale, axis=alt.Axis(format="+.2~f", tickCount=6))
    y = alt.Y("name:N", sort=[row.name for row in found], title=None, axis=alt.Axis(labelLimit=150))
    base = alt.Chart(frame).encode(y=y, tooltip=["name:N", alt.Tooltip("told:N", title="gain")])
    colour = alt.condition("datum.whole", alt.value(colours.orange), alt.value(colours.blue))
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=colours.text, strokeDash=[4, 4])
    lines = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(
        strokeWidth=2
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        x=x,
        color=colour,
        shape=alt.condition("datum.whole", alt.value("diamond"), alt.value("square")),
        size=alt.condition("datum.whole", alt.value(320), alt.value(80)),
    )
    interval = lines.encode(x=alt.X("low:Q", scale=scale, title=title), x2="high:Q", color=colour)
    drawn = alt.layer(zero.encode(x=alt.X("x:Q", scale=scale, title=title)), interval, points)
    return drawn.properties(height=ROW * len(found) + AROUND)


def _widened(low: float, high: float) -> list[float]:
    margin = (high - low) * 0.08 or 0.01
    return [low - margin, high + margin]


def table(study: Study) -> pd.DataFrame:
    """A row a line of the plot; the cells are Markdown."""
    others = sorted({str(key) for arm in study.arms for key in arm} - set(PARTS))
    by_place = [arm for arm in study.arms if _number(arm.get("value")) is not None]
    found = []
    for place, row in enumerate(rows(study)):
        arm = by_place[place] if place < len(by_place) else {}
        interval = (
            MISSING if row.low is None or row.high is None else f"{row.low:+.3f} to {row.high:+.3f}"
        )
        found.append(
            {
                "What": plain(row.name),
                "Gain": plain(f"{row.value:+.3f}"),
                "95 % interval": plain(interval),
                **{plain(key.replace("_", " ")): plain(arm.get(key, "")) for key in others},
            }
        )
    return pd.DataFrame(found)
