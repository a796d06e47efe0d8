"""The charts of the Traffic page, each with what it shows in words, for who does not see it."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from dashboard.over_time import bars, lines, moment
from dashboard.theme import palette
from dashboard.version_changes import Change
from sql import Span
from sql.analytics import ClientVolume, Latency, Volume

OUTCOMES = ("answered", "refused", "failed")
PERCENTILES = ("p50", "p95", "p99")
MISSING = math.nan  # breaks a line
NOT_NAMED = "(none)"  # of requests from before there were clients in the log


def requests_chart(rows: Sequence[Volume], span: Span, changes: Sequence[Change]) -> alt.LayerChart:
    """Requests of each bucket by how they ended."""
    frame = pd.DataFrame(
        [(row.at, name, getattr(row, name)) for row in rows for name in OUTCOMES],
        columns=["at", "outcome", "requests"],
    )
    return bars(frame, ("outcome", "requests"), span, palette().outcomes, changes)


def requests_alt(rows: Sequence[Volume], changes: Sequence[Change]) -> str:
    """How many, where most, and what changed."""
    busiest = max(rows, key=_asked)
    sums = [f"{sum(getattr(row, name) for row in rows):,} {name}" for name in OUTCOMES]
    return _with_changes(
        f"Stacked bars of requests over time: {', '.join(sums)}. Most in the {_asked(busiest):,} "
        f"from {moment(busiest.at)} UTC.",
        changes,
    )


def errors_chart(rows: Sequence[Volume], span: Span, changes: Sequence[Change]) -> alt.LayerChart:
    """Shares of each bucket's requests that were refused, and that failed."""
    frame = pd.DataFrame(
        [
            (row.at, name, getattr(row, name) / _asked(row) if _asked(row) else MISSING)
            for row in rows
            for name in ("failed", "refused")
        ],
        columns=["at", "outcome", "share of requests"],
    )
    colours = {name: palette().outcomes[name] for name in ("failed", "refused")}
    return lines(frame, ("outcome", "share of requests"), span, colours, changes, ".1~%")


def errors_alt(rows: Sequence[Volume], changes: Sequence[Change]) -> str:
    """The worst bucket of either kind."""
    asked = [row for row in rows if _asked(row)]
    told = []
    for name in ("failed", "refused"):
        worst = max(asked, key=lambda row: getattr(row, name) / _asked(row))
        share = getattr(worst, name) / _asked(worst)
        told.append(f"{name} at most {share:.1%}, from {moment(worst.at)} UTC")
    return _with_changes(f"Lines of the share of requests over time: {'; '.join(told)}.", changes)


def latency_chart(rows: Sequence[Latency], span: Span, changes: Sequence[Change]) -> alt.LayerChart:
    """Percentiles of each bucket, in ms."""
    known = {row.at: row for row in rows}
    frame = pd.DataFrame(
        [
            (at, name, getattr(known[at], f"{name}_ms") if at in known else MISSING)
            for at in span.starts
            for name in PERCENTILES
        ],
        columns=["at", "percentile", "ms"],
    )
    return lines(frame, ("percentile", "ms"), span, palette().percentiles, changes)


def latency_alt(rows: Sequence[Latency], changes: Sequence[Change]) -> str:
    """The range of each percentile."""
    told = []
    for name in PERCENTILES:
        values = [getattr(row, f"{name}_ms") for row in rows]
        told.append(f"{name} from {min(values):,.0f} to {max(values):,.0f} ms")
    return _with_changes(f"Lines of response times over time: {', '.join(told)}.", changes)


def clients_chart(rows: Sequence[ClientVolume], span: Span) -> alt.LayerChart:
    """Requests of each bucket by the program that sent them."""
    frame = pd.DataFrame(
        [(row.at, row.client or NOT_NAMED, row.requests) for row in rows],
        columns=["at", "client", "requests"],
    )
    names = list(_by_client(rows))
    colours = dict(zip(names, palette().series, strict=False))
    return bars(frame, ("client", "requests"), span, colours)


def clients_alt(rows: Sequence[ClientVolume]) -> str:
    """How many each sent, most first."""
    told = ", ".join(f"{name} {count:,}" for name, count in _by_client(rows).items())
    return f"Stacked bars of requests over time by client: {told}."


def _by_client(rows: Sequence[ClientVolume]) -> dict[str, int]:
    """Requests of each, most first. There are no more clients than colours: leafgate/clients.py."""
    sums: dict[str, int] = {}
    for row in rows:
        name = row.client or NOT_NAMED
        sums[name] = sums.get(name, 0) + row.requests
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def over_time_table(volume: Sequence[Volume], latency: Sequence[Latency]) -> pd.DataFrame:
    """The figures of all three charts over time, a row for each bucket."""
    known = {row.at: row for row in latency}
    return pd.DataFrame([_bucket(row, known.get(row.at)) for row in volume])


def _bucket(row: Volume, latency: Latency | None) -> dict[str, Any]:
    asked = _asked(row)
    return {
        "time (UTC)": moment(row.at),
        "requests": f"{asked:,}",
        "refused": f"{row.refused:,}",
        "failed": f"{row.failed:,}",
        "failed, share": f"{row.failed / asked:.1%}" if asked else "",
        **{
            f"{name} ms": f"{getattr(latency, f'{name}_ms'):,.0f}" if latency else ""
            for name in PERCENTILES
        },
    }


def _asked(row: Volume) -> int:
    return row.answered + row.refused + row.failed


def _with_changes(text: str, changes: Sequence[Change]) -> str:
    return " ".join([text, *(f"{change.sentence}." for change in changes)])
