"""What decoding costs is known from the header, and a file cannot ask for more than it says."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import ImageError
from leafgate.images import ImageLimits, OpenedImage, decode, resize, resized, resized_within

SIDES = (800, 600)
LIMITS = ImageLimits(max_pixels=SIDES[0] * SIDES[1], max_reduced_pixels=3 * SIDES[0] * SIDES[1])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(mode: str = "RGB", sides: tuple[int, int] = SIDES) -> Image.Image:
    return Image.new(mode, sides, 1 if mode in ("1", "L", "P", "F", "I", "I;16") else None)


def pixel_work(data: bytes, wanted_size: int | None = 32) -> float:
    """Of a file of `SIDES`, for each of its pixels."""
    opened = OpenedImage(data, wanted_size=wanted_size)
    return opened.header.pixel_work(wanted_size) / (SIDES[0] * SIDES[1])


def test_formats_weigh_by_what_they_take() -> None:
    assert pixel_work(encoded(flat(), "PNG")) == 1
    assert pixel_work(encoded(flat("L"), "BMP")) == 1
    assert pixel_work(encoded(flat(), "JPEG")) == 0.25
    assert pixel_work(encoded(flat(), "JPEG"), wanted_size=None) == 1
    assert pixel_work(encoded(flat(), "JPEG", progressive=True)) == 1
    for heavy in (
        encoded(flat(), "WEBP", lossless=True),
        encoded(flat("RGBA"), "PNG"),
        encoded(flat("I;16"), "PNG"),
        encoded(flat("F"), "TIFF"),
        encoded(flat("P"), "PNG", transparency=0),
    ):
        assert pixel_work(heavy) == 2


def test_a_picture_of_a_single_row_or_column_counts_four_times() -> None:
    for sides in ((1, 900_000), (900_000, 1)):
        work = OpenedImage(encoded(flat("L", sides), "PNG")).header.work(32)
        assert work > 3_500_000


def test_scans_metadata_and_bytes_are_work_too() -> None:
    progressive = encoded(flat(), "JPEG", progressive=True)
    last = progressive.rindex(b"\xff\xda")
    many = progressive[:-2] + progressive[last:-2] * 50 + progressive[-2:]
    assert pixel_work(many) > 4
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    assert pixel_work(encoded(flat(), "JPEG", exif=exif)) > 1.5
    small = encoded(flat(sides=(8, 8)), "PNG")
    assert OpenedImage(small).header.work(32) == 50_000  # opening it takes time as well
    padded = small + b"x" * 4_000_000
    assert OpenedImage(padded).header.work(32) > 2_000_000
    runs = struct.pack("<IiiHHIIiiII", 40, *SIDES, 1, 8, 1, 4, 0, 0, 256, 0) + bytes(1024)
    rle = (
        b"BM"
        + struct.pack("<IHHI", 14 + len(runs) + 4, 0, 0, 14 + len(runs))
        + runs
        + b"\xff\1\0\1"
    )
    assert pixel_work(rle) > 5


@pytest.mark.parametrize("sides", [(1200, 900), (1200, 1), (899, 1200), (1400, 1000)])
def test_a_jpeg_counts_as_reduced_where_pillow_reads_it_so(sides: tuple[int, int]) -> None:
    data = encoded(flat(sides=sides), "JPEG")
    for wanted in (32, 100, 225, 250, 450):
        opened = OpenedImage(data, wanted_size=wanted)
        read = opened.read(wanted_size=wanted).size
        assert opened.header.is_reduced(wanted) == (read != sides)


def test_a_jpeg_that_is_read_reduced_may_have_more_pixels() -> None:
    larger = flat(sides=(1200, 900))
    data = encoded(larger, "JPEG")
    assert decode(data, LIMITS, wanted_size=32).shape[:2] == (113, 150)
    for refused, wanted in (
        (data, None),
        (encoded(larger, "JPEG", progressive=True), 32),
        (encoded(larger, "PNG"), 32),
        (encoded(flat(sides=(1600, 1200)), "JPEG"), 32),
        (encoded(flat(sides=(15_000, 60)), "JPEG"), 32),  # too low to be read at a half
    ):
        with pytest.raises(ImageError, match="megapixels") as raised:
            decode(refused, LIMITS, wanted_size=wanted)
        assert raised.value.code == "image_too_large"


def test_the_refusal_names_megapixels_the_most_and_the_setting() -> None:
    limits = ImageLimits(max_pixels=13_000_000, setting="LEAFGATE_MAX_PIXELS")
    with pytest.raises(ImageError) as raised:
        decode(encoded(Image.new("1", (5000, 2900)), "PNG"), limits)
    assert "5000 x 2900 = 14,500,000 pixels (14.5 megapixels)" in raised.value.problem
    assert "13 megapixels" in raised.value.fix
    assert "LEAFGATE_MAX_PIXELS" in raised.value.fix


def tiled_tiff(side: int, tile: int, *more: tuple[int, int]) -> bytes:
    """A TIFF of few pixels in one tile, of which most lies beyond them. more: tags."""
    packer, row = zlib.compressobj(), bytes(tile)
    data = b"".join([*(packer.compress(row) for _ in range(tile)), packer.flush()])
    tags = [(256, side), (257, side), (258, 8), (259, 8), (262, 1), (277, 1)]
    tags += [(322, tile), (323, tile), *more, (325, len(data))]
    tags.append((324, 8 + 2 + (len(tags) + 1) * 12 + 4))
    tags.sort(key=lambda tag: tag[0])
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def test_a_tile_counts_whole_however_few_pixels_the_tiff_declares() -> None:
    """A file of 1 MB with 100 x 100 pixels took 4 s and 1.1 GB."""
    assert decode(tiled_tiff(100, 112)).shape == (100, 100, 3)
    with pytest.raises(ImageError, match="tiles that hold 64,000,000 pixels"):
        decode(tiled_tiff(100, 8000))
    with pytest.raises(ImageError, match="tiles that hold 64,000,000 pixels"):
        decode(tiled_tiff(100, 8000, (322, 112), (323, 112)))  # named twice
    assert OpenedImage(tiled_tiff(100, 1600)).header.work(32) > 1600 * 1600


def test_a_million_numbers_in_a_tiff_are_refused_before_they_are_unpacked() -> None:
    count = 1_000_000
    entry = struct.pack("<HHII", 273, 4, count, 26)
    data = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + bytes(4 * count)
    with pytest.raises(ImageError, match="pieces"):
        decode(data)


def test_photoshop_s_resources_and_a_gif_s_blocks_are_pieces() -> None:
    photograph = encoded(flat(sides=(8, 8)), "JPEG")
    body = b"Photoshop 3.0\0" + (b"8BIM\4\4\0\0" + bytes(4)) * 5000
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    assert decode(photograph[:2] + segment + photograph[2:]).shape == (8, 8, 3)
    with pytest.raises(ImageError, match="pieces"):
        decode(photograph[:2] + segment * 5 + photograph[2:])
    gif = encoded(flat("P", (8, 8)), "GIF")
    start = gif.rindex(b"\x2c") + 11
    with pytest.raises(ImageError, match="pieces"):
        decode(gif[:start] + b"\1\0" * 700_000 + gif[start:])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16", "F", "P"])
def test_resizing_a_picture_gives_the_pixels_that_resizing_its_array_does(mode: str) -> None:
    """Training and the gate may take either way."""
    rng = np.random.default_rng(5)
    shapes = {"RGB": (90, 70, 3), "RGBA": (90, 70, 4)}
    values = rng.integers(0, 256, shapes.get(mode, (90, 70))).astype(np.uint8)
    if mode in ("I;16", "F"):
        deep = values.astype(np.uint16) * 256 if mode == "I;16" else values / np.float32(255)
        image = Image.fromarray(deep)
    else:
        image = Image.fromarray(values).convert(mode)
    data = encoded(image, "TIFF" if mode == "F" else "PNG")
    picture = OpenedImage(data).read(wanted_size=32)
    assert np.array_equal(resized(picture, 32), resize(decode(data), 32))
    assert resized_within(picture, 45).shape == (45, 35, 3)


def test_shades_of_deep_grey_are_the_same_in_any_number_of_bands() -> None:
    values = np.random.default_rng(2).random((1000, 7)).astype(np.float32)
    shades = decode(encoded(Image.fromarray(values), "TIFF"))[..., 0]
    assert np.array_equal(shades, np.rint(values * np.float32(255)).astype(np.uint8))
