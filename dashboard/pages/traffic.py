"""Traffic: how much is asked, how fast it is answered, and what went wrong."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from dashboard.figures import Log, chosen_span, local_times, open_log, over_time
from dashboard.guard import problems_shown
from dashboard.log_state import show_log_state
from dashboard.theme import palette
from leafgate.settings import Settings
from sql import Span, analytics
from sql.analytics import Dimension, Member

DIMENSIONS: dict[str, Dimension] = {
    "endpoint": "endpoint",
    "user": "user",
    "source": "source",
    "model version": "version",
    "images in a request": "batch",
}
REFRESH_SECONDS = 10


def render(settings: Settings) -> None:
    """The page; the figures refresh by themselves."""
    st.title("Traffic")
    _figures(settings)


@st.fragment(run_every=REFRESH_SECONDS)
def _figures(settings: Settings) -> None:
    span = chosen_span()
    show_log_state(settings)
    with problems_shown(), open_log(settings) as log:
        _show(log, span)


def _show(log: Log, span: Span) -> None:
    total = analytics.summary(log, span)
    if not total.requests:
        st.info("No requests in this time. Diagnose a leaf, or choose a longer range.")
        return
    _totals(total)
    st.subheader("Requests over time")
    st.altair_chart(
        over_time(_volume(log, span), "requests", "outcome", palette().outcomes, stacked=True)
    )
    st.subheader("Latency over time")
    frame = _latency(log, span, _chosen_member(log, span))
    st.altair_chart(over_time(frame, "ms", "percentile", palette().percentiles, stacked=False))
    st.subheader("Who asks, and what")
    _members(log, span)
    st.subheader("Latest requests")
    st.dataframe(_latest(log), hide_index=True)


def _chosen_member(log: Log, span: Span) -> Member | None:
    """The endpoint whose latency is shown; None for all."""
    endpoint = st.selectbox("Endpoint", ["all", *analytics.endpoints(log, span)])
    return None if endpoint == "all" else Member("endpoint", endpoint)


def _members(log: Log, span: Span) -> None:
    """Traffic by one dimension, and how many members of it are not in the table."""
    label = st.selectbox("By", list(DIMENSIONS))
    found = analytics.traffic_by(log, span, DIMENSIONS[label])
    st.dataframe(members_table(found, label), hide_index=True)
    if found.left_out:
        st.caption(f"{found.left_out:,} others have fewer requests.")


def members_table(found: analytics.Members, label: str) -> pd.DataFrame:
    """A row for each member, in the order they come in."""
    return pd.DataFrame(
        {
            label: [row.name or "none" for row in found.rows],
            "requests": [row.requests for row in found.rows],
            "refused": [row.refused for row in found.rows],
            "failed": [row.failed for row in found.rows],
            "images": [row.images for row in found.rows],
            "median ms": [round(row.p50_ms) for row in found.rows],
            "p95 ms": [round(row.p95_ms) for row in found.rows],
            "p99 ms": [round(row.p99_ms) for row in found.rows],
        }
    )


def _totals(total: analytics.Summary) -> None:
    figures = {
        "Requests": f"{total.requests:,}",
        "Refused (4xx)": f"{total.refused:,}",
        "Failed (5xx)": f"{total.error_rate:.1%}",
        "Median": f"{total.p50_ms:.0f} ms",
        "95th percentile": f"{total.p95_ms:.0f} ms",
        "99th percentile": f"{total.p99_ms:.0f} ms",
    }
    for column, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value)


def _volume(log: Log, span: Span) -> pd.DataFrame:
    rows = analytics.volume(log, span)
    wide = pd.DataFrame([asdict(row) for row in rows])
    wide["at"] = local_times([row.at for row in rows])
    return wide.melt("at", var_name="outcome", value_name="requests")


def _latency(log: Log, span: Span, of: Member | None) -> pd.DataFrame:
    rows = analytics.latency(log, span, of)
    times = local_times([row.at for row in rows])
    wide = pd.DataFrame(
        {
            "at": times,
            "p50": [row.p50_ms for row in rows],
            "p95": [row.p95_ms for row in rows],
            "p99": [row.p99_ms for row in rows],
        }
    )
    return wide.melt("at", var_name="percentile", value_name="ms")


def _latest(log: Log) -> pd.DataFrame:
    rows = analytics.recent_requests(log, 50)
    frame = pd.DataFrame([asdict(row) for row in rows])
    return frame.rename(columns={"at": "time (UTC)", "latency_ms": "ms", "user_name": "user"})
