"""Study: whether generated pictures helped a classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.calls.model_versions import Study, studies
from dashboard.elements import show_chart
from dashboard.forest import forest_plot, table, verdict, words
from dashboard.plain_text import plain
from dashboard.session import client
from leafgate.settings import Settings

SHOWN = {"helps": st.success, "harms": st.error, "not shown": st.info, "unknown": st.info}
SIGNS = {"helps": "✓", "harms": "✗", "not shown": "○", "unknown": "○"}


def render(settings: Settings) -> None:
    """The page."""
    st.title("Study")
    st.caption("Do generated pictures make a classifier better? What an experiment found.")
    found = studies(client(settings), settings.generator_name)
    if not found:
        _explain(settings)
        return
    _show(settings, _chosen(found))


def _explain(settings: Settings) -> None:
    st.info(
        f"No study is stored yet with a version of {plain(settings.generator_name)}. A study "
        "trains classifiers with and without generated pictures, with several seeds each, and "
        "compares them on the same test images. Its result is read from the artifact "
        "`study/gain.json` of the generator's training run: `value`, `low` and `high` of the gain "
        "in macro F1, and, where it has them, the same of its `arms`. The gate's check "
        "`augmentation_gain` reads it, too."
    )


def _chosen(found: Sequence[Study]) -> Study:
    """One of several versions; it stands in the URL."""
    numbers = [study.version for study in found]
    if len(found) == 1:
        return found[0]
    number = st.selectbox("Version of the generator", numbers, key="study", bind="query-params")
    return next(study for study in found if study.version == number)


def _show(settings: Settings, study: Study) -> None:
    kind, sentence = verdict(study)
    SHOWN[kind](f"{SIGNS[kind]} {sentence}")
    st.caption(f"With pictures of {plain(settings.generator_name)} version {study.version}.")
    st.header("Gain, arm by arm")
    show_chart(forest_plot(study), words(study))
    st.caption(
        "Lines are 95 % intervals. The dashed line is no gain: right of it pictures help, left of "
        "it they harm. The diamond is all together."
    )
    st.table(table(study), hide_index=True, alt="Gains of the study, with their intervals")
    if study.about:
        st.header("What was compared")
        st.table(about_table(study.about), hide_index=True, alt="What the study compared")


def about_table(about: Mapping[str, Any]) -> pd.DataFrame:
    """A row a fact, as the study stored it; the cells are Markdown."""
    rows = [(plain(key.replace("_", " ")), plain(_told(value))) for key, value in about.items()]
    return pd.DataFrame(rows, columns=["Fact", "Value"])


def _told(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_told(item)}" for key, item in value.items())
    return str(value)
