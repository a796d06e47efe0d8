"""What classifiers read in generated pictures, as the log has it: on the Generate page alone, since
it says nothing of leaves.
"""

from collections import Counter
from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.elements import show_chart
from dashboard.figures import open_log
from dashboard.generated import UNKNOWN
from dashboard.guard import problems_shown
from dashboard.layers import layered
from dashboard.names import readable
from dashboard.plain_text import plain
from dashboard.theme import palette
from dashboard.time_range import chosen_range
from leafgate.settings import Settings
from sql import analytics
from sql.analytics import ReadCount

OTHERS = "(further classes)"
ROW_HEIGHT, LABEL_PIXELS = 26, 190
MOST_NAMED = 5


@st.fragment
def show_read(settings: Settings) -> None:
    """Counts of the time that is picked, by everybody who had pictures made and read."""
    with problems_shown():
        st.header("Read in generated pictures")
        span = chosen_range().span()
        with open_log(settings) as (log, _):
            found = analytics.read_frequency(log, span)
        if not found:
            st.caption("No generated picture was read in this time.")
            return
        pictures = sum(row.pictures for row in found)
        st.caption(
            f"What the classifier saw in {pictures:,} synthetic pictures that anybody had made in "
            "this time; unknown: unlike every image that it learnt from. It is no diagnosis: the "
            "page Diseases, and drift, have none of it."
        )
        show_chart(read_chart(found), read_alt(found))
        with st.expander("As a table"):
            st.table(read_table(found), hide_index=True, alt="Classes read in generated pictures")


def read_chart(rows: Sequence[ReadCount]) -> alt.LayerChart:
    """Pictures of each class, whichever version read them. The class of one that is unlike every
    training image means nothing; those have a bar of their own.
    """
    sums = _by_class(rows)
    frame = pd.DataFrame({"class": list(sums), "pictures": list(sums.values())})
    base = alt.Chart(frame).encode(
        x=alt.X(
            "pictures:Q",
            axis=alt.Axis(tickMinStep=1, format="~s"),
            scale=alt.Scale(domain=[0, max(sums.values()) * 1.2]),  # room for the longest's label
        ),
        y=alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labelLimit=LABEL_PIXELS)),
        tooltip=["class:N", alt.Tooltip("pictures:Q", format=",")],
    )
    labels = base.mark_text(align="left", dx=4, color=palette().text)
    told = labels.encode(text=alt.Text("pictures:Q", format=","))
    bars = base.mark_bar(color=palette().orange)
    return layered(ROW_HEIGHT * len(frame) + 60, bars, told)


def read_alt(rows: Sequence[ReadCount]) -> str:
    """The most frequent ones."""
    sums = _by_class(rows)
    named = [f"{name} {count:,}" for name, count in list(sums.items())[:MOST_NAMED]]
    more = f" and {len(sums) - len(named)} classes more" if len(sums) > len(named) else ""
    return f"Bars of how many generated pictures were read as each class: {', '.join(named)}{more}."


def read_table(rows: Sequence[ReadCount]) -> pd.DataFrame:
    """A row for each class and version, most pictures first; as Markdown."""
    return pd.DataFrame(
        {
            "class": [plain(_name(row)) for row in rows],
            "read by": [plain(f"{row.model_name} version {row.version}") for row in rows],
            "pictures": [f"{row.pictures:,}" for row in rows],
            "of them unknown": [f"{row.unknown:,}" for row in rows],
            "mean confidence": [f"{row.mean_confidence:.1%}" for row in rows],
        }
    )


def _by_class(rows: Sequence[ReadCount]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[_name(row)] += row.pictures - row.unknown
    known = {name: count for name, count in sorted(sums.items()) if count}
    ranked = dict(sorted(known.items(), key=lambda item: -item[1]))
    unknown = sum(row.unknown for row in rows)
    return ranked | ({UNKNOWN: unknown} if unknown else {})


def _name(row: ReadCount) -> str:
    return OTHERS if row.class_name is None else readable(row.class_name)
