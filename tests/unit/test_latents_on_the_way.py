"""The way from one latent to another: along the arc, and exact at its ends."""

import math
from itertools import pairwise

import numpy as np
import pytest

from leafgate.errors import UserError
from registry.latent_series import (
    MAX_SEED,
    MOST_STEPS,
    latents,
    latents_between,
    on_the_way,
    require_way,
)


def angle(one: np.ndarray, other: np.ndarray) -> float:
    return math.acos(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))


def test_steps_turn_by_the_same_angle_and_stay_on_the_sphere() -> None:
    first, last = np.eye(2, 8, dtype=np.float32) * 3
    found = on_the_way(first, last, np.linspace(0, 1, 10))
    assert np.linalg.norm(found, axis=1) == pytest.approx(3, rel=1e-6)
    turns = [angle(one, other) for one, other in pairwise(found)]
    assert turns == pytest.approx([math.pi / 2 / 9] * 9, rel=1e-4)


def test_the_way_of_two_seeds_begins_and_ends_with_their_first_latents() -> None:
    for steps in (2, 3, MOST_STEPS):
        way = latents_between(range(steps), steps, 7, MAX_SEED, 100)
        assert way.dtype == np.float32
        assert np.array_equal(way[0], latents(range(1), 7, 100)[0])
        assert np.array_equal(way[-1], latents(range(1), MAX_SEED, 100)[0])
    lengths = np.linalg.norm(latents_between(range(9), 9, 7, 8, 100), axis=1)
    assert lengths.min() > 0.95 * min(lengths[0], lengths[-1])  # a straight line sinks to 0.7


def test_a_piece_of_the_way_is_the_same_as_in_the_whole() -> None:
    whole = latents_between(range(40), 40, 1, 2, 16)
    assert np.array_equal(whole[32:], latents_between(range(32, 40), 40, 1, 2, 16))


def test_parallel_and_opposite_latents_are_joined_by_a_straight_line() -> None:
    first = latents(range(1), 3, 50)[0]
    halves = np.array([0, 0.25, 1])
    assert np.array_equal(on_the_way(first, first, halves), np.stack([first] * 3))
    nearly = on_the_way(first, first * np.float32(1 + 1e-6), halves)
    assert np.abs(nearly - first).max() < 1e-5
    double = on_the_way(first, 2 * first, halves)
    assert double[1] == pytest.approx(1.25 * first, rel=1e-6)
    assert on_the_way(first, -first, halves)[1] == pytest.approx(0.5 * first, rel=1e-6)
    nothing = on_the_way(np.zeros_like(first), first, halves)
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize(
    ("steps", "seed", "to_seed"), [(1, 0, 1), (MOST_STEPS + 1, 0, 1), (2, -1, 1), (2, 0, 2**32)]
)
def test_what_is_no_way_is_refused_with_its_numbers(steps: int, seed: int, to_seed: int) -> None:
    with pytest.raises(UserError, match=f"{steps} pictures .* seed {seed} to seed {to_seed}"):
        require_way(steps, seed, to_seed)
