"""Generated pictures on a page: a grid, the way between two seeds, and what they were read as."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.elements import show_chart
from dashboard.generated import (
    AGREES,
    DIFFERS,
    STRANGE,
    Archive,
    ClassCount,
    agreement,
    agreement_told,
    class_counts,
    course_told,
    percent,
)
from dashboard.guard import problems_shown
from dashboard.theme import palette

A_PAGE = 48  # pictures
SIDE, SIDE_IN_STRIP, SIDE_OF_ONE = 128, 64, 256  # of a picture, in pixels
BAR, LABEL_PIXELS = 18, 200  # the height of a bar, the width of a class's name
MOST_TOLD = 12  # classes in the words beside a chart
ASKED, READ = "asked for", "read by the classifier"
HELP = {"Latency": "The service's time for the whole request, without the way here."}
LEGEND = (
    f"{AGREES} read as asked, {DIFFERS} read as another class, {STRANGE} unlike every image that "
    "the classifier learnt from"
)


def show_archive(archive: Archive) -> None:
    """All of it."""
    _show_figures(archive)
    if archive.to_seed is None:
        _show_series(archive)
    else:
        _show_way(archive)
    _show_readings(archive)


def _show_figures(archive: Archive) -> None:
    number, seeds = f"{len(archive.pictures):,}", "seed" if archive.to_seed is None else "seeds"
    st.markdown(
        f"**{number} SYNTHETIC images** by {archive.model} version {archive.version}, "
        f"{seeds} {archive.seeds}"
    )
    found = agreement(archive.pictures)
    figures = {
        "Images": number,
        "Generator version": archive.version,
        "Seed": archive.seed,
        "Second seed": archive.to_seed,
        "Classifier version": archive.reader and archive.reader[1],
        "Read as asked": found and percent(found.value),
        "Latency": latency_told(archive.latency_ms),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, value in figures.items():
            if value is not None:
                st.metric(label, value, help=HELP.get(label), width="content")
    st.download_button(
        "Download as ZIP",
        archive.data,
        file_name=archive.file_name,
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        help="The pictures in class folders, and manifest.json: where each comes from, and what it "
        "was read as. Every file says of itself that it is synthetic.",
    )


def latency_told(milliseconds: float | None) -> str | None:
    """As people read it; None where it is not known."""
    if milliseconds is None:
        return None
    if milliseconds < 10_000:
        return f"{milliseconds:,.0f} ms"
    return f"{milliseconds / 1000:,.1f} s"


@st.fragment
def _show_series(archive: Archive) -> None:
    with problems_shown():
        st.header("Pictures")
        shown = archive.pictures
        if any(each.is_read_otherwise for each in shown) and st.toggle(
            "Only those that are read otherwise", key=f"otherwise-{archive.request_id}"
        ):
            shown = tuple(each for each in shown if each.is_read_otherwise)
        pages, page = -(-len(shown) // A_PAGE), 1
        if pages > 1:
            page = st.pagination(pages, key=f"page-{archive.request_id}-{pages}")
        on_page = shown[(page - 1) * A_PAGE : page * A_PAGE]
        with st.container(horizontal=True, vertical_alignment="top"):
            for picture, png in zip(on_page, archive.pngs(on_page), strict=True):
                st.image(png, caption=picture.caption, alt=picture.alt, width=SIDE)
        told = [f"Pictures {on_page[0].number:,} to {on_page[-1].number:,}."] if pages > 1 else []
        st.caption(" ".join([*told, *([f"{LEGEND}."] if archive.reader else [])]))


@st.fragment
def _show_way(archive: Archive) -> None:
    with problems_shown():
        st.header("The way between the seeds")
        steps = len(archive.pictures)
        step = st.slider("Step", 1, steps, 1, key=f"step-{archive.request_id}")
        one = archive.pictures[step - 1]
        share = (step - 1) / (steps - 1)
        st.image(
            archive.pngs([one])[0],
            caption=f"Step {step} of {steps}, {percent(share)} of the way: {one.caption}",
            alt=one.alt,
            width=SIDE_OF_ONE,
        )
        with st.container(horizontal=True, gap="xsmall"):
            for each, png in zip(archive.pictures, archive.pngs(archive.pictures), strict=True):
                below = f"{each.number} {each.mark}".strip()
                st.image(png, caption=below, alt=each.alt, width=SIDE_IN_STRIP)
        st.caption(
            f"From picture 0 of seed {archive.seed} to picture 0 of seed {archive.to_seed}, along "
            f"the arc between what they are drawn from. {course_told(archive.pictures)}"
        )


def _show_readings(archive: Archive) -> None:
    counts = class_counts(archive.pictures)
    if not counts:
        return
    st.header("Classes of these pictures")
    told = agreement_told(archive)
    st.write(told or "Nobody read these pictures: the classes are those that were asked for.")
    show_chart(class_bars(counts), counts_told(counts))


def class_bars(counts: list[ClassCount]) -> alt.Chart:
    """Pictures of each class, asked for above read."""
    rows = [(count.name, ASKED, count.asked) for count in counts if count.asked]
    rows += [(count.name, READ, count.read) for count in counts if count.read is not None]
    colours = {ASKED: palette().blue, READ: palette().orange}
    frame = pd.DataFrame(rows, columns=["class", "kind", "pictures"])
    kinds = [kind for kind in colours if kind in set(frame["kind"])]
    base = alt.Chart(frame).encode(
        x=alt.X("pictures:Q", axis=alt.Axis(tickMinStep=1, tickCount=6)),
        y=alt.Y(
            "class:N",
            sort=[count.name for count in counts],
            title=None,
            axis=alt.Axis(labelLimit=LABEL_PIXELS),
        ),
        yOffset=alt.YOffset("kind:N", sort=kinds),
        tooltip=["class:N", "kind:N", "pictures:Q"],
    )
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
        legend=alt.Legend(orient="top", labelLimit=0),
    )
    labels = base.mark_text(align="left", dx=4, color=palette().text).encode(text="pictures:Q")
    height = BAR * (len(kinds) + 1) * len(counts) + 80
    return (base.mark_bar().encode(color=colour) + labels).properties(height=height)


def counts_told(counts: list[ClassCount]) -> str:
    """The chart in words."""
    each = [
        f"{count.name} {count.asked:,} asked for"
        + ("" if count.read is None else f" and {count.read:,} read")
        for count in counts[:MOST_TOLD]
    ]
    more = f"; and {len(counts) - MOST_TOLD} classes more" if len(counts) > MOST_TOLD else ""
    return f"Bar chart of pictures by class: {'; '.join(each)}{more}."
