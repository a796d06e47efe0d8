"""What pages of figures share: the database, the time range in the URL, and charts over time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.theme import CHART_HEIGHT
from leafgate.settings import Settings
from sql import Span, answering, migrate, open_database

RANGES = {
    "15 minutes": (timedelta(minutes=15), timedelta(minutes=1)),
    "1 hour": (timedelta(hours=1), timedelta(minutes=2)),
    "24 hours": (timedelta(hours=24), timedelta(hours=1)),
    "7 days": (timedelta(days=7), timedelta(hours=4)),
    "30 days": (timedelta(days=30), timedelta(days=1)),
    "90 days": (timedelta(days=90), timedelta(days=7)),
}
DEFAULT_RANGE = "1 hour"
Log = Any  # a SQLAlchemy engine, which is known to sql alone


@st.cache_resource(show_spinner=False)
def database(url: str) -> Log:
    """One engine for all sessions, on the current schema."""
    engine = open_database(url)
    migrate(engine)
    return engine


@contextmanager
def open_log(settings: Settings) -> Iterator[Log]:
    """The configured request log, for `sql.analytics`. Raises UserError where it is away."""
    log = database(settings.database)
    with answering(log):
        yield log


def chosen_span() -> Span:
    """The time range picked on the page; it stands in the URL, so that a link shows the same."""
    name = st.segmented_control(
        "Time range",
        list(RANGES),
        default=DEFAULT_RANGE,
        required=True,
        key="range",
        bind="query-params",
    )
    return span_of(name or DEFAULT_RANGE)


def span_of(name: str) -> Span:
    """The range up to now, cut into its buckets, which begin at full minutes, hours or days."""
    length, bucket = RANGES[name]
    return Span.up_to(datetime.now(UTC) + timedelta(seconds=1), length, bucket)


def local_times(moments: Sequence[datetime]) -> list[pd.Timestamp]:
    """For charts: without a zone, in UTC, as the axis says."""
    return [pd.Timestamp(moment).tz_convert("UTC").tz_localize(None) for moment in moments]


def over_time(
    frame: pd.DataFrame, value: str, series: str, colours: dict[str, str], stacked: bool
) -> alt.Chart:
    """`frame` (columns: at, series, value) as stacked bars or lines over time."""
    colour = alt.Color(
        f"{series}:N",
        title=None,
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(orient="top"),
    )
    chart = alt.Chart(frame).encode(
        x=alt.X("at:T", title="time (UTC)"),
        y=alt.Y(f"{value}:Q", title=value, stack=stacked),
        color=colour,
        tooltip=["at:T", f"{series}:N", f"{value}:Q"],
    )
    marked = chart.mark_bar() if stacked else chart.mark_line(point=True)
    return marked.properties(height=CHART_HEIGHT)
