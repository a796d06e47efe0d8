"""Moving windows, plans and the brake on guessing: exact, weighted, and fair to the owner."""

from collections.abc import Callable
from typing import Any

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving import local_counts, sign_in
from serving.address_limit import SlidingCounters
from serving.addresses import network_of
from serving.counts import Counts
from serving.limits import make_limiter
from serving.local_counts import LocalCounts
from serving.plans import plans_of
from serving.sign_in import BY_NAME, BY_NAME_AND_ADDRESS, Brake

Advance = Callable[[float], None]


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(local_counts, "time", clock)
    monkeypatch.setattr(sign_in, "time", clock)
    return clock


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def test_a_window_moves_with_the_clock_and_never_holds_more_than_its_limit(clock: Clock) -> None:
    counts, passed = LocalCounts(), []
    for _ in range(4000):
        clock.now += 0.05
        if counts.take("ada", 600, 60, 1):
            passed.append(clock.now)
    for moment in passed:
        assert sum(1 for other in passed if moment - 60 < other <= moment) <= 600
    assert len(passed) == pytest.approx(200 / 60 * 600, rel=0.11)
    assert len(counts._windows["ada"].entries) <= local_counts.STEPS + 1


def test_a_call_weighs_what_it_costs_and_the_wait_is_honest(clock: Clock) -> None:
    counts = LocalCounts()
    assert counts.take("ada", 10, 60, 4)
    clock.now += 20
    assert counts.take("ada", 10, 60, 6)
    assert not counts.take("ada", 10, 60, 1)
    assert counts.look("ada", 10, 60) == (clock.now - 20, 10)
    assert counts.wait_seconds("ada", 10, 60, 4) == 40
    assert counts.wait_seconds("ada", 10, 60, 5) == 60
    clock.now += 39
    assert not counts.take("ada", 10, 60, 4)
    clock.now += 1
    assert not counts.take("ada", 10, 60, 5)
    assert counts.take("ada", 10, 60, 4)
    assert counts.take("eve", 10, 60, 10)  # a window of her own


def test_a_process_alone_grants_its_share_and_a_large_call_at_a_time(clock: Clock) -> None:
    counts = LocalCounts()
    counts.shares = 4
    assert [counts.take("ada", 8, 60, 1) for _ in range(3)] == [True, True, False]
    assert counts.look("ada", 8, 60)[1] == 8
    assert counts.take("eve", 8, 60, 8)  # larger than the share of two, and nothing taken yet
    assert not counts.take("eve", 8, 60, 1)
    assert counts.wait_seconds("eve", 8, 60, 1) == 60
    assert not counts.take("bob", 8, 60, 9)


