"""Stopping in good order, one process or several: nothing accepted is lost, exit code 0."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import sqlalchemy as sa

from sql import open_database
from tests.integration.processes import ServedProcess, served
from tests.integration.test_api_answers import png

Found = TypeVar("Found")
PAUSES = (0, 0, 0.3, 0.3)  # seconds between requests: connections at work, and idle ones
FREELY = {f"{kind}_limit": "100000/minute" for kind in ("token", "predict", "address")}


@dataclass
class Seen:
    """What one client was answered until it was told that its connection ends."""

    statuses: set[int] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)


def ask_until_told_to_go(service: ServedProcess, token: str, pause_seconds: float) -> Seen:
    """One connection, asked again and again; the end of it comes with an answer, not without."""
    seen, leaf = Seen(), png()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
        while True:
            answer = client.post("/predict", files={"file": ("leaf.png", leaf)})
            seen.statuses.add(answer.status_code)
            seen.ids.append(answer.headers["x-request-id"])
            if answer.headers.get("connection") == "close":
                return seen
            time.sleep(pause_seconds)


def readiness(service: ServedProcess) -> dict[str, object]:
    """What `/ready` says once it no longer says that it is."""

    def unready() -> dict[str, object] | None:
        answer = httpx.get(f"{service.url}/ready")
        return None if answer.is_success else dict(answer.json())

    return eventually(unready)


def eventually(look: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if found := look():
                return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_under_load_all_that_was_accepted_is_answered_and_logged(
    served_var: Path, tmp_path: Path
) -> None:
    with served(served_var, tmp_path, shutdown_delay_seconds=2, **FREELY) as service:
        token = service.token()
        with ThreadPoolExecutor(len(PAUSES)) as pool:
            clients = [
                pool.submit(ask_until_told_to_go, service, token, pause_seconds)
                for pause_seconds in PAUSES
            ]
            eventually(lambda: httpx.get(f"{service.url}/metrics").text.count("/predict"))
            service.process.send_signal(signal.SIGTERM)
            told = readiness(service)
            seen = [client.result() for client in clients]
        assert service.process.wait(60) == 0
        assert (told["status"], told["code"]) == (503, "shutting_down")
        assert {status for each in seen for status in each.statuses} == {200}
        with open_database(service.settings.database).connect() as connection:
            rows = set(connection.scalars(sa.text("SELECT id FROM requests")))
        assert {request_id for each in seen for request_id in each.ids} <= rows


def figure(service: ServedProcess, series: str) -> float | None:
    """The value of the one series that the pattern fits."""
    text = httpx.get(f"{service.url}/metrics").text
    found = re.search(rf"^leafgate_{series} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_workers_share_a_port_and_their_figures_and_a_dead_one_is_replaced(
    served_var: Path, tmp_path: Path
) -> None:
    live = r'model_live\{.*model="leaf-classifier".*\}'
    with served(served_var, tmp_path, workers=2, **FREELY) as service:
        first = eventually(lambda: workers_of(service, 2))
        assert eventually(lambda: figure(service, live) == 2)
        for _ in range(20):
            httpx.get(f"{service.url}/nothing")
        assert figure(service, r'requests_total\{endpoint="other".*status="404"\}') == 20
        os.kill(min(first), signal.SIGKILL)
        second = eventually(lambda: workers_of(service, 2, but=first))
        assert len(first & second) == 1
        assert eventually(lambda: figure(service, live) == 1)  # the dead one counts no more
        assert eventually(lambda: figure(service, live) == 2)
        assert service.end(signal.SIGINT) == 0
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        assert any("died" in line["message"] for line in lines)
        assert not [line for line in lines if "exc_info" in line]


def workers_of(service: ServedProcess, number: int, but: set[int] | None = None) -> set[int] | None:
    """Process numbers of the workers, once there are so many, and other ones than `but`."""
    started = set(map(int, re.findall(r"worker (\d+) started", service.log.read_text())))
    alive = {pid for pid in started if Path(f"/proc/{pid}").exists()}
    return alive if len(alive) == number and alive != but else None
