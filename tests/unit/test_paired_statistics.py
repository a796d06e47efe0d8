"""Two classifiers on the same images: the tests are exact, the pair of them keeps its promise."""

import math
import warnings
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from scipy import stats

from leafgate.metrics.classification import accuracy, macro_f1
from leafgate.metrics.paired import compare, mcnemar, mcnemar_power

Answers = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def names(groups: np.ndarray) -> list[str]:
    return [f"leaf-{group}" for group in groups]


def answers(rng: np.random.Generator, images: int, gap: float = 0.0, shots: int = 1) -> Answers:
    """Of 4 classes, 80 % right, the candidate `gap` less; shots of a leaf are answered alike."""
    leaf = np.arange(images) // shots
    truth = rng.integers(0, 4, images)[leaf]
    hard = rng.random(images)[leaf]
    given = []
    for share in (0.8 - gap, 0.8):
        luck = np.where(rng.random(images) < 0.5, hard, rng.random(images))[leaf]
        given.append(np.where(luck < share, truth, (truth + rng.integers(1, 4, images)) % 4))
    return truth, given[0], given[1]


def discordant(only_candidate: int, only_champion: int) -> tuple[np.ndarray, np.ndarray]:
    """Who is right, on two images more: one that both get right, one that neither does."""
    ours = [True] * only_candidate + [False] * only_champion + [True, False]
    theirs = [False] * only_candidate + [True] * only_champion + [True, False]
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize(
    ("only_candidate", "only_champion", "by_hand"),
    [
        (0, 5, 1 / 32),  # 2 * (1/32) - 1/32
        (1, 4, 7 / 32),  # 2 * (1 + 5)/32 - 5/32
        (4, 1, 7 / 32),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_the_mid_p_value_worked_out_by_hand(
    only_candidate: int, only_champion: int, by_hand: float
) -> None:
    assert mcnemar(*discordant(only_candidate, only_champion)) == pytest.approx(by_hand)


@pytest.mark.parametrize(("b", "c"), [(7, 19), (40, 40), (130, 96), (0, 60)])
def test_mcnemar_is_the_binomial_test_less_half_of_the_outcomes_seen(b: int, c: int) -> None:
    exact = stats.binomtest(b, b + c, 0.5).pvalue
    expected = exact - stats.binom.pmf(b, b + c, 0.5) if b != c else 1.0
    assert mcnemar(*discordant(b, c)) == pytest.approx(expected)


def test_groups_of_one_image_are_no_groups() -> None:
    truth, ours, theirs = answers(np.random.default_rng(3), 300, gap=0.05)
    right = ours == truth, theirs == truth
    assert mcnemar(*right, names(np.arange(300))) == pytest.approx(mcnemar(*right))


@pytest.mark.parametrize("seed", range(4))
def test_groups_change_sides_as_a_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 9, 40)
    ours, theirs = rng.random(40) < 0.8, rng.random(40) < 0.5
    each = np.array([int((ours[groups == g]).sum() - theirs[groups == g].sum()) for g in range(9)])
    sums = np.array([np.dot(signs, each) for signs in product((-1, 1), repeat=9)])
    seen = abs(each.sum())
    more, same = np.mean(np.abs(sums) > seen), np.mean(np.abs(sums) == seen)
    expected = more + same / 2 if seen else 1.0
    assert mcnemar(ours, theirs, names(groups)) == pytest.approx(expected)


def test_the_p_value_of_twenty_thousand_images_in_leaves_is_close_to_the_normal_one() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 4000, 20_000)
    ours, theirs = rng.random(20_000) < 0.803, rng.random(20_000) < 0.8
    each = np.bincount(groups, weights=ours.astype(int) - theirs)
    normal = 2 * stats.norm.sf(abs(each.sum()) / math.sqrt(each @ each))
    assert 0.01 < normal < 0.9
    assert mcnemar(ours, theirs, names(groups)) == pytest.approx(normal, rel=0.01)


