"""The request log under fire: real processes, under load, while all that can fail does.

PostgreSQL is stopped as by a crash, restarted, made read-only, and has its connections cut; the API
is killed with -9 at random moments. Afterwards every request that a client had an answer to is in
the database exactly once. `pytest -s tests/integration/test_log_faults.py` shows the counts.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from leafgate.settings import Settings
from sql import open_database
from sql.schema import generations, hourly, predictions, requests
from tests.commands import environment, free_port
from tests.integration.conftest import PASSWORD, api_settings, prepare_database
from tests.integration.test_api_answers import png
from tests.models import have_at_hand
from tests.servers import Server, postgresql

KILLS = 20
CLIENTS = 3
FREELY = {f"{kind}_limit": "1000000/minute" for kind in ("token", "predict", "generate", "address")}
LEAF = png()


@dataclass
class Answered:
    """What clients were told, whole: status and kind of request by its id."""

    answers: dict[str, tuple[str, int]] = field(default_factory=dict)
    broken_off: int = 0

    def ids(self, kind: str, status: int = 200) -> set[str]:
        """Of the requests of a kind that were answered so."""
        return {each for each, told in self.answers.items() if told == (kind, status)}


@dataclass
class Api:
    """`leafgate serve`, started and killed again and again."""

    env: dict[str, str]
    url: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        """Returns when it answers something, ready or not."""
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "leafgate.cli", "serve"],
                env=self.env,
                stderr=stream,
                start_new_session=True,
            )
        self.eventually(lambda: httpx.get(f"{self.url}/health").status_code == 200)

    def kill(self) -> None:
        """As when the machine runs out of memory."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def eventually(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for it while the process lives."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if holds():
                    return
            assert self.process is None or self.process.poll() is None, self._told()
            time.sleep(0.05)
        raise AssertionError(self._told())

    def _told(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


REQUESTS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "predict": lambda c: c.post("/predict", files={"file": LEAF}),
    "garbage": lambda c: c.post("/predict", files={"file": b"no image"}),
    "batch": lambda c: c.post("/predict/batch", files=[("files", LEAF), ("files", LEAF)]),
    "generate": lambda c: c.get("/generate", params={"n": 2, "format": "zip"}),
    "stranger": lambda c: c.post("/predict", files={"file": LEAF}, headers={"authorization": ""}),
}


@contextmanager
def load(url: str, token: str) -> Iterator[Answered]:
    """Clients that ask without a pause until the block ends."""
    answered, done = Answered(), threading.Event()

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            while not done.is_set():
                kind = chance.choices(list(REQUESTS), (70, 10, 8, 4, 8))[0]
                try:
                    answer = REQUESTS[kind](client)
                except httpx.TransportError:
                    answered.broken_off += 1
                    time.sleep(0.05)
                    continue
                answered.answers[answer.headers["x-request-id"]] = kind, answer.status_code

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        done.set()
        for thread in threads:
            thread.join()


def crash(server: Server) -> None:
    server.stop("immediate")
    time.sleep(1.5)
    server.start()


def restart(server: Server) -> None:
    server.restart("fast")


def read_only(server: Server) -> None:
    server.set_read_only(True)
    time.sleep(1.5)
    server.set_read_only(False)


def cut(server: Server) -> None:
    for _ in range(10):
        server.terminate_connections()
        time.sleep(0.1)


FAULTS = (crash, cut, read_only, restart, cut)


@contextmanager
def failing(server: Server) -> Iterator[Counter[str]]:
    """A database that fails in one way after the other until the block ends; then it is well."""
    suffered, done = Counter[str](), threading.Event()

    def fail() -> None:
        while not done.is_set():
            for fault in FAULTS:
                fault(server)
                suffered[fault.__name__] += 1
                if done.wait(0.7):
                    return

    thread = threading.Thread(target=fail)
    thread.start()
    try:
        yield suffered
    finally:
        done.set()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with postgresql() as running:
        yield running


@pytest.fixture
def api(served_var: Path, tmp_path: Path, server: Server) -> Iterator[Api]:
    port = free_port()
    own = {"database_url": server.url, "api_port": port, "model_poll_seconds": 0.5, **FREELY}
    own["logged_refusals"] = 1_000_000  # a row each, so that each can be looked for
    settings: Settings = api_settings(served_var, tmp_path, **own)
    prepare_database(settings)
    have_at_hand(settings)
    env = environment(served_var, jwt_secret="s" * 40, audit_key="a1" * 32, **own)
    made = Api(env, f"http://127.0.0.1:{port}", tmp_path / "serve.log")
    yield made
    with suppress(ProcessLookupError, AssertionError):
        made.kill()


def test_every_request_that_was_answered_is_in_the_database_exactly_once(
    api: Api, server: Server
) -> None:
    chance = random.Random(7)
    api.start()
    api.eventually(lambda: httpx.get(f"{api.url}/ready").status_code == 200)
    form = {"username": "ada", "password": PASSWORD}
    token = httpx.post(f"{api.url}/token", data=form).json()["access_token"]
    with load(api.url, token) as answered, failing(server) as suffered:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 1.0))
            api.kill()
            api.start()
    api.eventually(lambda: httpx.get(f"{api.url}/ready").status_code == 200)
    api.eventually(lambda: backlog(api) == 0)
    found = stored(server.url)
    show(api, answered, suffered, found)
    assert api.kills == KILLS
    assert set(suffered) == {"crash", "cut", "read_only", "restart"}
    assert answered.ids("predict"), "no load worth the name"
    lost = answered.answers.keys() - found.requests.keys()
    assert not lost
    assert set(found.requests.values()) == {1}
    assert all(found.predictions[each] == 1 for each in answered.ids("predict"))
    assert all(found.predictions[each] == 2 for each in answered.ids("batch"))
    assert all(found.generations[each] == 1 for each in answered.ids("generate"))
    assert found.counted == sum(found.requests.values())


def backlog(api: Api) -> int:
    return int(httpx.get(f"{api.url}/health").json()["request_log"]["backlog"])


@dataclass(frozen=True)
class Stored:
    """Rows by the id of their request. counted: requests in the hourly counts."""

    requests: Counter[str]
    predictions: Counter[str]
    generations: Counter[str]
    counted: int


def stored(url: str) -> Stored:
    total = hourly.c.answered + hourly.c.refused + hourly.c.failed
    query = sa.select(sa.func.sum(total)).where(hourly.c.dimension.in_(("endpoint", "endpoint/h")))
    with open_database(url).connect() as connection:

        def rows(column: sa.Column[str]) -> Counter[str]:
            return Counter(connection.scalars(sa.select(column)))

        return Stored(
            rows(requests.c.id),
            rows(predictions.c.request_id),
            rows(generations.c.id),
            int(connection.scalar(query) or 0),
        )


def show(api: Api, answered: Answered, suffered: Counter[str], found: Stored) -> None:
    statuses = Counter(status for _, status in answered.answers.values())
    rows = sum(found.requests.values())
    print(  # noqa: T201 - what the suite is for
        f"\nAPI killed with -9: {api.kills}; database: {dict(suffered)}",
        f"answered: {len(answered.answers)} {dict(sorted(statuses.items()))}; "
        f"broken off: {answered.broken_off}",
        f"stored: {rows}; distinct: {len(found.requests)}; in the hourly counts: {found.counted}",
        f"lost: {len(answered.answers.keys() - found.requests.keys())}; "
        f"doubled: {rows - len(found.requests)}",
        sep="\n",
    )
