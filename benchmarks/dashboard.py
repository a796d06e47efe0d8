"""How long each page of the dashboard takes until it is drawn, in a browser, over a long log.

    python -m benchmarks.dashboard --url sqlite:///many.db --requests 10000000

fills the database up to this very hour (unless it is filled), starts API and dashboard over it,
opens Chromium, signs in, and goes from page to page as a person does. A page counts as drawn when
its script has ended, nothing on it is stale, and every chart and picture is there. Each is visited
once before it is timed; that first time is printed too.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import parser_for, run_script
from benchmarks.many_requests import Size, fill
from benchmarks.prepare import (
    PASSWORD,
    USER,
    Prepared,
    add_state_options,
    clean_environment,
    prepared,
    work_folders,
)
from benchmarks.servers import Server, free_port, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIMIT_MS = 2000.0
DAYS = 90
FRESH_SECONDS = 6 * 3600  # a log that ends earlier shows nothing of the last hour
PAGES = ("Diagnose", "Generate", "Traffic", "Diseases", "Models", "Study")
OVER_TIME = ("Traffic", "Diseases")
RANGES = ("15 minutes", "1 hour", "24 hours", "7 days", "30 days", "90 days")
SCOPES = ("predict", "generate", "feedback", "admin")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# Resolves with the time in ms since it began, once the page of that title is drawn.
DRAWN = """([title, range]) => new Promise((resolve) => {
  const start = performance.now();
  const link = [...document.querySelectorAll('[data-testid="stSidebarNavLink"]')]
    .find((each) => each.innerText.includes(title));
  const button = [...document.querySelectorAll('[role="radio"], button')]
    .find((each) => each.innerText.trim() === range);
  (range ? button : link).click();
  let changed = false;
  const look = () => {
    const app = document.querySelector('[data-testid="stApp"]');
    const still = app.dataset.testScriptState === 'notRunning';
    changed = changed || !still;
    const heading = document.querySelector('h1');
    const here = heading !== null && heading.innerText.startsWith(title);
    const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')]
      .filter((each) => each.checkVisibility());
    const drawn = charts.every((each) => each.querySelector('canvas, svg') !== null);
    const pictures = [...document.images].every((each) => each.complete);
    const waiting = document.querySelector(
      '[data-stale="true"], [data-testid="stSpinner"], [data-testid="stSkeleton"]');
    const passed = performance.now() - start;
    if (changed && still && here && drawn && pictures && waiting === null) resolve(passed);
    else if (passed > 60000) resolve(passed);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


@dataclass(frozen=True)
class Visits:
    """To one page, with one range of time where it has any. ms: of each visit, the first apart."""

    page: str
    span: str
    first_ms: float
    ms: tuple[float, ...]

    @property
    def median(self) -> float:
        """Without the first."""
        return statistics.median(self.ms)


def visits(page: "Page", times: int) -> Iterator[Visits]:
    """Round after round over all pages, as somebody who keeps them open."""
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(times + 1):
        for title in PAGES:
            found.setdefault((title, ""), []).append(page.evaluate(DRAWN, [title, ""]))
            for span in RANGES if title in OVER_TIME else ():
                found.setdefault((title, span), []).append(page.evaluate(DRAWN, [title, span]))
    for (title, span), (first, *others) in found.items():
        yield Visits(title, span, first, tuple(others))


def table(found: Sequence[Visits]) -> str:
    """A line a page and range."""
    lines = [f"{'until drawn, ms':28}{'first':>8}{'median':>8}{'longest':>9}"]
    for each in found:
        name = f"{each.page}, {each.span}" if each.span else each.page
        times = f"{each.first_ms:8.0f}{each.median:8.0f}{max(each.ms):9.0f}"
        lines.append(f"{name:28}{times}")
    return "\n".join(lines)


def verdict(found: Sequence[Visits]) -> str:
    """Which are over the limit after the first visit."""
    over = [each for each in found if max(each.ms) > LIMIT_MS]
    slowest = max(found, key=lambda each: max(each.ms))
    if not over:
        told = f"{slowest.page} {slowest.span}".strip()
        return f"all within {LIMIT_MS:.0f} ms; slowest: {told}, {max(slowest.ms):.0f} ms"
    names = "; ".join(f"{each.page} {each.span}: {max(each.ms):.0f} ms" for each in over)
    return f"over {LIMIT_MS:.0f} ms: {names}"


def filled(url: str, count: int) -> int:
    """Fill the log of the URL up to now, unless it is; how many requests it holds."""
    from sql import Span, analytics, migrate, open_database

    engine = open_database(url)
    migrate(engine)
    now = datetime.now(UTC)
    newest = analytics.recent_requests(engine, 1)
    if not newest or (now - newest[0].at).total_seconds() > FRESH_SECONDS:
        until = now.replace(tzinfo=None) + timedelta(hours=1)
        for day in fill(engine, Size(count, DAYS, until)):
            print(f"{day:%Y-%m-%d} is filled", flush=True)
    whole = Span(now - timedelta(days=DAYS + 1), now + timedelta(days=1), timedelta(days=7))
    return analytics.summary(engine, whole).requests


def let_in(state: Prepared, url: str) -> None:
    """The models' audit and a user, in the database with the long log."""
    from leafgate.audit_key import trusted_keys
    from leafgate.gating import open_ledger
    from leafgate.settings import load_settings
    from registry import restore
    from serving import hash_password
    from sql import add_user, find_user, open_database

    settings = load_settings(var_dir=state.var_dir, database_url=url, audit_key=audit_key(state))
    ledger = open_ledger(settings)
    for name in (settings.classifier_name, settings.generator_name):
        restore(ledger.store, ledger.trail, name, trusted_keys(settings))
    database = open_database(url)
    if find_user(database, USER) is None:
        add_user(database, USER, hash_password(PASSWORD), SCOPES)


def audit_key(state: Prepared) -> str:
    """What the state's audit was signed with; it is the embedded database's unless it is named."""
    return (state.var_dir / "audit.key").read_text(encoding="utf-8").strip()


@contextmanager
def services(state: Prepared, url: str, folder: Path) -> Iterator[str]:
    """API and dashboard; the address of the latter."""
    api, dashboard = free_port(), free_port()
    settings = {"var_dir": state.var_dir, "database_url": url, "jwt_secret": "b" * 40}
    settings["audit_key"] = audit_key(state)
    env = clean_environment({**settings, "api_port": api, "dashboard_port": dashboard})
    command = (sys.executable, "-m", "leafgate.cli")
    with ExitStack() as stack:
        served = Server((*command, "serve"), env, api, "/ready")
        stack.enter_context(running(served, folder / "api.log"))
        shown = Server((*command, "dashboard"), env, dashboard, "/_stcore/health")
        stack.enter_context(running(shown, folder / "dashboard.log"))
        yield f"http://127.0.0.1:{dashboard}"


def signed_in(page: "Page", address: str) -> None:
    """Past the sign-in form."""
    page.goto(address)
    page.get_by_label("User name").fill(USER)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as").wait_for()
    time.sleep(2)  # the first page is no visit


def measure(args: argparse.Namespace) -> None:
    """Print what the pages take."""
    from playwright.sync_api import sync_playwright

    with work_folders(args) as (state_folder, work):
        state = prepared(args, state_folder)
        let_in(state, args.url)
        count = filled(args.url, args.requests)
        print(f"{args.url.partition(':')[0]}, {count:,} requests; {state.machine}", flush=True)
        with services(state, args.url, work) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=args.chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            signed_in(page, address)
            found = list(visits(page, args.times))
            browser.close()
    print(table(found))
    print(verdict(found))


def main() -> None:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_state_options(parser)
    parser.add_argument("--url", required=True, help="of the database with the log")
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=5, help="visits to each page")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    measure(parser.parse_args())


if __name__ == "__main__":
    run_script(main)
