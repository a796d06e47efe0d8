"""How much is taken on, and what those are told who come when it is too much."""

import pytest

from serving.admission import Admission
from serving.refusals import TryLater


def admission(most_images: int = 8, most_wait: float = 1.0, pace: float = 0.1) -> Admission:
    return Admission(most_images, most_wait, lambda: pace)


def test_images_count_until_they_are_answered() -> None:
    door = admission()
    with door.admit(3), door.admit(2):
        assert door.images == 5
    assert door.images == 0


def test_a_failed_answer_counts_no_longer_either() -> None:
    door = admission()
    with pytest.raises(ValueError, match="bad"), door.admit(3):
        raise ValueError("bad")
    assert door.images == 0


def test_beyond_the_number_of_images_a_request_is_refused_at_once() -> None:
    door = admission(most_images=4, pace=0.01)
    with door.admit(4), pytest.raises(TryLater) as raised, door.admit(1):
        pass
    assert raised.value.code == "overloaded"
    assert "4 images are under way" in raised.value.problem
    assert door.images == 0


def test_beyond_the_wait_too_and_it_is_told_when_to_come_back() -> None:
    door = admission(most_images=100, most_wait=1.0, pace=0.5)
    with door.admit(5), pytest.raises(TryLater) as raised, door.admit(1):
        pass
    assert raised.value.retry_after_seconds == 3  # 5 images of half a second
    assert "2.5 s" in raised.value.problem


def test_a_user_with_hundreds_of_images_is_refused_and_not_everybody_else() -> None:
    door = admission(most_images=8, most_wait=1.0, pace=0.1)
    with door.admit(512, "eve"):
        with pytest.raises(TryLater), door.admit(1, "eve"):
            pass
        assert not door.is_full()
        with door.admit(3, "ada"):
            assert door.wait_seconds("ada") == pytest.approx(0.7)  # hers, and four of eve's
            with door.admit(1, "bob"):
                assert door.ahead("bob") == 5  # two of ada's and of eve's each go before another
            door.require_room("ada")
    assert (door.images, door.ahead("eve")) == (0, 0)


def test_an_idle_service_takes_whatever_fits_one_request() -> None:
    door = admission(most_images=4, most_wait=0.1, pace=10.0)
    with door.admit(64):
        assert door.is_full("ada")


def test_an_answer_that_has_begun_is_not_refused_half_way() -> None:
    door = admission(most_images=4)
    with door.admit(4), door.hold(32):
        assert door.images == 36
    assert door.images == 0
