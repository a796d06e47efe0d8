"""The one door for images: what comes in is an RGB array, or an error that says what to do."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import ImageError, UserError
from leafgate.images import (
    FORMATS,
    ImageLimits,
    Pixels,
    decode,
    encode_png,
    grid,
    load_images,
    resize,
    to_rgb,
)


def picture(height: int = 30, width: int = 40) -> Pixels:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_png_comes_back_as_it_went() -> None:
    assert np.array_equal(decode(encode_png(picture())), picture())


@pytest.mark.parametrize("kind", FORMATS)
def test_every_listed_format_is_read(kind: str) -> None:
    assert decode(encoded(Image.fromarray(picture()), kind)).shape == (30, 40, 3)


def test_words_named_jpg_are_no_image() -> None:
    with pytest.raises(ImageError) as raised:
        decode(b"these are words")
    assert raised.value.code == "not_an_image"
    assert "JPEG" in raised.value.fix


def test_an_empty_file_is_said_to_be_empty() -> None:
    with pytest.raises(ImageError, match="empty"):
        decode(b"")


def test_a_cut_off_jpeg_is_unreadable() -> None:
    data = encoded(Image.fromarray(picture(200, 200)), "JPEG")
    with pytest.raises(ImageError) as raised:
        decode(data[: len(data) // 2])
    assert raised.value.code == "unreadable_image"


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    data = encoded(Image.new("L", (5000, 5000)), "PNG")
    with pytest.raises(ImageError, match=r"5000 x 5000 = 25,000,000") as raised:
        decode(data, ImageLimits(max_pixels=1_000_000))
    assert raised.value.code == "image_too_large"


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ImageError, match="1,001 bytes"):
        decode(b"x" * 1001, ImageLimits(max_bytes=1000))


def test_a_sideways_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    data = encoded(Image.fromarray(picture(30, 40)), "JPEG", exif=exif)
    assert decode(data).shape == (40, 30, 3)


def test_transparency_is_laid_on_white() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (200, 0, 0, 0)), "PNG")
    assert (decode(data) == 255).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_in_colour_are_what_is_read_from_their_file(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 16, channels)).astype(np.uint8)
    assert np.array_equal(to_rgb(image), decode(encode_png(image)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_of_any_number_of_channels_comes_back_as_it_went(
    channels: int, tmp_path: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 16, channels)).astype(np.uint8)
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(image))
    assert np.array_equal(decode(file.read_bytes(), channels=channels), image)
    (loaded,) = load_images([file], 16, channels=channels)
    assert np.array_equal(loaded, image)
    assert load_images([file], 8, channels=channels).shape == (1, 8, 8, channels)
    assert grid(image[None], 1, gap=1).shape == (18, 18, channels)


def test_alpha_is_kept_where_it_is_asked_for_and_opaque_where_there_is_none() -> None:
    clear = encoded(Image.new("RGBA", (4, 4), (200, 10, 10, 0)), "PNG")
    assert (decode(clear, channels=4) == (200, 10, 10, 0)).all()
    assert (decode(clear, channels=1) == 255).all()
    assert (decode(clear, channels=2)[..., 1] == 0).all()
    assert (decode(encode_png(picture()), channels=4)[..., 3] == 255).all()


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(UserError, match="5 channels") as raised:
        decode(encode_png(picture()), channels=5)
    assert raised.value.code == "unknown_channels"


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    shades = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert shades.shape == (8, 8, 3)
    assert shades.min() == 0
    assert shades.max() == 255


def test_resize_gives_a_square_and_leaves_a_fitting_image_alone() -> None:
    assert resize(picture(), 16).shape == (16, 16, 3)
    square = picture(16, 16)
    assert resize(square, 16) is square


def test_loading_names_the_file_that_is_broken(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode_png(picture()))
    bad.write_bytes(b"words")
    assert load_images([good, good], 8).shape == (2, 8, 8, 3)
    with pytest.raises(ImageError, match=r"bad\.png"):
        load_images([good, bad], 8)


def test_text_chunks_are_kept_in_any_language() -> None:
    image = Image.open(
        io.BytesIO(encode_png(picture(), {"synthetic": "true", "class": "rouille ü"}))
    )
    assert image.text == {"synthetic": "true", "class": "rouille ü"}  # type: ignore[attr-defined]


def test_a_grid_shows_every_image_once() -> None:
    images = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)])
    sheet = grid(images, columns=2, gap=1)
    assert sheet.shape == (11, 11, 3)
    assert {value: int((sheet == value).all(axis=2).sum()) for value in (10, 20, 30)} == {
        10: 16,
        20: 16,
        30: 16,
    }


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damaged_bytes_bring_an_image_or_an_image_error_and_nothing_else(kind: str) -> None:
    rng = np.random.default_rng(7)
    whole = np.frombuffer(encoded(Image.fromarray(picture()), kind), np.uint8)
    for _ in range(150):
        damaged = whole.copy()
        at = rng.integers(0, len(damaged), rng.integers(1, 12))
        damaged[at] = rng.integers(0, 256, len(at))
        cut = rng.integers(1, len(damaged) + 1)
        try:
            assert decode(damaged[:cut].tobytes(), ImageLimits(max_pixels=10**6)).ndim == 3
        except ImageError as error:
            assert error.code in ("not_an_image", "unreadable_image", "image_too_large")
