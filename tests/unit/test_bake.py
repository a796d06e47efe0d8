"""A version just promoted is taken back where it surely does worse, and only there."""

import pytest

from serving.bake import Bake, Bounds, judge, lowest
from serving.tally import RECENT, Figures, Tally

BOUNDS = Bounds(10, 50, error_points=1, unknown_points=10, latency_ratio=2)
FINE = Figures(1000, 0, 50, 10.0)


def test_a_version_like_the_one_before_stays() -> None:
    assert judge(BOUNDS, FINE, Figures(1000, 0, 60, 11.0)) is None


@pytest.mark.parametrize(
    ("now", "bound", "words"),
    [
        (Figures(100, 8, 5, 10.0), "errors", "8.0% of 100 images"),
        (Figures(100, 0, 40, 10.0), "unknown", "40.0% of 100 images, the version before on 5.0%"),
        (Figures(100, 0, 5, 25.0), "latency", "25.0 ms, 2.5 times as long as before"),
    ],
)
def test_what_is_surely_worse_goes_back_and_says_why(now: Figures, bound: str, words: str) -> None:
    verdict = judge(BOUNDS, FINE, now)
    assert verdict is not None
    assert verdict.bound == bound
    assert words in verdict.reason


def test_a_few_images_are_no_evidence() -> None:
    assert judge(BOUNDS, FINE, Figures(49, 49, 49, 99.0)) is None


def test_what_may_be_chance_does_not_undo_a_promotion() -> None:
    assert judge(BOUNDS, FINE, Figures(60, 1, 12, 10.0)) is None  # 20 % unknown, but of 60


def test_without_a_past_only_failures_count() -> None:
    nothing = Figures(0, 0, 0, None)
    assert judge(BOUNDS, nothing, Figures(100, 0, 90, 99.0)) is None
    verdict = judge(BOUNDS, nothing, Figures(100, 50, 0, 99.0))
    assert verdict is not None
    assert verdict.bound == "errors"


def test_the_lower_end_of_wilsons_interval() -> None:
    assert lowest(8, 100) == pytest.approx(0.0411, abs=1e-3)
    assert lowest(0, 50) == 0


def test_only_the_newest_images_are_remembered() -> None:
    tally = Tally()
    for _ in range(RECENT):
        tally.failed()
    for _ in range(RECENT):
        tally.answered(unknown=True)
        tally.took(4.0)
    assert tally.figures() == Figures(RECENT, 0, RECENT, 4.0)


def test_a_watch_ends_after_its_time() -> None:
    assert not Bake(BOUNDS, FINE, Tally()).is_over
    assert Bake(Bounds(0, 50, 1, 10, 2), FINE, Tally()).is_over