def test_idle_windows_and_old_counters_are_swept(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = LocalCounts()
    for number in range(500):
        counts.take(f"user {number}", 10, 60, 1)
        counts.incr(f"counter {number}", 60, 1)
    clock.now += 61
    for _ in range(local_counts.SWEEP_EVERY):
        counts.take("ada", 10_000, 60, 1)
    assert set(counts._windows) == {"ada"}
    assert counts._counters == {}
    monkeypatch.setattr(local_counts, "MOST_COUNTERS", 10)
    for number in range(50):
        counts.incr(f"counter {number}", 60, 1)
    assert len(counts._counters) == 10


def test_an_address_slides_out_of_its_limit(clock: Clock) -> None:
    counters = SlidingCounters(10, 60, clock.time)
    assert [counters.hit("a") > 0 for _ in range(12)] == [False] * 10 + [True] * 2
    assert counters.hit("b") == 0
    wait = counters.hit("a")
    clock.now += wait - 0.01
    assert counters.hit("a") > 0
    clock.now += 0.02
    assert counters.hit("a") == 0
    wait = counters.hit("a")
    assert 0 < wait < 60
    clock.now += wait
    assert counters.hit("a") == 0
    clock.now += 3600
    assert [counters.hit("a") > 0 for _ in range(11)] == [False] * 10 + [True]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_the_wait_that_an_address_is_told_is_enough(limit: int, clock: Clock) -> None:
    counters = SlidingCounters(limit, 60, clock.time)
    for step in range(200):
        wait = counters.hit("a")
        assert wait < 121
        clock.now += wait + 1e-6
        if wait:
            assert counters.hit("a") == 0
        clock.now += step % 5


def test_memory_for_addresses_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.address_limit.MOST_ADDRESSES", 100)
    counters = SlidingCounters(10, 60, clock.time)
    for number in range(1000):
        counters.hit(str(number))
        assert len(counters._windows) <= 100


def test_an_ipv6_customer_is_one_and_an_ipv4_address_is_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("not:an:address") == "not:an:address"


def test_waits_double_from_a_second_to_five_minutes() -> None:
    waits = [BY_NAME_AND_ADDRESS.wait_seconds(failures) for failures in range(1, 18)]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert BY_NAME_AND_ADDRESS.wait_seconds(10_000) == 300
    assert BY_NAME.wait_seconds(10_000) == 8


def guess(brake: Brake, clock: Clock, address: str, times: int) -> None:
    """Fail as fast as the brake lets one."""
    for _ in range(times):
        clock.now += brake.wait_seconds("ada", address)
        brake.failed("ada", address)


def test_failures_slow_down_one_name_at_one_address(clock: Clock) -> None:
    brake = Brake(Counts())
    guess(brake, clock, "evil", 5)
    assert brake.wait_seconds("ada", "evil") == 1
    assert brake.wait_seconds(" ADA ", "evil") == 1  # the same to a database
    assert brake.wait_seconds("bob", "evil") == brake.wait_seconds("ada", "home") == 0
    guess(brake, clock, "evil", 4)
    assert brake.wait_seconds("ada", "evil") == 16
    brake.succeeded("ada", "evil")
    clock.now += 16
    guess(brake, clock, "evil", 4)
    assert brake.wait_seconds("ada", "evil") == 0  # counted from the start
    guess(brake, clock, "evil", 6)
    clock.now += 3601
    assert brake.wait_seconds("ada", "evil") == 0


def test_many_addresses_slow_a_name_down_but_never_lock_its_owner_out(clock: Clock) -> None:
    brake = Brake(Counts())
    brake.succeeded("ada", "home")
    for number in range(300):
        guess(brake, clock, f"robot {number}", 1)
    assert 0 < brake.wait_seconds("ada", "robot 999") <= BY_NAME.most_seconds
    assert brake.wait_seconds("ada", "home") == 0
    assert 0 < brake.wait_seconds("ada", "a new place") <= BY_NAME.most_seconds


def test_plans_are_read_and_an_unknown_one_is_standard() -> None:
    plans = plans_of(settings(plans='{"lab": {"predict": "9/minute;50/hour"}}'))
    assert plans.limit("lab", "predict") == "9/minute;50/hour"
    assert plans.most("lab", "predict") == 9
    assert plans.limit("lab", "generate") == plans.limit("standard", "generate") == "1000/minute"
    assert plans.limit("who knows", "predict") == "600/minute"
    assert plans_of(settings()).most("plus", "predict") == 6000
    assert plans_of(settings(plans="")).limits.keys() == {"standard"}
    with pytest.raises(UserError, match="no plan 'gold'") as raised:
        plans.require("gold")
    assert "standard, lab" in raised.value.fix


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("plans", "{", "LEAFGATE_PLANS is no JSON"),
        ("plans", "[]", "no JSON object"),
        ("plans", '{"lab": 7}', "gives 'lab' no limits"),
        ("plans", '{"lab": {"fly": "1/minute"}}', "a limit for 'fly'"),
        ("plans", '{"lab": {"predict": "often"}}', "LEAFGATE_PLANS, lab, predict='often'"),
        ("plans", '{"standard": {}}', "redefines 'standard'"),
        ("predict_limit", "600", "LEAFGATE_PREDICT_LIMIT='600' is no limit"),
        ("predict_limit", "0/minute", "is no limit"),
        ("generate_limit", "", "LEAFGATE_GENERATE_LIMIT='' is no limit"),
        ("feedback_limit", "-1/minute", "LEAFGATE_FEEDBACK_LIMIT='-1/minute' is no limit"),
        ("token_limit", "ten a minute", "LEAFGATE_TOKEN_LIMIT"),
        ("move_limit", "seldom", "LEAFGATE_MOVE_LIMIT"),
        ("redis_url", "http://here", "LEAFGATE_REDIS_URL"),
    ],
)
def test_a_limit_that_is_none_stops_the_start(name: str, value: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        make_limiter(settings(**{name: value}))
