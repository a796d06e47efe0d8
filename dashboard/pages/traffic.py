"""Traffic: how much is asked, how fast it is answered, and what went wrong."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from dashboard.figures import REFRESH_SECONDS, chosen_span, local_times, open_log, over_time
from dashboard.theme import BLUE, ORANGE, OUTCOMES, RED
from leafgate.settings import Settings
from sql import Span, analytics

PERCENTILES = {"p50": BLUE, "p95": ORANGE, "p99": RED}


def render(settings: Settings) -> None:
    """The page; the figures refresh by themselves."""
    st.title("Traffic")
    _figures(settings)


@st.fragment(run_every=REFRESH_SECONDS)
def _figures(settings: Settings) -> None:
    span, log = chosen_span(), open_log(settings)
    total = analytics.summary(log, span)
    if not total.requests:
        st.info("No requests in this time. Diagnose a leaf, or choose a longer range.")
        return
    _totals(total)
    st.subheader("Requests over time")
    st.altair_chart(over_time(_volume(log, span), "requests", "outcome", OUTCOMES, stacked=True))
    st.subheader("Latency over time")
    endpoint = st.selectbox("Endpoint", ["all", *analytics.endpoints(log, span)])
    frame = _latency(log, span, None if endpoint == "all" else endpoint)
    st.altair_chart(over_time(frame, "ms", "percentile", PERCENTILES, stacked=False))
    st.subheader("Latest requests")
    st.dataframe(_latest(log), hide_index=True)


def _totals(total: analytics.Summary) -> None:
    figures = {
        "Requests": f"{total.requests:,}",
        "Refused (4xx)": f"{total.refused:,}",
        "Failed (5xx)": f"{total.error_rate:.1%}",
        "Median": f"{total.p50_ms:.0f} ms",
        "95th percentile": f"{total.p95_ms:.0f} ms",
    }
    for column, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value)


def _volume(log: object, span: Span) -> pd.DataFrame:
    rows = analytics.volume(log, span)  # type: ignore[arg-type] # an engine, known to sql alone
    wide = pd.DataFrame([asdict(row) for row in rows])
    wide["at"] = local_times([row.at for row in rows])
    return wide.melt("at", var_name="outcome", value_name="requests")


def _latency(log: object, span: Span, endpoint: str | None) -> pd.DataFrame:
    rows = analytics.latency(log, span, endpoint)  # type: ignore[arg-type]
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


def _latest(log: object) -> pd.DataFrame:
    rows = analytics.recent_requests(log, 50)  # type: ignore[arg-type]
    frame = pd.DataFrame([asdict(row) for row in rows])
    return frame.rename(columns={"at": "time (UTC)", "latency_ms": "ms", "user_name": "user"})
