"""Rate limits shared through a real Redis, and what happens when it goes away, hangs or returns."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from serving.counts import Counts
from serving.key_source import key_source
from serving.local_counts import LocalCounts
from serving.login_throttle import Attempt, LoginThrottle
from serving.redis_counts import TIMEOUT_SECONDS, RedisCounts
from serving.tokens import Tokens
from tests.commands import environment, free_port, service
from tests.integration.conftest import RunningApi, StartApi, api_settings, prepare_database
from tests.integration.test_api_answers import eventually
from tests.models import have_at_hand
from tests.requirements import redis_server


class Redis:
    """A Redis of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = [
            str(redis_server()),
            "--port",
            str(self.port),
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        assert eventually(self._answers)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        if self.process is not None:
            self.send(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def running_redis(tmp_path: Path) -> Iterator[Redis]:
    running = Redis(tmp_path)
    running.start()
    yield running
    running.stop()


def ask(api: RunningApi) -> int:
    return api.client.get("/generate", params={"n": 1}).status_code


def test_two_services_share_a_limit_and_go_on_without_redis(
    served_var: Path, tmp_path: Path, start_api: StartApi, running_redis: Redis
) -> None:
    apis = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        limits = {"redis_url": running_redis.url, "generate_limit": "4/hour"}
        apis.append(start_api(api_settings(served_var, tmp_path / name, **limits)))
    first, second = apis

    assert [ask(first), ask(second), ask(first), ask(second)] == [200] * 4
    assert [ask(first), ask(second)] == [429, 429]
    time.sleep(1.1)  # each has seen that there are two

    running_redis.stop()
    answers = [ask(api) for api in apis for _ in range(3)]
    assert answers == [200, 200, 429] * 2  # each counts its half now
    health = first.client.get("/health").json()
    assert (health["status"], health["limits"]) == ("degraded", "redis away: counting locally")


def test_a_limit_holds_over_four_processes(
    served_var: Path, tmp_path: Path, running_redis: Redis
) -> None:
    settings = api_settings(served_var, tmp_path)
    prepare_database(settings)
    have_at_hand(settings)
    limit, urls = 300, [f"http://127.0.0.1:{free_port()}" for _ in range(4)]
    token = Tokens(settings, key_source(settings)).issue("ada", frozenset({"generate"}))
    with ExitStack() as services, ThreadPoolExecutor(8) as clients:

        def start(url: str) -> None:
            port = url.rpartition(":")[2]
            env = environment(
                served_var,
                jwt_secret="s" * 40,
                audit_key="a1" * 32,
                database_url=settings.database,
                redis_url=running_redis.url,
                generate_limit=f"{limit}/hour",
                api_port=port,
            )
            services.enter_context(service("serve", f"{url}/ready", env, tmp_path / f"{port}.log"))

        list(clients.map(start, urls))

        def hammer(client: httpx.Client) -> Counter[int]:
            headers = {"Authorization": f"Bearer {token}"}
            asked = zip(cycle(urls), range(limit // 6), strict=False)
            return Counter(
                client.get(f"{url}/generate?n=1", headers=headers).status_code for url, _ in asked
            )

        with httpx.Client(timeout=60) as client:
            counted = sum(clients.map(hammer, [client] * 8), Counter[int]())
    assert counted == {200: limit, 429: 8 * (limit // 6) - limit}


@pytest.fixture
def counts(running_redis: Redis) -> Iterator[Counts]:
    found = Counts(redis_url=running_redis.url)
    found.start()
    yield found
    found.stop()


def test_windows_in_redis_are_those_in_memory(running_redis: Redis) -> None:
    local, shared = LocalCounts(), RedisCounts(running_redis.url)
    for counts in (local, shared):
        passed = [counts.take("ada", 10, 60, amount) for amount in (4, 7, 6, 1, 11)]
        assert passed == [True, False, True, False, False]
        oldest, used = counts.look("ada", 10, 60)
        assert used == 10
        assert oldest == pytest.approx(time.time(), abs=5)
        assert counts.wait_seconds("ada", 10, 60, 5) == pytest.approx(60, abs=5)
        assert counts.look("eve", 10, 60)[1] == 0
        assert [counts.take("bob", 1000, 60, 1) for _ in range(1001)] == [True] * 1000 + [False]
        assert [counts.take("quick", 2, 1, 1) for _ in range(3)] == [True, True, False]
        time.sleep(counts.wait_seconds("quick", 2, 1, 2) + 0.01)
        assert counts.take("quick", 2, 1, 2)
        assert [counts.incr("guesses", 60, 1) for _ in range(3)] == [1, 2, 3]
        assert counts.get("guesses") == 3
        assert counts.get_expiry("guesses") == pytest.approx(time.time() + 60, abs=5)
        counts.clear("guesses")
        assert counts.get("guesses") == 0


def test_a_redis_that_hangs_is_waited_for_once_and_taken_up_again(
    counts: Counts, running_redis: Redis
) -> None:
    assert counts.acquire_entry("ada", 1, 3600)
    assert counts.health == "redis"
    running_redis.send(signal.SIGSTOP)
    assert counts.shared is not None
    assert counts.shared.client.get_connection_kwargs()["socket_timeout"] == TIMEOUT_SECONDS
    assert counts.acquire_entry("ada", 1, 3600)  # in this process's own window
    assert not any(counts.acquire_entry("ada", 1, 3600) for _ in range(1000))
    assert counts.health == "redis away: counting locally"
    running_redis.send(signal.SIGCONT)
    assert eventually(lambda: counts.health == "redis")
    assert not counts.acquire_entry("ada", 1, 3600)


def test_a_service_starts_without_its_redis_and_finds_it_later(tmp_path: Path) -> None:
    late = Redis(tmp_path)
    counts = Counts(redis_url=late.url)
    counts.start()
    assert counts.acquire_entry("ada", 1, 3600)
    assert not counts.acquire_entry("ada", 1, 3600)
    late.start()
    try:
        assert eventually(lambda: counts.health == "redis")
        assert counts.acquire_entry("ada", 1, 3600)
    finally:
        counts.stop()
        late.stop()


def test_failed_sign_ins_are_counted_for_all_processes(running_redis: Redis) -> None:
    first, second = (LoginThrottle(Counts(redis_url=running_redis.url)) for _ in range(2))
    attempt = Attempt("ada", "evil")
    for throttle in (first, second, first, second, first):
        assert throttle.begin(attempt) == 0
        throttle.failed(attempt)
    assert second.wait_seconds(attempt) == 1
    time.sleep(1.05)
    assert (first.begin(attempt) > 0, second.begin(attempt) > 0) == (False, True)


def test_a_clock_of_redis_that_is_set_back_stops_no_budget_and_lengthens_no_wait(
    running_redis: Redis,
) -> None:
    """As Redis is found then: calls and ends of counters lie an hour ahead."""
    counts = RedisCounts(running_redis.url)
    assert [counts.take("ada", 10, 60, 1) for _ in range(2)] == [True, True]
    client: Any = counts.client
    (entry,) = (bytes(each).decode().split() for each in client.lrange("leafgate:{ada}", 0, -1))
    ahead = [f"{float(moment) + 3600:.6f}" for moment in entry[:2]]
    client.lset("leafgate:{ada}", 0, " ".join([*ahead, entry[2]]))
    assert counts.look("new", 10, 60)[1] == 0
    assert counts.wait_seconds("ada", 10, 60, 10) <= 60
    assert [counts.take("ada", 10, 60, amount) for amount in (8, 1)] == [True, False]
    assert 0 < counts.wait_seconds("ada", 10, 60, 1) <= 60
    assert counts.take("quick", 1, 1, 1)
    time.sleep(1.1)
    assert counts.take("quick", 1, 1, 1)

    counts.incr("wait", 1, 1)
    client.expire("leafgate:wait", 3600)
    assert 0 < counts.seconds_left("wait", 2) <= 2
    client.expire("leafgate:wait", 3600)
    counts.incr("wait", 1, 1)
    assert 0 < counts.seconds_left("wait", 30) <= 1

    assert counts.beat() == 1
    client.zadd("leafgate:processes", {"gone": time.time() + 3600})
    assert counts.beat() == 1
