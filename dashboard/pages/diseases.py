"""Diseases: what the model answered of leaves, how surely, how rightly, and whether that moves."""

import altair as alt
import streamlit as st

from dashboard import disease_charts as charts
from dashboard.choosing import choose
from dashboard.disease_figures import (
    DiseaseFigures,
    frequency,
    frequency_table,
    over_time_table,
    read_figures,
)
from dashboard.drift_shown import show_drift
from dashboard.elements import show_chart
from dashboard.feedback_shown import show_feedback
from dashboard.figures import Log, open_log
from dashboard.guard import problems_shown
from dashboard.names import readable
from dashboard.time_range import chosen_range
from leafgate.settings import Settings
from sql import Span, analytics
from sql.analytics import ClassCount, Only, Viewer

ALL, NOBODY = "all", "(none)"
NO_VERSION = -1
EVERYBODY, ONE_USER, ONE_SOURCE = "everybody", "user", "source"


def render(settings: Settings) -> None:
    """The page."""
    st.title("Diseases")
    with problems_shown(), open_log(settings) as (log, viewer):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            span = chosen_range().span()
            only = _chosen(log, span, settings.classifier_name, viewer)
            analytics.require_visible(only, viewer)
            counts = frequency(log, span, only)
            class_name = _chosen_class(counts)
        only = Only(only.version, only.user, only.source, class_name)
        found = read_figures(log, span, only, counts)
        if found.counts:
            _answers(found)
        else:
            _nothing(only)
        with problems_shown():  # by itself: where it fails, the rest stays
            show_feedback(analytics.feedback_accuracy(log, span))
        show_drift(settings, log, span)  # last, since it needs the API too


def _chosen(log: Log, span: Span, classifier: str, viewer: Viewer) -> Only:
    """Whose diagnoses, and by which version."""
    seen = analytics.versions_seen(log, span)
    numbers = sorted({each.version for each in seen if each.model_name == classifier})
    version = _select("Model version", "by_version", [str(number) for number in numbers])
    whose = st.segmented_control(
        "Asked by",
        [EVERYBODY, ONE_USER, ONE_SOURCE],
        default=EVERYBODY,
        required=True,
        key="asked_by",
        bind="query-params",
    )
    number = None if version is None else version_number(version)
    if whose == ONE_USER:
        return Only(
            number, user=_member("User", "user", analytics.visible_users(log, span, viewer))
        )
    if whose == ONE_SOURCE:
        return Only(
            number, source=_member("Source", "source", analytics.visible_sources(log, span, viewer))
        )
    return Only(number)


def version_number(text: str) -> int:
    """A version as it was chosen; that of none, for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else NO_VERSION


def _member(label: str, key: str, names: tuple[str, ...]) -> str | None:
    found = _select(label, key, [*names, NOBODY])
    return "" if found == NOBODY else found


def _chosen_class(counts: tuple[ClassCount, ...]) -> str | None:
    names = {readable(each.class_name): each.class_name for each in counts}
    found = _select("Class", "disease", sorted(names))
    return None if found is None else names.get(found, found)  # a link may have it as the log does


def _select(label: str, key: str, options: list[str]) -> str | None:
    """One of them; None for all."""
    found = choose(label, key, [ALL, *options])
    return None if found == ALL else found


def _nothing(only: Only) -> None:
    if only == Only():
        st.info(
            "No leaf was diagnosed in this time. Diagnose one on the Diagnose page, or choose a "
            "longer range.",
            icon=":material/info:",
        )
    else:
        st.info(
            "No leaf of that choice was diagnosed in this time. Set the choices above to "
            "everybody and all, or choose a longer range.",
            icon=":material/info:",
        )


def _answers(found: DiseaseFigures) -> None:
    st.caption("What the model answered; not what was confirmed.")
    with st.container(horizontal=True):
        st.metric("Leaves", f"{found.leaves:,}", width=150)
        st.metric("Told as unknown", f"{found.unknown / found.leaves:.1%}", width=170)
        st.metric("Mean confidence", f"{found.confidences.mean:.1%}", width=170)
        st.metric("Classes answered", f"{len(found.counts):,}", width=170)
    _chart("Frequency", charts.frequency_chart(found), charts.frequency_alt(found))
    with st.expander("Frequency as a table"):
        st.table(frequency_table(found), hide_index=True, alt="Answers of each class")
    _chart("Over time", charts.over_time_chart(found), charts.over_time_alt(found))
    _chart("Unknown over time", charts.unknown_chart(found), charts.unknown_alt(found))
    with st.expander("Figures over time as a table"):
        st.table(over_time_table(found), hide_index=True, alt="Leaves over time by class")
    _chart("Confidence", charts.confidence_chart(found), charts.confidence_alt(found))


def _chart(heading: str, chart: alt.LayerChart, told: str) -> None:
    st.header(heading)
    show_chart(chart, told)
