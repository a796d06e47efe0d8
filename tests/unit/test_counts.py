"""Moving windows and plans: exact and weighted, whatever the clock on the wall says."""

from typing import Any

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving import local_counts
from serving.address_limit import SlidingCounters
from serving.addresses import network_of
from serving.limits import make_limiter
from serving.local_counts import LocalCounts
from serving.plans import plans_of
from tests.clocks import Clock, clock_of_counts

HOUR = 3600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return clock_of_counts(monkeypatch)


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
    assert counts.look("ada", 10, 60) == (clock.time() - 20, 10)
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
    counters = SlidingCounters(10, 60, clock.monotonic)
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
    counters = SlidingCounters(limit, 60, clock.monotonic)
    for step in range(200):
        wait = counters.hit("a")
        assert wait < 121
        clock.now += wait + 1e-6
        if wait:
            assert counters.hit("a") == 0
        clock.now += step % 5


def test_memory_for_addresses_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.address_limit.MOST_ADDRESSES", 100)
    counters = SlidingCounters(10, 60, clock.monotonic)
    for number in range(1000):
        counters.hit(str(number))
        assert len(counters._windows) <= 100


def test_an_ipv6_customer_is_one_and_an_ipv4_address_is_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("not:an:address") == "not:an:address"


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_clock_that_is_set_changes_no_budget_and_no_wait(clock: Clock, jump: float) -> None:
    counts = LocalCounts()
    assert counts.take("ada", 10, 60, 10)
    counts.incr("wait", 1, 1)
    clock.set_by(jump)
    assert not counts.take("ada", 10, 60, 1)
    assert counts.wait_seconds("ada", 10, 60, 1) == 60
    assert counts.look("ada", 10, 60) == (clock.time(), 10)
    assert (counts.get("wait"), counts.seconds_left("wait", 30)) == (1, 1)
    assert counts.get_expiry("wait") == clock.time() + 1
    clock.now += 1
    assert (counts.get("wait"), counts.seconds_left("wait", 30)) == (0, 0)
    clock.now += 59
    assert counts.take("ada", 10, 60, 10)


def test_a_flood_of_short_counters_pushes_out_no_lasting_one(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_counts, "MOST_COUNTERS", 10)
    counts = LocalCounts()
    counts.incr("known", 30 * 24 * HOUR, 1)
    for number in range(50):
        counts.incr(f"counter {number}", HOUR, 1)
    assert counts.get("known") == 1
    counts.clear("known")
    assert counts.get("known") == 0


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
        ("redis_url", "redis://here/0?pasword=x", "LEAFGATE_REDIS_URL"),
    ],
)
def test_a_limit_that_is_none_stops_the_start(name: str, value: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        make_limiter(settings(**{name: value}))
