"""The confusion matrix: which classes were taken for which, worst first."""

from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.model_versions import Confusion
from dashboard.elements import show_chart, show_data_frame
from dashboard.names import readable
from dashboard.plain_text import plain
from dashboard.theme import is_dark, palette

ROW, AROUND = 25, 190  # pixels: of a class, and of the axis below
LISTED, SPOKEN = 10, 3
DARK_FROM = 0.55  # of a row's share, from which white text is read better


@dataclass(frozen=True)
class Mistake:
    """Images of the class `true` that were told to be `told`. share: of all of that class."""

    true: str
    told: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """Of the class."""
        return self.count / self.of

    def __str__(self) -> str:
        return f"{self.true} taken for {self.told} ({self.count} of {self.of})"


def mistakes(confusion: Confusion) -> tuple[Mistake, ...]:
    """All, the most frequent first; of equal ones that of the rarer class."""
    names = [readable(label) for label in confusion.labels]
    found = [
        Mistake(names[true], names[told], count, sum(row))
        for true, row in enumerate(confusion.rows)
        for told, count in enumerate(row)
        if true != told and count
    ]
    return tuple(sorted(found, key=lambda each: (-each.count, -each.share, each.true, each.told)))


def words(confusion: Confusion) -> str:
    """The matrix as a sentence."""
    images = sum(map(sum, confusion.rows))
    right = sum(row[place] for place, row in enumerate(confusion.rows))
    share = f" ({right / images:.0%})" if images else ""
    worst = mistakes(confusion)[:SPOKEN]
    most = f"Most frequent mistakes: {'; '.join(map(str, worst))}." if worst else "No mistakes."
    return (
        f"Confusion matrix of {images:,} {confusion.side} images and {len(confusion.labels)} "
        f"classes: {right:,}{share} are on the diagonal, told rightly. {most}"
    )


def show_confusion(confusion: Confusion | None) -> None:
    """As a heat map, the worst mistakes, and all counts."""
    if confusion is None or not confusion.labels:
        st.caption("The training run of this version stored no confusion matrix.")
        return
    show_chart(heat_map(confusion), words(confusion))
    st.caption(
        "Rows: what the images are. Columns: what the version told. Shades: share of the row, "
        "so that rare classes count as much as others; figures: images."
    )
    worst = mistakes(confusion)
    if worst:
        st.markdown(f"**The most frequent mistakes on the {plain(confusion.side)} side**")
        st.table(mistakes_table(worst[:LISTED]), hide_index=True, alt="The most frequent mistakes")
    with st.expander("All counts as a table"):
        show_data_frame(counts_table(confusion), alt="Counts of the confusion matrix")


def mistakes_table(worst: tuple[Mistake, ...]) -> pd.DataFrame:
    """A row a mistake; the cells are Markdown."""
    return pd.DataFrame(
        {
            "Class": [plain(each.true) for each in worst],
            "Told to be": [plain(each.told) for each in worst],
            "Images": [f"{each.count} of {each.of}" for each in worst],
            "Share of the class": [f"{each.share:.0%}" for each in worst],
        }
    )


def counts_table(confusion: Confusion) -> pd.DataFrame:
    """Rows true, columns told; names that become the same as people read them stay apart."""
    names = distinct(confusion.labels)
    return pd.DataFrame(list(confusion.rows), index=names, columns=names)


def distinct(labels: tuple[str, ...]) -> list[str]:
    """Readable names, the stored one where two would read the same."""
    names = [readable(label) for label in labels]
    return [
        name if names.count(name) == 1 else label for name, label in zip(names, labels, strict=True)
    ]


def cells(confusion: Confusion) -> pd.DataFrame:
    """true, told, images, share (of the row), text: a row a cell; no text for none."""
    names = distinct(confusion.labels)
    rows = [
        (names[true], names[told], count, count / max(sum(row), 1), str(count) if count else "")
        for true, row in enumerate(confusion.rows)
        for told, count in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["true", "told", "images", "share", "text"])


def heat_map(confusion: Confusion) -> alt.LayerChart | alt.FacetChart:
    """Cells shrink with the page, and so do their figures; too small ones lose them."""
    order, colours = distinct(confusion.labels), palette()
    dark = is_dark()
    cell = f"(width / {len(order)})"
    side = alt.Axis(
        labelLimit=alt.ExprRef("max(70, width / 3)"), labelOverlap=False, title="images of"
    )
    foot = alt.Axis(labelLimit=150, labelOverlap=False, labelAngle=-90, title="told to be")
    base = alt.Chart(cells(confusion)).encode(
        x=alt.X("told:N", sort=order, axis=foot),
        y=alt.Y("true:N", sort=order, axis=side),
        tooltip=["true:N", "told:N", "images:Q", alt.Tooltip("share:Q", format=".0%")],
    )
    ground = ["#1d2126", colours.sky] if dark else ["#f2f4f7", colours.blue]
    shades = base.mark_rect().encode(
        color=alt.Color(
            "share:Q", scale=alt.Scale(domain=[0, 1], range=ground, type="sqrt"), legend=None
        )
    )
    written = base.mark_text(
        fontSize=alt.ExprRef(f"clamp({cell} / 1.9, 6, 13)"),
        opacity=alt.ExprRef(f"{cell} < 11 ? 0 : 1"),
    ).encode(
        text="text:N",
        color=alt.condition(
            f"datum.share > {DARK_FROM if not dark else 0.3}",
            alt.value("#ffffff" if not dark else "#10141a"),
            alt.value(colours.text),
        ),
    )
    return alt.layer(shades, written).properties(height=ROW * len(order) + AROUND)
