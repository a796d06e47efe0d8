"""A person at the dashboard: a real browser, the real dashboard, the real API, a real database."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.many_requests import Size, fill
from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import ModelVersion, force, start_run
from registry.tracking import Run
from serving import hash_password
from sql import add_user, migrate, open_database
from tests.commands import environment, free_port, service
from tests.models import register_tiny_classifier, register_tiny_generator
from tests.requirements import chromium

ARTEFACTS = Path("test-artifacts")
PASSWORD = "correct horse"
USERS = {
    "ada": ("predict", "generate", "feedback", "admin"),
    "bob": ("predict",),
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
REQUESTS = 3000  # in the log when the dashboard opens, over two days
PATIENCE_MS = 60_000


@dataclass
class Stack:
    """API and dashboard, up; the API can be taken away and brought back, with other settings."""

    settings: Settings
    folder: Path
    env: dict[str, str]
    api_port: int
    dashboard: str
    _api: ExitStack = field(default_factory=ExitStack)

    @property
    def api(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.api_port}"

    def start_api(self, **settings: object) -> None:
        """Bring it up, ready."""
        env = {**self.env, **{f"LEAFGATE_{k.upper()}": str(v) for k, v in settings.items()}}
        self._api.enter_context(service("serve", f"{self.api}/ready", env, self.folder / "api.log"))

    def stop_api(self) -> None:
        """Take it away."""
        self._api.close()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    settings = Settings(_env_file=None, var_dir=folder / "var")
    _prepare(settings)
    ports = {"api_port": free_port(), "dashboard_port": free_port()}
    more = {"jwt_secret": "s" * 40, "token_limit": "1000/minute", "model_poll_seconds": 0.5}
    env = environment(settings.var_dir, **more, **ports)
    dashboard = f"http://127.0.0.1:{ports['dashboard_port']}"
    running = Stack(settings, folder, env, ports["api_port"], dashboard)
    probe = f"{dashboard}/_stcore/health"
    with service("dashboard", probe, env, folder / "dashboard.log"):
        running.start_api()
        yield running
        running.stop_api()


def _prepare(settings: Settings) -> None:
    """Models with a history, users, and a log with some days in it."""
    first = register_tiny_classifier(settings, outliers=True)
    second = register_tiny_classifier(settings, outliers=True)
    generator = register_tiny_generator(settings, conditional=True)
    _tell_training(settings, second)
    _tell_study(settings, generator)
    ledger = open_ledger(settings)
    for version in (generator, first, second):
        force(ledger, version, "a test's own model")
    database = open_database(settings.database)
    migrate(database)
    for name, scopes in USERS.items():
        add_user(database, name, hash_password(PASSWORD), scopes)
    now = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=2)
    for _ in fill(database, Size(REQUESTS, 2, now)):
        pass
    database.dispose()


def _tell_training(settings: Settings, version: ModelVersion) -> None:
    """What a real training leaves in its run: curves, and what the test side came to."""
    with start_run(settings, "train classifier", version.run_id) as run:
        _log_curves(run)
        run.log_metrics({"test_macro_f1_low": 0.91, "test_macro_f1_high": 1.0})
        run.log_params({"backbone": "colours", "epochs": 8, "seed": 0})
        seen = {"labels": ["blue", "green", "red"], "confusion": [[9, 1, 0], [0, 10, 0], [2, 0, 8]]}
        run.log_json(seen, "evaluation/test.json")


def _log_curves(run: Run) -> None:
    for epoch in range(1, 9):
        figures = {"loss": 1 / epoch, "val_loss": 1.1 / epoch, "val_accuracy": 1 - 0.5 / epoch}
        run.log_metrics(figures, step=epoch)


def _tell_study(settings: Settings, version: ModelVersion) -> None:
    arms = [
        {"name": "10 images a class", "value": 0.06, "low": 0.02, "high": 0.1},
        {"name": "40 images a class", "value": 0.01, "low": -0.02, "high": 0.04},
    ]
    found = {"value": 0.03, "low": 0.01, "high": 0.05, "arms": arms, "seeds": 5}
    with start_run(settings, "train generator", version.run_id) as run:
        run.log_text(json.dumps(found), "study/gain.json")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Playwright keeps an event loop running in this thread, which later tests could not bear."""
    ARTEFACTS.mkdir(exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(chromium()), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for the tests of a file, which go on where the one before has left it."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        yield opened
