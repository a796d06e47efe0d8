"""Traffic: how much is asked, how fast it is answered, and what went wrong."""

from collections.abc import Callable
from datetime import UTC, datetime

import altair as alt
import streamlit as st

from dashboard import traffic_charts as charts
from dashboard.choosing import choose
from dashboard.elements import show_chart, show_data_frame
from dashboard.figures import Log, open_log
from dashboard.guard import problems_shown
from dashboard.log_state import show_waiting
from dashboard.plain_text import plain
from dashboard.single_requests import single_requests
from dashboard.size_chart import size_alt, size_chart
from dashboard.time_range import TimeRange, chosen_range
from dashboard.traffic_figures import (
    NOBODY,
    Shown,
    TrafficFigures,
    members_table,
    read_figures,
    totals,
)
from leafgate.settings import Settings
from sql import Span, analytics
from sql.analytics import Dimension, Member, Viewer

EVERYTHING = "everything"
# What the figures can be limited to, and who there is of it.
LIMITS: dict[str, tuple[Dimension, Callable[[Log, Span, Viewer], tuple[str, ...]]]] = {
    "endpoint": ("endpoint", lambda log, span, viewer: analytics.endpoints(log, span)),
    "user": ("user", analytics.visible_users),
    "client": ("client", lambda log, span, viewer: analytics.clients(log, span)),
    "source": ("source", analytics.visible_sources),
}
DIMENSIONS: dict[str, Dimension] = {
    "endpoint": "endpoint",
    "user": "user",
    "client": "client",
    "source": "source",
    "model version": "version",
    "images in a request": "batch",
    "pictures made in a request": "made",
}
SOURCES_TOLD = "Client: the program that asked; source: the address that it asked from."
REFRESH: dict[str, int | None] = {"off": None, "10 s": 10, "1 min": 60}
DEFAULT_REFRESH = "10 s"


def render(settings: Settings) -> None:
    """The page; the figures refresh by themselves."""
    st.title("Traffic")
    one_asked_for = bool(st.query_params.get("request"))  # a link to one request shows it first
    with problems_shown():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = chosen_range()
            of = _chosen_member(settings, chosen)
            every = _chosen_refresh()
        requests = st.fragment(single_requests, run_every=every)
        if one_asked_for:
            requests(settings)
        st.fragment(_figures, run_every=every)(settings, chosen, of)
        if not one_asked_for:
            requests(settings)


def _chosen_refresh() -> int | None:
    name = st.segmented_control(
        "Refresh",
        list(REFRESH),
        default=DEFAULT_REFRESH,
        required=True,
        key="refresh",
        bind="query-params",
    )
    st.button("Refresh now", icon=":material/refresh:")
    return REFRESH[name or DEFAULT_REFRESH]


def _chosen_member(settings: Settings, chosen: TimeRange) -> Member | None:
    """Whose figures are shown; None for all requests."""
    limit = st.segmented_control(
        "Figures of",
        [EVERYTHING, *LIMITS],
        default=EVERYTHING,
        required=True,
        key="of",
        bind="query-params",
    )
    if limit not in LIMITS:
        return None
    dimension, names_of = LIMITS[limit]
    with open_log(settings) as (log, viewer):
        names = names_of(log, chosen.span(), viewer)
    nobody = [] if dimension == "endpoint" else [NOBODY]
    name = choose(limit.capitalize(), limit, [*names, *nobody])
    return None if name is None else Member(dimension, "" if name == NOBODY else name)


def _figures(settings: Settings, chosen: TimeRange, of: Member | None) -> None:
    found = None
    with problems_shown():
        with open_log(settings) as (log, viewer):
            analytics.require_visible(of, viewer)
            found = read_figures(log, chosen.span(), of)
        compared = " Changes are against as long a time before." if found.before.requests else ""
        st.caption(f"As of {datetime.now(UTC):%H:%M:%S} UTC. {_whose(of)}{compared}")
        if found.total.requests:
            _totals(totals(found.total, found.before))
        else:
            st.info(_nothing(of), icon=":material/info:")
    show_waiting(settings)
    with problems_shown():
        if found is not None and found.total.requests:
            _over_time(found)
            _clients(found)
            _sizes(found)
            _members(settings, found.span)


def _whose(of: Member | None) -> str:
    if of is None:
        return "Figures of all requests."
    whose = f"{of.dimension} {plain(of.name or NOBODY)}"
    return f"Figures of the {whose} alone, where nothing else is said."


def _nothing(of: Member | None) -> str:
    if of is not None:
        whose = f"{of.dimension} {plain(of.name or NOBODY)}"
        return f"No requests of the {whose} in this time. Choose another, or a longer range."
    return (
        "No requests in this time. Diagnose a leaf, send one to the API's /predict, or choose a "
        "longer range. (`leafgate predict FILE` asks no service, and is in no log.)"
    )


def _totals(shown: list[Shown]) -> None:
    with st.container(horizontal=True):
        for each in shown:
            st.metric(
                each.label,
                each.value,
                each.delta,
                delta_color="inverse" if each.worse else "off",
                width=150,
            )


def _over_time(found: TrafficFigures) -> None:
    volume, latency, span, changes = found.volume, found.latency, found.span, found.changes
    _chart(
        "Requests over time",
        charts.requests_chart(volume, span, changes),
        charts.requests_alt(volume, changes),
    )
    _chart(
        "Error rate over time",
        charts.errors_chart(volume, span, changes),
        charts.errors_alt(volume, changes),
    )
    _chart(
        "Latency over time",
        charts.latency_chart(latency, span, changes),
        charts.latency_alt(latency, changes),
    )
    if changes:
        st.caption(
            "Version changes: " + "; ".join(plain(change.sentence) for change in changes) + "."
        )
    with st.expander("Figures over time as a table"):
        table = charts.over_time_table(volume, latency)
        st.table(table, hide_index=True, alt="Requests, errors and response times over time")


def _clients(found: TrafficFigures) -> None:
    if not found.clients:
        return
    _chart(
        "Requests by client",
        charts.clients_chart(found.clients, found.span),
        charts.clients_alt(found.clients),
    )
    st.caption(
        "Of all requests. Client: the program that asked, as it names itself: this dashboard, "
        "LeafGate's own tools, a browser, or any other (api)."
        + (
            " (none): from before the log kept it."
            if any(not c.client for c in found.clients)
            else ""
        )
    )


def _sizes(found: TrafficFigures) -> None:
    if not found.sizes and not found.made_sizes:
        return
    _chart(
        "Response time by images in a request",
        size_chart(found.sizes, found.made_sizes),
        size_alt(found.sizes, found.made_sizes),
    )
    st.caption(
        "Of all requests that sent images, and apart from them those that had pictures made. The "
        "mark is the median; the line ends at p95."
    )


def _chart(heading: str, chart: alt.LayerChart, told: str) -> None:
    st.header(heading)
    show_chart(chart, told)


@st.fragment
def _members(settings: Settings, span: Span) -> None:
    """Traffic by one dimension, and how many members of it are not in the table."""
    st.header("Who asks, and what")
    label = st.selectbox("By", list(DIMENSIONS), key="by", bind="query-params", width=240)
    with problems_shown(), open_log(settings) as (log, viewer):
        found = analytics.visible_traffic_by(log, span, DIMENSIONS[label], viewer)
        table = members_table(found, label)
        show_data_frame(table, hide_index=True, alt=f"Traffic by {label}, most requests first")
        st.caption(f"Of all requests. {SOURCES_TOLD}{_left_out(found.left_out)}")


def _left_out(others: int) -> str:
    return f" {others:,} others have fewer requests." if others else ""
