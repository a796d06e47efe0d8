"""Guessing a password: slow for those who guess, and never long for the one who knows it."""

import pytest

from serving.counts import Counts
from serving.login_throttle import (
    BY_NAME,
    BY_NAME_AND_ADDRESS,
    DAY_FAILURES,
    DAY_WAIT_SECONDS,
    DEVICE_FAILURES,
    Attempt,
    LoginThrottle,
)
from tests.clocks import Clock, clock_of_counts

HOUR, DAY = 3600, 24 * 3600
ADA_AT_HOME, EVIL = Attempt("ada", "home"), Attempt("ada", "evil")
HER_BROWSER = Attempt("ada", "home", device="1")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return clock_of_counts(monkeypatch)


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(Counts())


def guess(throttle: LoginThrottle, clock: Clock, attempt: Attempt, times: int) -> None:
    """Fail as fast as one is let."""
    for _ in range(times):
        clock.now += throttle.wait_seconds(attempt)
        assert throttle.begin(attempt) == 0
        throttle.failed(attempt)


def test_waits_double_from_a_second_to_a_few() -> None:
    waits = [BY_NAME_AND_ADDRESS.wait_seconds(failures) for failures in range(1, 11)]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 4, 4, 4]
    assert BY_NAME_AND_ADDRESS.wait_seconds(10_000) == 4
    assert BY_NAME.wait_seconds(10_000) == 8
    assert BY_NAME.wait_seconds(0, DAY_FAILURES) == DAY_WAIT_SECONDS


def test_failures_slow_down_one_name_at_one_address(throttle: LoginThrottle, clock: Clock) -> None:
    guess(throttle, clock, EVIL, 5)
    assert throttle.wait_seconds(EVIL) == 1
    assert throttle.wait_seconds(Attempt(" ADA ", "evil")) == 1  # the same to a database
    assert throttle.wait_seconds(Attempt("bob", "evil")) == throttle.wait_seconds(ADA_AT_HOME) == 0
    guess(throttle, clock, EVIL, 4)
    assert throttle.wait_seconds(EVIL) == 4
    clock.now += 4
    assert throttle.begin(EVIL) == 0
    throttle.succeeded(EVIL)
    guess(throttle, clock, EVIL, 4)
    assert throttle.wait_seconds(EVIL) == 0  # counted from the start
    guess(throttle, clock, EVIL, 6)
    clock.now += HOUR + 1
    assert throttle.wait_seconds(EVIL) == 0


def test_of_many_who_wait_for_the_same_turn_one_gets_it(
    throttle: LoginThrottle, clock: Clock
) -> None:
    guess(throttle, clock, EVIL, 8)
    clock.now += 4
    assert [throttle.begin(EVIL) > 0 for _ in range(50)] == [False] + [True] * 49
    throttle.failed(EVIL)
    assert throttle.begin(EVIL) == 4


def test_failures_at_a_shared_address_delay_the_right_password_by_seconds(
    throttle: LoginThrottle, clock: Clock
) -> None:
    for number in range(60):
        guess(throttle, clock, ADA_AT_HOME, 1)
        assert throttle.wait_seconds(ADA_AT_HOME) <= 8, number
    throttle.succeeded(ADA_AT_HOME)
    for number in range(30):
        guess(throttle, clock, ADA_AT_HOME, 1)
        assert throttle.wait_seconds(ADA_AT_HOME) <= 4, number


def test_many_addresses_slow_a_name_down_but_never_lock_its_owner_out(
    throttle: LoginThrottle, clock: Clock
) -> None:
    throttle.succeeded(ADA_AT_HOME)
    for number in range(90):
        guess(throttle, clock, Attempt("ada", f"robot {number}"), 1)
    assert 0 < throttle.wait_seconds(Attempt("ada", "robot 999")) <= 8
    assert throttle.wait_seconds(ADA_AT_HOME) == 0
    assert 0 < throttle.wait_seconds(Attempt("ada", "a new place")) <= 8
    clock.now += 31 * DAY
    throttle.failed(EVIL)
    assert not throttle.is_known_address(ADA_AT_HOME)


@pytest.mark.parametrize("addresses", [1, 1000])
def test_no_more_than_some_three_thousand_guesses_a_day(
    throttle: LoginThrottle, clock: Clock, addresses: int
) -> None:
    began, guesses = clock.now, 0
    while clock.now < began + DAY:
        attempt = Attempt("ada", f"robot {guesses % addresses}")
        if wait := throttle.begin(attempt):
            clock.now += wait
            continue
        throttle.failed(attempt)
        guesses += 1
    assert 2_500 < guesses < 3_100


def test_a_client_that_has_signed_in_before_is_delayed_by_no_failure_of_others(
    throttle: LoginThrottle, clock: Clock
) -> None:
    guess(throttle, clock, EVIL, 50)
    guess(throttle, clock, ADA_AT_HOME, 2 * DAY_FAILURES)  # by others, from the same address
    assert throttle.wait_seconds(ADA_AT_HOME) > 0
    assert throttle.begin(HER_BROWSER) == 0
    throttle.succeeded(HER_BROWSER)
    assert throttle.wait_seconds(ADA_AT_HOME) > 0  # she has not cleared the way for them


def test_tries_of_such_a_client_are_few_too(throttle: LoginThrottle, clock: Clock) -> None:
    guess(throttle, clock, ADA_AT_HOME, 8)
    guess(throttle, clock, HER_BROWSER, DEVICE_FAILURES)
    assert throttle.wait_seconds(HER_BROWSER) == throttle.wait_seconds(ADA_AT_HOME) > 0
    assert not throttle.is_known_device(HER_BROWSER)
    assert throttle.is_known_device(Attempt("ada", "home", device="2"))
    clock.now += HOUR + 1
    assert throttle.is_known_device(HER_BROWSER)


def test_a_clock_set_back_lengthens_no_wait(throttle: LoginThrottle, clock: Clock) -> None:
    guess(throttle, clock, EVIL, 5)
    clock.set_by(-HOUR)
    assert throttle.wait_seconds(EVIL) == 1
    clock.now += 1
    assert throttle.wait_seconds(EVIL) == 0
