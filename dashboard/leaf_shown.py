"""One leaf and its answer: the class first, then picture and heat map beside the figures."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.diagnosing import Diagnosis, HeatMap, explain
from dashboard.diagnoses import Upload
from dashboard.diagnosis_words import bars_in_words, caution, heading, latency
from dashboard.elements import show_chart
from dashboard.file_names import LONGEST_SENT, cleaned
from dashboard.guard import problems_shown
from dashboard.heat_maps import ShownPictures, blended
from dashboard.names import readable
from dashboard.plain_text import plain
from dashboard.session import client
from dashboard.theme import palette
from leafgate.images import ImageLimits, Pixels, decode
from leafgate.settings import Settings

PICTURES = "shown_pictures"


@st.fragment
def show_picture(settings: Settings, upload: Upload, diagnosis: Diagnosis) -> None:
    """The picture, with a heat map where one is wished for. Moving the slider draws this alone."""
    with problems_shown():
        pictures = st.session_state.setdefault(PICTURES, ShownPictures())
        most = settings.max_reduced_pixels  # the API has taken it, perhaps reduced further
        limits = ImageLimits(settings.max_upload_bytes, most, settings.max_frames)
        leaf = pictures.decoded(upload.digest, upload.data, limits)
        name = cleaned(upload.name)
        place, shown, told = st.container(), leaf, name
        with problems_shown():
            over = _with_heat(settings, pictures, upload, diagnosis, leaf)
            if over is not None:
                shown, explained = over
                told = f"{name} with a heat map of what spoke for {readable(explained)}"
        place.image(shown, caption=plain(name), alt=told, width="stretch")


def _with_heat(
    settings: Settings, pictures: ShownPictures, upload: Upload, diagnosis: Diagnosis, leaf: Pixels
) -> tuple[Pixels, str] | None:
    """The picture with its heat map, and the class it speaks for; None: it is not wished for."""
    wished = st.toggle(
        "Show where the network looked",
        key="heat",
        help="Grad-CAM: warm colours lie where the network saw reason for the class. Each class "
        "of each leaf is asked for once; it is a request of its own, which the log has too.",
    )
    if not wished:
        return None
    class_name = st.selectbox(
        "Explain class",
        [name for name, _ in diagnosis.top],
        format_func=readable,
        key=f"explain-{diagnosis.request_id}",
        help="What spoke for this class, also where it is not the most probable one.",
    )
    heat_map = _heat_map(settings, pictures, upload, class_name)
    strength = st.slider(
        "Strength of the heat map", 0, 100, 100, step=5, format="%d %%", key="strength"
    )
    return blended(leaf, decode(heat_map.overlay_png), strength / 100), heat_map.explained


def _heat_map(
    settings: Settings, pictures: ShownPictures, upload: Upload, class_name: str
) -> HeatMap:
    kept = pictures.heat.get((upload.digest, class_name))
    if kept is None:
        with st.spinner("Looking where the network looked…"):
            name = cleaned(upload.name, LONGEST_SENT)
            kept = explain(client(settings), name, upload.data, class_name)
        pictures.keep(upload.digest, class_name, kept)
    return kept


def show_class(diagnosis: Diagnosis) -> None:
    """The answer in a word, and what to be careful of."""
    st.header(heading(diagnosis))
    if warning := caution(diagnosis):
        st.warning(warning)


def show_figures(diagnosis: Diagnosis) -> None:
    """How sure the model is of the class and of others, and what answered."""
    with st.container(horizontal=True):
        if diagnosis.unknown:  # how probable it is among classes that it may not be of means little
            st.metric("Nearest class", plain(readable(diagnosis.class_name)), width="content")
        else:
            st.metric("Confidence", f"{diagnosis.confidence:.1%}", width="content")
        st.metric(
            "Latency",
            latency(diagnosis),
            help="The service's time for the request, with however many images it brought.",
            width="content",
        )
        st.metric("Model version", diagnosis.version, help=diagnosis.by, width="content")
    show_chart(confidence_bars(diagnosis), bars_in_words(diagnosis))
    st.caption(
        "Confidence is calibrated on pictures like those the model learnt from; on others it "
        "promises too much."
    )
    st.caption(
        f"Engine {diagnosis.engine}, {diagnosis.by}, request (name it when you ask about this "
        "answer):"
    )
    st.code(diagnosis.request_id, language=None)


def confidence_bars(diagnosis: Diagnosis) -> alt.Chart:
    """The five most probable classes."""
    names, values = zip(*diagnosis.top, strict=True)
    frame = pd.DataFrame({"class": [readable(name) for name in names], "confidence": values})
    base = alt.Chart(frame).encode(
        x=alt.X("confidence:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        y=alt.Y("class:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
        tooltip=["class:N", alt.Tooltip("confidence:Q", format=".2%")],
    )
    labels = base.mark_text(align="left", dx=4, color=palette().text)
    told = labels.encode(text=alt.Text("confidence:Q", format=".1%"))
    return (base.mark_bar(color=palette().blue) + told).properties(height=40 * len(names) + 40)
