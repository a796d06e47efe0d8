"""A heat map over its picture: hot places are coloured, cold ones stay as they were."""

import numpy as np

from registry.heat import STOPS, beside, colours, overlay

GREY = np.full((60, 80, 3), 128, np.uint8)
HOT_LEFT = np.array([[1, 0]] * 2, np.float32).repeat(2, axis=0).repeat(2, axis=1)


def redness(pixels: np.ndarray) -> float:
    return float((pixels[..., 0].astype(float) - pixels[..., 2]).mean())


def test_the_picture_keeps_its_size_and_kind() -> None:
    tinted = overlay(GREY, HOT_LEFT)
    assert tinted.shape == GREY.shape
    assert tinted.dtype == np.uint8


def test_a_hot_place_is_redder_than_a_cold_one() -> None:
    tinted = overlay(GREY, HOT_LEFT)
    assert redness(tinted[:, :20]) > 30
    assert redness(tinted[:, :20]) > redness(tinted[:, -20:]) + 30
    assert redness(overlay(GREY, HOT_LEFT[:, ::-1])[:, -20:]) > 30


def test_a_picture_without_heat_is_left_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 30, 3)).astype(np.uint8)
    assert np.array_equal(overlay(picture, np.zeros((7, 7), np.float32)), picture)


def test_the_picture_still_shows_through_the_hottest_place() -> None:
    hot = np.ones((2, 2), np.float32)
    black, white = (overlay(np.full_like(GREY, grey), hot) for grey in (0, 255))
    assert (white.astype(int) - black).min() > 80


def test_the_picture_itself_is_not_painted_on() -> None:
    picture = GREY.copy()
    overlay(picture, HOT_LEFT)
    beside(picture, HOT_LEFT)
    assert np.array_equal(picture, GREY)


def test_colours_run_from_dark_to_light_through_the_stops() -> None:
    values = np.linspace(0, 1, 101, dtype=np.float32)
    shades = colours(values)
    assert np.allclose(shades[0], STOPS[0])
    assert np.allclose(shades[-1], STOPS[-1])
    assert np.allclose(shades[50], STOPS[2], atol=0.01)
    assert (np.diff(shades @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_both_stand_next_to_each_other() -> None:
    pair = beside(GREY, HOT_LEFT, side=48)
    assert pair.shape == (48, 96, 3)
    assert (pair[:, :48] == 128).all()
    assert np.array_equal(pair[:, 48:], overlay(np.full((48, 48, 3), 128, np.uint8), HOT_LEFT))
