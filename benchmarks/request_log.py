"""The request log: what it costs a request, how fast it is moved, how fast it is asked.

1. /predict with the log on against off: two services on the same stored model, under the same load
   in turn, many times; the ratio of neighbours, with a 95 % interval (t) over the pairs.
2. The writer: entries of an outbox on disk moved into each database, once each, with their hourly
   counts; rows sent, stored and distinct must agree.
3. Every query of the dashboard on databases of many requests (--many); filling one of ten million
   takes a quarter of an hour, and it is used again; see benchmarks/analytics.py.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, stdev

import sqlalchemy as sa
import uuid_utils
from scipy import stats

from benchmarks import analytics
from benchmarks.contenders import leafgate_requests, leafgate_server
from benchmarks.load import run_load, write_requests
from benchmarks.load_loop import Plan
from benchmarks.machine import hardware, parser_for, run_script
from benchmarks.prepare import Prepared, add_state_options, prepared, work_folders
from benchmarks.servers import Server, running
from leafgate.sqlite_url import sqlite_url
from sql import Entry, PredictionRecord, RequestLog, RequestRecord, migrate, open_database
from sql.outbox_folder import take_outbox
from sql.schema import predictions, requests

CONNECTIONS = 8
MOST_COST, LEAST_ROWS = 0.03, 20_000
WITHOUT_LOG = (
    "import sys; import serving.request_logging as r; r.NOT_LOGGED = (*r.NOT_LOGGED, '/predict'); "
    "sys.argv = ['leafgate', 'serve']; from leafgate.cli import main; main()"
)


def measure_cost(made: Prepared, work: Path, args: argparse.Namespace) -> None:
    """Print the throughput with the log on, as a share of that with it off."""
    on = leafgate_server(made)
    off = _without_log(leafgate_server(made))
    rates: dict[str, list[float]] = {"on": [], "off": []}
    with running(on, work / "on.log"), running(off, work / "off.log"):
        sent = {
            name: write_requests(work / name, leafgate_requests(made, server.port))
            for name, server in (("on", on), ("off", off))
        }
        for turn in range(args.rounds):
            order = ("on", "off") if turn % 2 else ("off", "on")
            for name in order:
                port = {"on": on, "off": off}[name].port
                plan = Plan(port, CONNECTIONS, args.seconds, 1.0)
                rates[name].append(run_load(plan, sent[name]).requests_per_second)
    pairs = [mine / other for mine, other in zip(rates["on"], rates["off"], strict=True)]
    half = float(stats.t.ppf(0.975, len(pairs) - 1)) * stdev(pairs) / len(pairs) ** 0.5
    print(
        f"/predict at {CONNECTIONS} connections, requests/s: log on {mean(rates['on']):.1f}, "
        f"off {mean(rates['off']):.1f}"
    )
    print(
        f"{_yes(1 - mean(pairs) <= MOST_COST)} on / off {mean(pairs):.3f} "
        f"({mean(pairs) - half:.3f} to {mean(pairs) + half:.3f}, {len(pairs)} pairs); "
        f"asked for at least {1 - MOST_COST:.2f}"
    )


def _without_log(server: Server) -> Server:
    return replace(server, command=(sys.executable, "-c", WITHOUT_LOG))


def measure_writer(url: str, entries: int) -> None:
    """Print how fast an outbox is emptied into the database at `url`."""
    engine = open_database(url)
    migrate(engine)
    before = _stored(engine)
    with tempfile.TemporaryDirectory() as folder:
        _fill_outbox(Path(folder), entries)
        started = time.perf_counter()
        log = RequestLog(engine, Path(folder))
        log.flush(600)
        seconds = time.perf_counter() - started
        log.close()
    rows, distinct = (now - then for now, then in zip(_stored(engine), before, strict=True))
    engine.dispose()
    rate = rows / seconds
    print(
        f"{_yes(rate >= LEAST_ROWS)} {engine.dialect.name}: {rate:,.0f} rows/s "
        f"({entries / seconds:,.0f} requests/s, each with its prediction and hourly counts); "
        f"asked for at least {LEAST_ROWS:,} rows/s"
    )
    agree = _yes(rows == 2 * entries == distinct)
    told = f"rows sent {2 * entries:,}, stored {rows:,}, distinct {distinct:,}"
    print(f"{agree} {engine.dialect.name}: {told}")


def _fill_outbox(folder: Path, entries: int) -> None:
    held = take_outbox(folder)
    futures = [held.outbox.append(entry.as_json()) for entry in made_entries(entries)]
    futures[-1].result()
    held.let_go()


def made_entries(number: int) -> Iterator[Entry]:
    """Requests of /predict over the last hour, of 20 users, 200 addresses and 15 classes."""
    chance, now = random.Random(0), datetime.now(UTC)  # noqa: S311 - no secret
    for place in range(number):
        identifier = str(uuid_utils.uuid7())
        at = now - timedelta(seconds=3600 * (1 - place / number))
        request = RequestRecord(
            id=identifier,
            at_utc=at,
            method="POST",
            endpoint="/predict",
            status=200,
            latency_ms=chance.gammavariate(2, 20),
            user_name=f"user{chance.randrange(20)}",
            source=f"10.0.0.{chance.randrange(200)}",
            images=1,
            model_name="leaf-classifier",
            model_version=3,
        )
        prediction = PredictionRecord(
            id=identifier,
            request_id=identifier,
            at_utc=at,
            status=200,
            latency_ms=request.latency_ms,
            lane="production",
            model_name="leaf-classifier",
            model_version=3,
            artifact_digest="a" * 64,
            engine="openvino-bf16",
            file_name="leaf.jpg",
            sha256=f"{place:064x}",
            class_name=f"class {chance.randrange(15)}",
            confidence=chance.random(),
            unknown=False,
            unknown_score=1.0,
            most_probable='[["class 1", 0.9], ["class 2", 0.1]]',
        )
        yield Entry(request=request, predictions=(prediction,))


def _stored(engine: sa.Engine) -> tuple[int, int]:
    """Rows of both tables, and distinct ids in them."""
    with engine.connect() as connection:
        found = [
            connection.execute(
                sa.select(sa.func.count(), sa.func.count(table.c.id.distinct()))
            ).one()
            for table in (requests, predictions)
        ]
    return sum(rows for rows, _ in found), sum(distinct for _, distinct in found)


def _yes(fits: bool) -> str:
    return "yes" if fits else "no "


PARTS = ("cost", "writer", "queries")


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add_state_options(parser)
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--postgres", default="", metavar="URL", help="an empty one that the writer fills, too")
    add("--rounds", type=int, default=10, help="pairs of loads")
    add("--seconds", type=float, default=6.0, help="of one load")
    add("--entries", type=int, default=100_000, help="that the writer moves")
    add("--requests", type=int, default=10_000_000, help="in the database that is asked")
    add("--many", nargs="*", default=[], metavar="URL", help="databases to fill (11 GB) and ask")
    return parser.parse_args()


def main() -> None:
    """Measure, and print."""
    args = options()
    print(f"machine  {hardware()}")
    with work_folders(args) as (state, work):
        urls = [sqlite_url(work / "log.db"), *([args.postgres] if args.postgres else [])]
        if "cost" in args.parts:
            made = prepared(args, state)
            print(made.about())
            measure_cost(made, work, args)
        for url in urls if "writer" in args.parts else ():
            measure_writer(url, args.entries)
        for url in args.many if "queries" in args.parts else ():
            analytics.measure(url, args.requests)
        if not args.postgres or not args.many:
            print("PostgreSQL is measured with --postgres URL, the queries with --many URL ...")


if __name__ == "__main__":
    run_script(main)