def test_differences_are_those_of_the_figures_themselves() -> None:
    truth, ours, theirs = answers(np.random.default_rng(1), 200)
    ours[:9] = -1  # no known class
    found = compare(truth, ours, theirs, 4, names(np.arange(200)))
    assert found.accuracy.value == pytest.approx(accuracy(truth, ours) - accuracy(truth, theirs))
    known = np.where(ours < 0, 4, ours)  # a fifth class, whose F1 is 0
    of_ours = macro_f1(truth, known, 5) * 5 / 4
    assert found.macro_f1.value == pytest.approx(of_ours - macro_f1(truth, theirs, 4))
    assert found.only_candidate_right == int(((ours == truth) & (theirs != truth)).sum())
    assert found.only_champion_right == int(((ours != truth) & (theirs == truth)).sum())
    assert found.p_accuracy == pytest.approx(mcnemar(ours == truth, theirs == truth))


@pytest.mark.parametrize("groups", [7, 1000])
def test_the_interval_is_as_wide_as_the_formula_says(groups: int) -> None:
    truth, ours, theirs = answers(np.random.default_rng(5), 1000)
    place = np.arange(1000) * groups // 1000
    found = compare(truth, ours, theirs, 4, names(place))
    each = np.bincount(place, weights=(ours == truth).astype(int) - (theirs == truth))
    error = np.std(each, ddof=1) * math.sqrt(groups) / 1000
    width = 2 * stats.t.isf(found.level / 2, groups - 1) * error
    assert found.accuracy.high - found.accuracy.low == pytest.approx(width, rel=0.05)


def test_the_level_is_the_stricter_the_less_the_two_figures_go_together() -> None:
    rng = np.random.default_rng(6)
    groups = names(np.arange(600))
    even = compare(*answers(rng, 600), 4, groups).level
    truth = np.repeat([0, 1], [580, 20])
    ours, theirs = np.where(rng.random((2, 600)) < 0.05 + 0.25 * truth, 1 - truth, truth)
    uneven = compare(truth, ours, theirs, 2, groups).level
    assert 0.025 <= uneven < 0.035 < 0.04 < even <= 0.05


def test_the_interval_leaves_out_zero_where_the_difference_is_shown() -> None:
    for seed in range(20):
        truth, ours, theirs = answers(np.random.default_rng(seed), 150, gap=0.07)
        found = compare(truth, ours, theirs, 4, names(np.arange(150)), draws=300)
        apart = not found.macro_f1.low <= 0 <= found.macro_f1.high
        assert apart == (found.p_macro_f1 < found.level)


