"""Rate limits shared through a real Redis, and what happens when it goes away."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.commands import free_port
from tests.integration.conftest import RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually
from tests.requirements import redis_server


@pytest.fixture
def running_redis(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Its URL, and a way to stop it."""
    port = free_port()
    process = subprocess.Popen(
        [redis_server(), "--port", str(port), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )

    def stop() -> None:
        process.terminate()
        process.wait(20)

    url = f"redis://127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    assert eventually(answers)
    yield url, stop
    stop()


def ask(api: RunningApi) -> int:
    return api.client.get("/generate", params={"n": 1}).status_code


def test_two_services_share_a_limit_and_go_on_without_redis(
    served_var: Path,
    tmp_path: Path,
    start_api: StartApi,
    running_redis: tuple[str, Callable[[], None]],
) -> None:
    url, stop = running_redis
    apis = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        limits = {"redis_url": url, "generate_limit": "4/hour"}
        apis.append(start_api(api_settings(served_var, tmp_path / name, **limits)))
    first, second = apis

    assert [ask(first), ask(second), ask(first), ask(second)] == [200] * 4
    assert [ask(first), ask(second)] == [429, 429]

    stop()
    assert [ask(first), ask(second)] == [200, 200]  # each counts for itself now
