"""A running API for tests: the real app under uvicorn, with tiny real models in production."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from leafgate.settings import Settings
from leafgate.sqlite_url import sqlite_file
from serving.app import create_app
from serving.server import server_config
from sql import add_user, migrate, open_database
from tests.commands import free_port
from tests.models import (
    have_at_hand,
    register_tiny_classifier,
    register_tiny_generator,
    vouch_for_production,
)
from tests.versions import Told, fill

PASSWORD = "correct horse"


@dataclass(frozen=True)
class RunningApi:
    """An API on a port of its own. client: signed in as `ada`, with scopes predict and generate."""

    settings: Settings
    url: str
    client: httpx.Client
    app: FastAPI

    def token(self, name: str = "ada", **more: str) -> str:
        """A fresh token."""
        form = {"username": name, "password": PASSWORD, **more}
        return str(httpx.post(f"{self.url}/token", data=form, timeout=30).json()["access_token"])


StartApi = Callable[[Settings], RunningApi]
MakeApi = Callable[..., RunningApi]


@pytest.fixture
def settings(settings: Settings, empty_store: Path) -> Settings:
    """The same settings, over a store that is there already."""
    shutil.copytree(empty_store, settings.var_dir)
    return settings


@pytest.fixture(scope="module")
def told(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A registry on SQLite with versions of both models."""
    var_dir = tmp_path_factory.mktemp("told") / "var"
    shutil.copytree(empty_store, var_dir)
    return fill(Settings(_env_file=None, var_dir=var_dir, audit_key="a1" * 32))  # type: ignore[call-arg, arg-type]


@pytest.fixture(scope="session")
def served_var(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """State with both models in production; made once, since Keras is slow to start."""
    settings = _signing(tmp_path_factory.mktemp("served") / "var")
    shutil.copytree(empty_store, settings.var_dir)
    register_tiny_classifier(settings, outliers=True)
    register_tiny_generator(settings)
    return settings.var_dir


@pytest.fixture(scope="session")
def classes_var(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The same, with a generator that can be asked for each class of the classifier."""
    settings = _signing(tmp_path_factory.mktemp("classes") / "var")
    shutil.copytree(empty_store, settings.var_dir)
    register_tiny_classifier(settings, outliers=True)
    register_tiny_generator(settings, conditional=True)
    return settings.var_dir


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """State with the right classifier in production, and one that is always wrong in staging."""
    settings = _signing(tmp_path_factory.mktemp("two") / "var")
    shutil.copytree(empty_store, settings.var_dir)
    right = register_tiny_classifier(settings)
    wrong = register_tiny_classifier(settings, alias=None, order=-1)
    have_at_hand(settings, right, wrong)
    return settings.var_dir


def _signing(var_dir: Path) -> Settings:
    """With the key of `api_settings`, whose databases go on with what the versions' tags say."""
    return Settings(_env_file=None, var_dir=var_dir, audit_key="a1" * 32)  # type: ignore[call-arg, arg-type]


@contextmanager
def starting_apis() -> Iterator[StartApi]:
    """Starts APIs, and stops them after the block."""
    stops: list[Callable[[], None]] = []

    def start(settings: Settings) -> RunningApi:
        prepare_database(settings)
        have_at_hand(settings)
        port = free_port()
        app = create_app(settings)
        config = server_config(app, settings, port=port, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        url = f"http://127.0.0.1:{port}"
        _await_models(server, url)
        client = httpx.Client(base_url=url, timeout=30)

        def stop() -> None:
            client.close()
            server.should_exit = True
            thread.join(20)

        stops.append(stop)
        api = RunningApi(settings, url, client, app)
        if not settings.jwt_jwks:
            client.headers["Authorization"] = f"Bearer {api.token()}"
        return api

    try:
        yield start
    finally:
        for stop in stops:
            stop()


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Starts APIs, and stops them after the test."""
    with starting_apis() as start:
        yield start


@pytest.fixture
def api(served_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    """The API with usual settings and a database of its own."""
    return start_api(api_settings(served_var, tmp_path))


@pytest.fixture
def make_api(settings: Settings, tmp_path: Path, start_api: StartApi) -> MakeApi:
    """Starts APIs over one database and no model: what passes the door is answered with 503."""

    def make(**overrides: Any) -> RunningApi:
        given = {"revocation_poll_seconds": 0.1, "model_poll_seconds": 60, **overrides}
        return start_api(api_settings(settings.var_dir, tmp_path, **given))

    return make


def api_settings(var_dir: Path, tmp_path: Path, **overrides: object) -> Settings:
    """Settings of an API over the state in `var_dir`, with a database of the test's own."""
    values: dict[str, Any] = {
        "var_dir": var_dir,
        "database_url": f"sqlite:///{tmp_path / 'log.db'}",
        "jwt_secret": "s" * 40,
        "audit_key": "a1" * 32,
        "model_poll_seconds": 0.1,
        "token_limit": "1000/minute",
        **overrides,
    }
    return Settings(_env_file=None, **values)


def prepare_database(settings: Settings) -> None:
    """Write users into it, and an audit that vouches for what is in production.

    A new SQLite file is a copy of the one first made for that state and key.
    """
    file, of = sqlite_file(settings.database), (settings.var_dir, settings.audit_key)
    fresh = file is not None and not file.exists()
    if file is not None and fresh and of in _prepared:
        file.write_bytes(_prepared[of])
        return
    _add_users(settings)
    vouch_for_production(settings)
    if file is not None and fresh:
        with closing(sqlite3.connect(file)) as made:
            _prepared[of] = made.serialize()


_prepared: dict[tuple[Path, SecretStr | None], bytes] = {}


def _add_users(settings: Settings) -> None:
    database = open_database(settings.database)
    migrate(database)
    for name, scopes in {"ada": ("predict", "generate"), "eve": ("feedback",)}.items():
        add_user(database, name, _hashed(), scopes)
    database.dispose()


@cache
def _hashed() -> str:
    """Of the password, at the least cost: the usual one takes a fifth of a second a sign-in."""
    return Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def _await_models(server: uvicorn.Server, url: str) -> None:
    for _ in range(600):
        if server.started:
            answer = httpx.get(f"{url}/ready")
            if answer.status_code == 200 or "being loaded" not in answer.json()["detail"]:
                return
        time.sleep(0.05)
    raise AssertionError("the API did not start")