def test_shots_of_one_leaf_count_as_fewer() -> None:
    truth, ours, theirs = answers(np.random.default_rng(2), 600, shots=6)
    single = compare(truth, ours, theirs, 4, names(np.arange(600)))
    grouped = compare(truth, ours, theirs, 4, names(np.arange(600) // 6))
    for figure in ("accuracy", "macro_f1"):
        of_single, of_grouped = getattr(single, figure), getattr(grouped, figure)
        assert of_grouped.value == of_single.value
        assert of_grouped.high - of_grouped.low > 1.5 * (of_single.high - of_single.low)


def test_the_same_seed_gives_the_same_answer_and_models_can_change_places() -> None:
    truth, ours, theirs = answers(np.random.default_rng(4), 1000, gap=0.08)
    groups = names(np.arange(1000) // 2)
    found = compare(truth, ours, theirs, 4, groups)
    assert found == compare(truth, ours, theirs, 4, groups)
    turned = compare(truth, theirs, ours, 4, groups)
    assert (found.outcome, turned.outcome) == ("worse", "better")
    assert turned.macro_f1.low == pytest.approx(-found.macro_f1.high)
    assert (turned.p_accuracy, turned.level) == pytest.approx((found.p_accuracy, found.level))


def test_worse_in_one_figure_is_worse_even_if_the_other_is_better() -> None:
    """The candidate gains on the many images of one class and never names the rare one."""
    truth = np.repeat([0, 1], [950, 50])
    theirs = np.where(np.arange(1000) < 200, 1, truth)
    found = compare(truth, np.zeros(1000, int), theirs, 2, names(np.arange(1000)))
    assert found.accuracy.value > 0 > found.macro_f1.value
    assert max(found.p_accuracy, found.p_macro_f1) < found.level
    assert found.outcome == "worse"


@pytest.mark.parametrize("shots", [1, 3])
def test_equal_models_are_told_apart_in_about_five_cases_in_a_hundred(shots: int) -> None:
    rng = np.random.default_rng(7)
    groups = names(np.arange(150) // shots)
    told = [compare(*answers(rng, 150, shots=shots), 4, groups, draws=300) for _ in range(300)]
    alarms = sum(found.outcome != "not shown to differ" for found in told)
    assert 6 <= alarms <= 26  # 15 expected; outside in 1 of 200 seeds


def test_power_is_how_often_simulated_pairs_are_told_apart() -> None:
    counts = np.random.default_rng(0).multinomial(300, [0.12, 0.07, 0.81], size=1500)
    found = [mcnemar(*discordant(int(b), int(c))) < 0.05 for b, c, _ in counts]
    assert mcnemar_power(0.12, 0.07, 300) == pytest.approx(np.mean(found), abs=0.035)


def test_power_without_a_gap_is_the_level_and_grows_with_the_images() -> None:
    assert mcnemar_power(0.1, 0.1, 1000) == pytest.approx(0.05, abs=0.003)
    powers = [mcnemar_power(0.10, 0.07, images) for images in (100, 300, 1000, 3000)]
    assert powers == sorted(powers)
    assert mcnemar_power(0.10, 0.07, 1000) == pytest.approx(mcnemar_power(0.07, 0.10, 1000))
    assert (mcnemar_power(0, 0, 1000), mcnemar_power(0.1, 0.1, 0)) == (0.0, 0.0)
    assert (mcnemar_power(1, 0, 5, alpha=0.03), mcnemar_power(1, 0, 5)) == (0.0, 1.0)


def test_without_images_nothing_is_shown() -> None:
    none = np.array([], int)
    found = compare(none, none, none, 3, [])
    assert math.isnan(found.accuracy.value)
    assert math.isnan(found.macro_f1.low)
    assert found.outcome == "not shown to differ"


def test_models_of_the_same_answers_do_not_differ() -> None:
    truth, ours, _ = answers(np.random.default_rng(0), 50)
    found = compare(truth, ours, ours.copy(), 4, names(np.arange(50)))
    assert (found.accuracy.value, found.accuracy.low, found.macro_f1.high) == (0, 0, 0)
    assert (found.p_accuracy, found.p_macro_f1) == (1, 1)
    assert found.outcome == "not shown to differ"


@pytest.mark.parametrize(
    ("groups", "outcome"), [(1, "not shown to differ"), (4, "not shown to differ"), (60, "better")]
)
def test_a_difference_that_never_varies_is_shown_by_many_groups_alone(
    groups: int, outcome: str
) -> None:
    """The bootstrap's spread is 0 here: it may not pass for certainty."""
    place = np.arange(60) % groups
    found = compare(np.zeros(60, int), np.zeros(60, int), np.full(60, -1), 1, names(place))
    assert found.macro_f1.value == 1
    assert found.p_macro_f1 == pytest.approx(0.5**groups)
    assert math.isnan(found.macro_f1.low) == (groups == 1)
    assert found.outcome == outcome


def test_what_cannot_be_compared_is_refused() -> None:
    three, two = np.array([0, 1, 2]), np.array([0, 1])
    for truth, ours, classes in ((three, two, 3), (three, three, 2), (three - 1, three, 3)):
        with pytest.raises(ValueError, match=r"\d"):
            compare(truth, ours, three, classes, names(three))
    with pytest.raises(ValueError, match="3 images and to 2"):
        mcnemar(three > 0, two > 0)
    with pytest.raises(ValueError, match="no shares"):
        mcnemar_power(0.7, 0.4, 100)
