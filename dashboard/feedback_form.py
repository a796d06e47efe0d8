"""Saying what a leaf really shows: right answers too, or the accuracy would count errors alone."""

from functools import partial

import streamlit as st

from dashboard.calls.diagnosing import Diagnosis, classes_in_production, send_feedback
from dashboard.diagnoses import Kept, Sent
from dashboard.diagnosis_words import correction_told
from dashboard.guard import problems_shown
from dashboard.names import readable
from dashboard.session import client, may, remembered
from leafgate.class_names import class_name
from leafgate.settings import Settings

LONGEST_CLASS = 200  # characters of a class that the API takes
CLASSES_SECONDS = 60.0  # another version may come into production
OTHER = ""  # no class has this name


def feedback_form(settings: Settings, kept: Kept, diagnosis: Diagnosis) -> None:
    """The form, and what became of what was sent with it."""
    st.header("Is this right?")
    if not may("feedback"):
        st.caption(
            "Corrections are not for you to send: your user lacks the scope `feedback`, which "
            "whoever runs LeafGate can give."
        )
        return
    with problems_shown():
        said = _said(settings, diagnosis)
        if said is not None:
            became = send_feedback(client(settings), diagnosis.request_id, said)
            kept.correct(diagnosis.request_id, Sent(said, became))
            st.rerun()  # the table above tells of it, too
    sent = kept.corrections.get(diagnosis.request_id)
    if sent is not None:
        show = st.success if sent.became.known else st.warning
        show(correction_told(sent))


def _said(settings: Settings, diagnosis: Diagnosis) -> str | None:
    """The class that somebody just said the image shows."""
    own = diagnosis.request_id
    choice = st.selectbox(
        "What it really shows",
        (*_classes(settings, diagnosis), OTHER),
        index=None,
        format_func=lambda name: readable(name) if name != OTHER else "another class…",
        placeholder="Choose a class",
        key=f"truth-{own}",
    )
    if choice == OTHER:
        choice = st.text_input("Name of the class", max_chars=LONGEST_CLASS, key=f"named-{own}")
    with st.container(horizontal=True):
        wrong = st.button(
            "Send correction",
            key=f"wrong-{own}",
            help="It is held against the answer; of several for one image the newest counts.",
        )
        # Of "I don't know" there is nothing to confirm.
        right = not diagnosis.unknown and st.button(
            "It is right",
            key=f"right-{own}",
            help="Confirmations count as corrections do: with errors alone, the accuracy on the "
            "Diseases page would be too low.",
        )
    if right:
        return diagnosis.class_name
    if wrong and not class_name(choice or ""):
        st.warning("Choose or name what it really shows first.")
        return None
    return class_name(choice) if wrong else None


def _classes(settings: Settings, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Those of the model in production, or, where none is, those of the answer."""
    ask = partial(classes_in_production, client(settings), diagnosis.model)
    known = remembered(f"classes of {diagnosis.model}", CLASSES_SECONDS, ask)
    return known or tuple(name for name, _ in diagnosis.top)
