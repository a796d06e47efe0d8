"""Pictures of a generator and the page that shows them."""

import io
import re
from dataclasses import replace
from html import unescape
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from leafgate.images import Pixels, encode_png
from leafgate.picture_sheet import sheet
from registry.extractors import PixelFeatures
from tests.painters import CENTRES, LATENT, ColourSense, Floats, coloured, painter, real_side
from training.gan.evaluation.evidence import Evidence, LabelledSide, gather
from training.gan.evaluation.measure import GeneratorEvaluation, measure
from training.gan.evaluation.page import page
from training.gan.evaluation.pictures import (
    interpolation,
    pictures,
    progress_gif,
    samples_by_class,
    slerp,
    tsne,
)

EVIL = ("<b>rust</b> $5", "blight_$", "healthy \\frac{$")


class Case(NamedTuple):
    """Everything about one generator."""

    evidence: Evidence
    result: GeneratorEvaluation
    drawn: dict[str, bytes]


@pytest.fixture(scope="module")
def case() -> Case:
    """A generator whose classes look like markup and formulas."""
    sense = replace(ColourSense(), labels=EVIL)
    train, test = real_side(10, seed=1), real_side(8, seed=2)
    evidence = gather(painter(classes=EVIL), sense, None, train, test, 24, 3)
    result = measure(evidence)
    return Case(evidence, result, pictures(evidence, result))


def opened(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_a_path_between_latents_stays_as_far_from_the_middle() -> None:
    rng = np.random.default_rng(0)
    start, end = rng.standard_normal((2, 64))
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    path = slerp(start, end, 7)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(start), rtol=1e-5)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-4)


@pytest.mark.parametrize("times", [1, 2, -1])
def test_a_path_between_latents_of_one_direction_is_straight(times: int) -> None:
    start = np.array([3.0, -4.0])
    path = slerp(start, times * start, 3)
    np.testing.assert_allclose(path[1], start * (1 + times) / 2, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_sheet_shows_every_pixel_of_every_kind_of_picture(channels: int) -> None:
    seen = np.zeros((2, 32, 32, channels), np.uint8)
    if channels in (2, 4):
        seen[..., -1] = 255
        seen[1, ..., -1] = 0  # seen through
    shown = opened(sheet([seen], ["a name"], [["", "0.5"]], ["one", "two"]))
    black = 64 * 64 * (1 if channels in (2, 4) else 2)
    assert black <= (shown == 0).all(axis=-1).sum() < black + 64  # and some of the letters


def test_every_class_has_its_row_of_samples() -> None:
    shown = opened(
        samples_by_class(painter(lambda i: coloured(i[:, LATENT:] @ CENTRES, 0 * i[:, :LATENT])), 0)
    )
    right = shown[:, shown.shape[1] // 2 :].reshape(-1, 3)
    for centre in CENTRES:
        colour = np.rint((centre + 1) * 127.5)
        assert (np.abs(right - colour).max(axis=1) <= 8).sum() > 4 * 64 * 64


def test_one_row_leads_from_one_class_to_another() -> None:
    def stripes(inputs: Floats) -> Floats:
        return coloured(inputs[:, LATENT:] @ CENTRES, 0 * inputs[:, :LATENT])

    last = opened(interpolation(painter(stripes), 0))[-40]
    green_like = np.abs(last - np.rint((CENTRES[[0, 2]].mean(axis=0) + 1) * 127.5)).max(axis=1)
    assert (green_like <= 8).sum() >= 64  # the middle picture is half of one, half of the other


def test_all_pictures_are_drawn_with_names_as_they_are(case: Case) -> None:
    assert set(case.drawn) == {
        "samples.png", "closest.png", "neighbours.png", "interpolation.png", "tsne.png",
        "classes.png",
    }  # fmt: skip
    for png in case.drawn.values():
        assert opened(png).size


def test_grey_and_unconditional_generators_are_shown_too() -> None:
    def grey(latents: Floats) -> Floats:
        return coloured(CENTRES[[0] * len(latents)], latents)[..., :1]

    train = real_side(6, 1)
    side = LabelledSide(train.images[..., :1], train.labels)
    generator = painter(grey, conditional=False, channels=1)
    evidence = gather(generator, PixelFeatures(), None, side, side, 12, 0)
    drawn = pictures(evidence, measure(evidence))
    assert "classes.png" not in drawn
    assert opened(drawn["interpolation.png"]).size


def test_a_map_of_hardly_any_images_is_not_drawn_but_said_to_be_missing() -> None:
    assert opened(tsne(np.zeros((0, 3)), np.zeros((5, 3)), 0)).size


def test_the_gif_shows_first_and_last_of_many_epochs_and_holds_the_last() -> None:
    frames = [encode_png(np.full((20, 30, 3), 2 * n, np.uint8)) for n in range(120)]
    gif = Image.open(io.BytesIO(progress_gif(frames)))
    assert gif.n_frames == 60  # type: ignore[attr-defined]
    assert gif.info["duration"] == 150
    assert np.asarray(gif.convert("RGB")).max() <= 4
    gif.seek(59)
    assert gif.info["duration"] == 3000
    assert np.asarray(gif.convert("RGB")).min() >= 234
    with pytest.raises(ValueError, match="no frames"):
        progress_gif([])


def test_large_frames_are_made_smaller() -> None:
    gif = Image.open(io.BytesIO(progress_gif([encode_png(np.zeros((900, 1100, 3), np.uint8))])))
    assert max(gif.size) == 512


def test_the_page_shows_samples_first_then_copies_then_figures(case: Case) -> None:
    html = page(case.result, case.drawn)
    told = ["The first pictures", "Does it memorise?", "Pictures nearest to", "<h2>Figures"]
    places = [html.index(words) for words in told]
    assert places == sorted(places)
    assert html.count("<img ") == 6


def test_the_page_names_every_figure_its_images_and_what_it_was_computed_with(case: Case) -> None:
    told = words(page(case.result, case.drawn))
    for figure in case.result.figures:
        assert figure.name in told
        assert figure.title in told
    assert "24 pictures of a class asked for, seed 3, against 24 real test images" in told
    assert "Computed with a sense of colour, version 3" in told
    assert "recognised in 100.0% of the pictures; chance is 33.3%" in told
    assert "of 24 real test images at the same size the classifier recognises 100.0%" in told
    assert "biased upwards" in told
    assert "features and recognised classes come from one classifier" in told


def test_no_class_name_becomes_markup_and_nothing_comes_from_elsewhere(case: Case) -> None:
    html = page(case.result, case.drawn)
    assert "<b>rust" not in html
    assert "&lt;b&gt;rust&lt;/b&gt; $5" in html
    assert not re.findall(r"https?://|<link|url\(|<script", html)
    assert set(re.findall(r'src="([^"]{15})', html)) == {"data:image/png;"}


def test_what_is_missing_is_left_out(case: Case) -> None:
    gif = progress_gif([case.drawn["samples.png"]])
    html = page(replace(case.result, classes=None), {"progress.gif": gif})
    assert "Classes" not in html
    assert re.findall(r'src="([^"]{15})', html) == ["data:image/gif;"]
    assert "nan" not in words(page(case.result, {}))
