"""Charts and tables of how often answers were right, by the feedback that people gave."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from dashboard.layers import layered
from dashboard.names import readable
from dashboard.plain_text import plain
from dashboard.theme import palette
from sql.analytics import Confusion, FeedbackAccuracy, Score

MOST_CLASSES = 20  # in the chart; the table has all
MOST_CONFUSED = 12
MOST_MISTAKES = 30  # in the table
FEW = 30  # answers of a class, below which its interval spans a third and more
RECALL, PRECISION = "found (recall)", "right when told (precision)"
ROW_HEIGHT = 34
LABEL_WIDTH = 170


def scores_chart(found: FeedbackAccuracy) -> alt.LayerChart:
    """For each class, as dots with their 95 % intervals: of leaves that show it, how many were told
    so; of those that were told it, how many do.
    """
    rows = scores(found)
    frame = pd.DataFrame(
        {
            "class": [readable(score.name) for _, score in rows],
            "which": [which for which, _ in rows],
            "share": [score.share.value for _, score in rows],
            "low": [score.share.low for _, score in rows],
            "high": [score.share.high for _, score in rows],
            "answers": [score.answers for _, score in rows],
        }
    )
    domain, colours = [RECALL, PRECISION], [palette().blue, palette().orange]
    axis = alt.Axis(format=".0%")
    base = alt.Chart(frame).encode(
        y=alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        yOffset=alt.YOffset("which:N", sort=domain),
        color=alt.Color(
            "which:N",
            title=None,
            scale=alt.Scale(domain=domain, range=colours),
            legend=alt.Legend(orient="top", columns=1, labelLimit=260),
        ),
        tooltip=[
            "class:N",
            "which:N",
            alt.Tooltip("answers:Q", format=","),
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("share", "low", "high")),
        ],
    )
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="share", axis=axis, scale=alt.Scale(domain=[0, 1])), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x="share:Q",
        shape=alt.Shape(
            "which:N", title=None, scale=alt.Scale(domain=domain, range=["circle", "square"])
        ),
    )
    classes = len(set(frame["class"]))
    return layered(ROW_HEIGHT * classes + 70, lines, dots)


def scores(found: FeedbackAccuracy) -> list[tuple[str, Score]]:
    """Those of the chart: the classes with most feedback, each with both of its scores."""
    recall = {score.name: score for score in found.by_true}
    precision = {score.name: score for score in found.by_told}
    names = sorted({*recall, *precision}, key=lambda name: _answers(name, recall, precision))
    return [
        (which, scores[name])
        for name in names[:MOST_CLASSES]
        for which, scores in ((RECALL, recall), (PRECISION, precision))
        if name in scores
    ]


def _answers(name: str, *scores: dict[str, Score]) -> tuple[int, str]:
    return -sum(each[name].answers for each in scores if name in each), name


def scores_alt(found: FeedbackAccuracy) -> str:
    """Overall, and the worst class of which enough is known."""
    text = "Dots with 95 % intervals: of each class, the share of answers that feedback calls right"
    known = [score for score in found.by_true if score.answers >= FEW]
    if not known:
        return f"{text}. No class has {FEW} answers with feedback."
    worst = min(known, key=lambda score: score.share.value)
    return f"{text}. Least found: {readable(worst.name)}, {interval(worst)}."


def interval(score: Score) -> str:
    """A share with its interval and what it is of."""
    share = score.share
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {score.answers:,})"


def scores_table(found: FeedbackAccuracy) -> pd.DataFrame:
    """A row for each class, with both of its scores; cells are Markdown."""
    recall = {score.name: score for score in found.by_true}
    precision = {score.name: score for score in found.by_told}
    names = sorted({*recall, *precision}, key=lambda name: _answers(name, recall, precision))
    return pd.DataFrame(
        {
            "class": [plain(readable(name)) for name in names],
            RECALL: [interval(recall[name]) if name in recall else "" for name in names],
            PRECISION: [interval(precision[name]) if name in precision else "" for name in names],
        }
    )


def versions_table(found: FeedbackAccuracy) -> pd.DataFrame:
    """A row for each version that got feedback."""
    return pd.DataFrame(
        {
            "version": [plain(score.name) for score in found.by_version],
            "answers with feedback": [f"{score.answers:,}" for score in found.by_version],
            "right": [f"{score.right:,}" for score in found.by_version],
            "share": [f"{score.share.value:.1%}" for score in found.by_version],
            "95 % interval": [
                f"{score.share.low:.1%} to {score.share.high:.1%}" for score in found.by_version
            ],
        }
    )


def mistakes(found: FeedbackAccuracy) -> tuple[Confusion, ...]:
    """What was told wrongly, most often first."""
    wrong = [each for each in found.confusion if each.told != each.true]
    return tuple(sorted(wrong, key=lambda each: (-each.count, each.told, each.true)))


def mistakes_table(found: FeedbackAccuracy) -> pd.DataFrame:
    """A row for each of the most frequent kinds of mistake, most frequent first."""
    wrong = mistakes(found)[:MOST_MISTAKES]
    return pd.DataFrame(
        {
            "told": [plain(readable(each.told)) for each in wrong],
            "it was": [plain(readable(each.true)) for each in wrong],
            "times": [f"{each.count:,}" for each in wrong],
        }
    )


def confusion_chart(found: FeedbackAccuracy) -> alt.LayerChart:
    """How often each class was told of each that leaves show, of those mistaken most."""
    kept = _most_mistaken(found)
    cells = [each for each in found.confusion if each.told in kept and each.true in kept]
    most = max(each.count for each in cells)
    frame = pd.DataFrame(
        {
            "told": [readable(each.told) for each in cells],
            "it was": [readable(each.true) for each in cells],
            "answers": [each.count for each in cells],
            "strong": [each.count > most / 2 for each in cells],
        }
    )
    names = [readable(name) for name in kept]
    base = alt.Chart(frame).encode(
        x=alt.X(
            "told:N", sort=names, axis=alt.Axis(labelAngle=-50, labelLimit=140, labelOverlap=False)
        ),
        y=alt.Y("it was:N", sort=names, axis=alt.Axis(labelLimit=140)),
        tooltip=["told:N", "it was:N", alt.Tooltip("answers:Q", format=",")],
    )
    cell = base.mark_rect().encode(
        fillOpacity=alt.FillOpacity(
            "answers:Q", scale=alt.Scale(domain=[0, most], range=[0.08, 1]), legend=None
        ),
        fill=alt.value(palette().blue),
    )
    text = base.mark_text().encode(
        text=alt.Text("answers:Q", format=","),
        color=alt.condition(
            "datum.strong", alt.value(palette().on_blue), alt.value(palette().text)
        ),
    )
    return layered(ROW_HEIGHT * len(names) + 120, cell, text)


def confusion_alt(found: FeedbackAccuracy) -> str:
    """The most frequent mistakes."""
    wrong = mistakes(found)[:3]
    told = [f"{readable(w.true)} told as {readable(w.told)}, {w.count:,}" for w in wrong]
    return f"Table in colours of what was told of which class. Most often wrong: {'; '.join(told)}."


def _most_mistaken(found: FeedbackAccuracy) -> list[str]:
    counts: dict[str, int] = {}
    for each in mistakes(found):
        for name in (each.told, each.true):
            counts[name] = counts.get(name, 0) + each.count
    return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_CONFUSED]


def caution(scores_of: Sequence[Score]) -> str:
    """What is to be known of these figures before they are used."""
    few = sum(score.answers < FEW for score in scores_of)
    text = (
        "People correct what strikes them as wrong, and some correct more than others: these are "
        "figures of the answers that got feedback, good for comparing classes and versions, and no "
        "estimate of the accuracy of all answers."
    )
    if few:
        text += (
            f" {few} of {len(scores_of)} classes have fewer than {FEW} such answers; their "
            "intervals are wide, so that nothing can be concluded from their shares alone."
        )
    return text
