"""Diagnose: leaves in, the class of each out, with why, and whether it is right."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from dashboard.calls.diagnosing import Diagnosis, Problem
from dashboard.diagnoses import MOST_FILES, Kept, Result, Upload, ask
from dashboard.diagnosis_words import (
    answer_in_words,
    counted,
    named,
    problem_told,
    table,
)
from dashboard.feedback_form import feedback_form
from dashboard.leaf_shown import show_class, show_figures, show_picture
from dashboard.plain_text import plain
from dashboard.results_csv import as_csv
from dashboard.session import client
from leafgate.settings import Settings

KEPT, LEAF, SEEN = "diagnoses", "leaf", "leaves_seen"
UPLOAD, CAMERA = "Upload", "Camera"
# By these types a phone offers its camera and its gallery, and sends JPEG for HEIC.
TYPES = [f"image/{kind}" for kind in ("jpeg", "png", "webp", "bmp", "gif", "tiff")]
LISTED_PROBLEMS = 10
MANY, TALLEST = 12, 480  # rows that are all shown; else so many pixels of them


def render(settings: Settings) -> None:
    """The page."""
    st.title("Diagnose a leaf")
    files = _files()
    kept: Kept = st.session_state.setdefault(KEPT, Kept())
    if len(files) > MOST_FILES:
        st.warning(
            f"Of {len(files)} files the first {MOST_FILES} are diagnosed. Remove them to go on "
            "with the rest."
        )
    uploads = kept.uploads(files[:MOST_FILES])
    if not uploads:
        _nothing_yet()
        return
    _ask(settings, kept, uploads)
    _show(settings, kept, kept.results(uploads))


def _files() -> list[tuple[str, str, bytes]]:
    """What was chosen or photographed: upload id, name, content."""
    source = st.segmented_control(
        "Pictures from",
        (UPLOAD, CAMERA),
        default=UPLOAD,
        required=True,
        key="from",
        bind="query-params",
    )
    if source == CAMERA:
        photo = st.camera_input(
            "Photo of one leaf",
            key="photo",
            resolution="1080p",
            help="Browsers allow it on https and on this machine only.",
        )
        files = [] if photo is None else [photo]
    else:
        files = st.file_uploader(
            "Images of leaves (JPEG, PNG, WEBP, BMP, GIF or TIFF)",
            type=TYPES,
            accept_multiple_files=True,
            key="leaves",
            help="One image a leaf, as many as you like.",
        )
    return [(each.file_id, each.name, each.getvalue()) for each in files]


def _nothing_yet() -> None:
    st.info(
        "Choose one image or several, or take a photo, to see which class the model in production "
        "puts each leaf in.\n\n"
        "A good picture shows one leaf that fills the frame, sharp, in plain light."
    )


def _ask(settings: Settings, kept: Kept, uploads: Sequence[Upload]) -> None:
    """Have diagnosed what was not yet. Answers are kept before the bar moves: whatever is clicked
    meanwhile ends this run there.
    """
    missing = kept.missing(uploads)
    if not missing:
        return
    files = "the leaf" if len(missing) == 1 else f"{len(missing)} leaves"
    bar = st.progress(0.0, text=f"Diagnosing {files}…")
    for done in ask(client(settings), kept, missing, settings):
        bar.progress(done / len(missing), text=f"Diagnosed {done} of {len(missing)}")
    bar.empty()


def _show(settings: Settings, kept: Kept, results: Sequence[Result]) -> None:
    _show_problems(kept, results)
    diagnosed = [each for each in results if isinstance(each.answer, Diagnosis)]
    if len(results) > 1:
        _show_all(results)
    if diagnosed:
        _show_one(settings, kept, _chosen(diagnosed))
    if len(results) == 1:
        _offer_csv(results)


def _show_problems(kept: Kept, results: Sequence[Result]) -> None:
    """Files that are at fault each with its reason; what may pass once a reason, to be retried."""
    at_fault: list[str] = []
    may_pass: dict[str, list[Result]] = {}
    for result in results:
        if isinstance(result.answer, Problem):
            told = problem_told(result.answer)
            if result.answer.is_of_the_file:
                at_fault.append(f"{plain(result.name)}: {told}")
            else:
                may_pass.setdefault(told, []).append(result)
    if at_fault:
        more = len(at_fault) - LISTED_PROBLEMS
        rest = [f"{more} more, which the table names."] if more > 0 else []
        st.error("\n\n".join([*at_fault[:LISTED_PROBLEMS], *rest]))
    for told, refused in may_pass.items():
        st.error(f"No answer for {named(refused)}. {told}")
    if may_pass:
        st.button("Try again", on_click=kept.try_again, help="Asks for what got no answer only.")


def _show_all(results: Sequence[Result]) -> None:
    """The table of several, and what they come to."""
    st.header("All files")
    told = counted(results)
    st.write(plain(told))
    # Not a data frame: its own download would leave names that are formulas as they are.
    height: int | Literal["content"] = TALLEST if len(results) > MANY else "content"
    st.table(
        table(results),
        border="horizontal",
        hide_index=True,
        height=height,
        alt="Diagnoses. " + told,
    )
    _offer_csv(results)


def _offer_csv(results: Sequence[Result]) -> None:
    st.download_button(
        "Download results as CSV",
        as_csv(results),
        file_name="diagnoses.csv",
        mime="text/csv",
        on_click="ignore",
    )


def _chosen(diagnosed: Sequence[Result]) -> Result:
    """The leaf to look at: what came last, until another is chosen."""
    by_id = {each.upload.id: each for each in diagnosed}
    state = st.session_state
    new = [each for each in by_id if each not in state.get(SEEN, ())]
    state[SEEN] = frozenset(by_id)
    if new or state.get(LEAF) not in by_id:
        state[LEAF] = next(iter(new or by_id))
    if len(by_id) > 1:
        st.selectbox(
            "Leaf to look at", list(by_id), format_func=lambda each: _label(by_id[each]), key=LEAF
        )
    return by_id[state[LEAF]]


def _label(result: Result) -> str:
    if isinstance(result.answer, Problem):
        return f"{result.number}. {result.name}"
    return f"{result.number}. {result.name}: {answer_in_words(result.answer)}"


def _show_one(settings: Settings, kept: Kept, result: Result) -> None:
    if not isinstance(result.answer, Diagnosis):
        return
    show_class(result.answer)  # above both columns: a phone shows one below the other
    picture, answer = st.columns([2, 3], gap="large")
    with picture:
        show_picture(settings, result.upload, result.answer)
    with answer:
        show_figures(result.answer)
        feedback_form(settings, kept, result.answer)
