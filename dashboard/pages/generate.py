"""Generate: synthetic pictures by number and seed, to look at and to take home as ZIP."""

import io
import json
import zipfile
from dataclasses import dataclass

import streamlit as st

from dashboard.calls.generating import classes_to_generate, generate
from dashboard.guard import problems_shown
from dashboard.names import readable
from dashboard.session import client
from leafgate.settings import Settings
from registry import MAX_SEED

COLUMNS = 8
KEY = "generated"
ALL = "All, in turn"


@dataclass(frozen=True)
class Archive:
    """What came back: the ZIP itself, its pictures, and where they come from.

    classes: one a picture; None where it is not known.
    """

    data: bytes
    pictures: tuple[bytes, ...]
    classes: tuple[str | None, ...]
    model: str
    seed: str


def render(settings: Settings) -> None:
    """The page."""
    st.title("Generate synthetic leaves")
    classes: tuple[str, ...] = ()
    with problems_shown():
        classes = classes_to_generate(client(settings))
    with st.form("generate"):
        left, right = st.columns(2)
        n = left.number_input("Number of images", 1, settings.max_generate, 16)
        seed = right.number_input("Seed (the same seed gives the same pictures)", 0, MAX_SEED, 7)
        class_name = _class_choice(classes)
        asked = st.form_submit_button("Generate", type="primary")
    if asked:
        st.session_state.pop(KEY, None)
        with problems_shown():
            data = generate(client(settings), int(n), int(seed), class_name)
            st.session_state[KEY] = read_archive(data)
    archive: Archive | None = st.session_state.get(KEY)
    if archive is None:
        st.info("Choose a number and a seed. The pictures are synthetic, and say so in their file.")
        return
    _show(archive)


def _class_choice(classes: tuple[str, ...]) -> str | None:
    """A box to choose one in; None stands for all, and for a generator that knows no classes."""
    if not classes:
        return None
    return st.selectbox(
        "Class", (None, *classes), format_func=lambda name: readable(name) if name else ALL
    )


def _show(archive: Archive) -> None:
    st.caption(f"{len(archive.pictures)} SYNTHETIC images by {archive.model}, seed {archive.seed}")
    st.download_button(
        "Download as ZIP",
        archive.data,
        file_name=f"synthetic_{archive.seed}.zip",
        mime="application/zip",
    )
    found = list(zip(archive.pictures, archive.classes, strict=True))
    for start in range(0, len(found), COLUMNS):
        row = found[start : start + COLUMNS]
        for column, (picture, name) in zip(st.columns(COLUMNS), row, strict=False):
            column.image(picture, caption=readable(name) if name else None, width="stretch")


def read_archive(data: bytes) -> Archive:
    """Take apart the API's ZIP."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        about = json.loads(archive.read("manifest.json"))
        pictures = tuple(archive.read(name) for name in about["files"])
    classes = tuple(about["classes"])
    model = f"{about['model']} version {about['version']}"
    return Archive(data, pictures, classes, model, about["seed"])
