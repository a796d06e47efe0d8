"""Diagnose: one leaf in, its class, confidence and latency out."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.diagnosing import Diagnosis, predict
from dashboard.guard import problems_shown
from dashboard.names import readable
from dashboard.session import client
from dashboard.theme import palette
from leafgate.errors import ImageError
from leafgate.images import ImageLimits, decode, resize
from leafgate.settings import Settings

PREVIEW = 384


def render(settings: Settings) -> None:
    """The page."""
    st.title("Diagnose a leaf")
    upload = st.file_uploader("Image of one leaf (JPEG, PNG, WEBP, BMP, GIF or TIFF)", key="leaf")
    if upload is None:
        st.info("Choose an image to see which class the model in production puts it in.")
        return
    data = upload.getvalue()
    with problems_shown():
        diagnosis = predict(client(settings), upload.name, data)
        picture, answer = st.columns([1, 2], gap="large")
        with picture:
            _show_picture(data, settings)
        with answer:
            _show(diagnosis)


def _show_picture(data: bytes, settings: Settings) -> None:
    limits = ImageLimits(settings.max_upload_bytes, settings.max_pixels)
    try:
        st.image(resize(decode(data, limits), PREVIEW), caption="as the model sees it: squared")
    except ImageError as error:
        st.warning(str(error))


def _show(diagnosis: Diagnosis) -> None:
    if diagnosis.unknown:
        st.warning(
            "This picture is unlike every training image: it may be no leaf at all, or one of a "
            "kind that the model has not seen. Do not rely on the class below."
        )
    st.subheader(readable(diagnosis.class_name))
    left, middle, right = st.columns(3)
    left.metric("Confidence", f"{diagnosis.confidence:.1%}")
    middle.metric("Latency", f"{diagnosis.latency_ms:.0f} ms")
    right.metric("Model", diagnosis.model.rsplit(" ", 1)[-1], help=diagnosis.model)
    st.altair_chart(confidence_bars(diagnosis), width="stretch")
    st.caption(f"{diagnosis.model}, request {diagnosis.request_id}")
    st.caption(
        "Confidence is calibrated on pictures like those the model learnt from; on others it "
        "promises too much."
    )


def confidence_bars(diagnosis: Diagnosis) -> alt.Chart:
    """The five most probable classes."""
    names, values = zip(*diagnosis.top, strict=True)
    frame = pd.DataFrame({"class": [readable(name) for name in names], "confidence": values})
    base = alt.Chart(frame).encode(
        x=alt.X("confidence:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        y=alt.Y("class:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
        tooltip=["class:N", alt.Tooltip("confidence:Q", format=".2%")],
    )
    labels = base.mark_text(align="left", dx=4).encode(text=alt.Text("confidence:Q", format=".1%"))
    return (base.mark_bar(color=palette().blue) + labels).properties(height=40 * len(names) + 40)
