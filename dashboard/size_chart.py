"""Response time by the number of images: those that a request sent, and those that it had made.

The two are series of their own, side by side: a picture that is made is other work than an image
that is classified.
"""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from dashboard.layers import layered
from dashboard.theme import CHART_HEIGHT, palette
from sql.analytics import MemberTraffic

WIDE = 20  # times the smallest: from there on a scale of latencies is logarithmic
SENT, MADE = "images sent", "pictures made (/generate)"
SHAPES = {SENT: "circle", MADE: "square"}
LABEL_PIXELS = 200


def size_chart(sent: Sequence[MemberTraffic], made: Sequence[MemberTraffic]) -> alt.LayerChart:
    """The median of each size, and up to p95."""
    rows = [(SENT, row) for row in sent] + [(MADE, row) for row in made]
    frame = pd.DataFrame(
        {
            "images in a request": [int(row.name) for _, row in rows],
            "kind": [kind for kind, _ in rows],
            "requests": [row.requests for _, row in rows],
            "p50": [row.p50_ms for _, row in rows],
            "p95": [row.p95_ms for _, row in rows],
        }
    )
    wide = frame["p95"].max() > WIDE * frame["p50"].min() if len(rows) > 1 else False
    scale = alt.Scale(type="log" if wide else "linear")
    title = "ms, median and p95" + (" (logarithmic)" if wide else "")
    kinds = [kind for kind in SHAPES if kind in set(frame["kind"])]
    colours = {SENT: palette().blue, MADE: palette().orange}
    legend = alt.Legend(orient="top", labelLimit=LABEL_PIXELS, symbolOpacity=1)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
        legend=legend,
    )
    base = alt.Chart(frame).encode(
        x=alt.X("images in a request:O", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        xOffset=alt.XOffset("kind:N", sort=kinds),
        color=colour,
        tooltip=[
            "kind:N",
            "images in a request:O",
            alt.Tooltip("requests:Q", format=","),
            *(
                alt.Tooltip(f"{name}:Q", format=",.0f", title=f"{name} ms")
                for name in ("p50", "p95")
            ),
        ],
    )
    height = alt.Y("p50:Q", title=title, scale=scale)
    whisker = base.mark_rule(strokeWidth=2).encode(y=height, y2="p95:Q")
    top = base.mark_tick(thickness=2, width=12, opacity=1).encode(
        y=alt.Y("p95:Q", title=title, scale=scale)
    )
    dot = base.mark_point(size=70, filled=True, opacity=1).encode(
        y=height,
        shape=alt.Shape(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=kinds, range=[SHAPES[kind] for kind in kinds]),
            legend=legend,
        ),
    )
    return layered(CHART_HEIGHT, whisker, top, dot)


def size_alt(sent: Sequence[MemberTraffic], made: Sequence[MemberTraffic]) -> str:
    """Every size, since there are few."""
    parts = ["Median and p95 of the response time by images in a request."]
    for kind, rows in ((SENT, sent), (MADE, made)):
        told = [f"{row.name}: {row.p50_ms:,.0f} and {row.p95_ms:,.0f} ms" for row in rows]
        if told:
            parts.append(f"{kind[0].upper()}{kind[1:]}: {'; '.join(told)}.")
    return " ".join(parts)
