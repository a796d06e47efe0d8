"""An image of any number of bits a sample is read as the 8-bit file of the same picture."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leafgate.errors import ImageError
from leafgate.images import OpenedImage, decode, load_images, resized

Values = NDArray[np.uint16]
RAMP = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16) + np.uint16(255)  # 255 ... 65535
DIM = np.full((16, 16), 20_000, np.uint16) + np.arange(16, dtype=np.uint16) * 512
GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6


def png(values: NDArray[np.integer], kind: int, bits: int = 16, clear: object = None) -> bytes:
    """(height, width, channels) as a PNG file; clear: the sample(s) that tRNS makes transparent."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = values.shape[:2]
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    elif bits == 8:
        rows = [row.astype(np.uint8).tobytes() for row in values]
    else:
        places = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in places]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    trns = [] if clear is None else [chunk(b"tRNS", np.array(clear, ">u2").tobytes())]
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), *trns, data, chunk(b"IEND", b""))
    )


def tiff(values: NDArray[np.generic], mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(buffer, "TIFF", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("values", [RAMP, DIM, RAMP[:1, :1]], ids=["ramp", "dim", "one pixel"])
@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_sixteen_bits_are_read_as_their_high_byte(kind: int, values: Values, channels: int) -> None:
    count = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGB_ALPHA: 4}[kind]
    deep = np.stack([np.roll(values, shift) for shift in range(count)], axis=-1)
    expected = decode(png(deep >> 8, kind, bits=8), channels=channels)
    assert np.array_equal(decode(png(deep, kind), channels=channels), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("clear", [255, 20_735, 65_535])
def test_a_transparent_grey_of_sixteen_bits_is_the_only_one(clear: int, channels: int) -> None:
    expected = decode(png(RAMP[..., None] >> 8, GREY, 8, clear >> 8), channels=channels)
    assert np.array_equal(
        decode(png(RAMP[..., None], GREY, 16, clear), channels=channels), expected
    )
    assert len(np.unique(expected)) > 100


@pytest.mark.parametrize("channels", [3, 4])
def test_a_transparent_colour_of_sixteen_bits_is_the_only_one(channels: int) -> None:
    deep = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)
    clear = deep[3, 5]
    expected = decode(png(deep >> 8, RGB, 8, clear >> 8), channels=channels)
    assert np.array_equal(decode(png(deep, RGB, 16, clear), channels=channels), expected)
    assert (expected[3, 5] == ((255,) * 3 if channels == 3 else (*(clear >> 8), 0))).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_are_spread_and_their_transparent_value_is_found(bits: int) -> None:
    most = (1 << bits) - 1
    values = (np.arange(64).reshape(8, 8) % (most + 1)).astype(np.uint8)
    read = decode(png(values[..., None], GREY, bits), channels=1)[..., 0]
    assert np.array_equal(read, values * (255 // most))
    clear = decode(png(values[..., None], GREY, bits, 1), channels=2)
    assert np.array_equal(clear[..., 1] == 0, values == 1)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_a_tiff_of_sixteen_bits_is_read_as_its_high_byte(mode: str, compression: str) -> None:
    image = Image.frombytes(
        mode, (16, 16), RAMP.astype("<u2" if mode == "I;16" else ">u2").tobytes()
    )
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", compression=compression)
    assert np.array_equal(decode(buffer.getvalue())[..., 1], RAMP >> 8)


def test_grey_in_32_bits_is_that_of_16_where_it_fits() -> None:
    assert np.array_equal(decode(tiff(RAMP.astype(np.int32)))[..., 0], RAMP >> 8)


def test_a_negative_is_turned_into_its_positive() -> None:
    inverted = tiff(RAMP, tiffinfo={262: 0})
    assert np.array_equal(decode(inverted)[..., 0], 255 - (RAMP >> 8))


def test_twelve_bits_are_read_as_their_high_byte() -> None:
    values = np.arange(0, 4096, 16).reshape(16, 16)
    pairs = values.reshape(16, 8, 2)
    packed = np.stack(
        [
            pairs[..., 0] >> 4,
            (pairs[..., 0] & 15) << 4 | pairs[..., 1] >> 8,
            pairs[..., 1] & 255,
        ],
        axis=-1,
    ).astype(np.uint8)
    tags = {256: 16, 257: 16, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: packed.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    folder = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    data = b"II\x2a\0" + struct.pack("<I", 8 + packed.size) + packed.tobytes() + folder
    assert np.array_equal(decode(data)[..., 0], values >> 4)


def test_floating_point_is_black_at_0_and_white_at_1() -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert np.array_equal(decode(tiff(values))[..., 0].ravel(), np.arange(256))
    assert (decode(tiff(np.full((4, 4), 0.25, np.float32))) == 64).all()


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 255]], np.float32),
        np.array([[-0.5, 0.5]], np.float32),
        np.array([[0, np.inf]], np.float32),
        np.array([[0, 65536]], np.int32),
        np.array([[-1, 100]], np.int32),
    ],
)
def test_values_without_a_known_white_are_refused(values: NDArray[np.generic]) -> None:
    with pytest.raises(ImageError, match="none is known to be black or white") as raised:
        decode(tiff(values))
    assert raised.value.code == "unreadable_image"


def test_a_tiff_of_another_kind_is_said_to_be_one() -> None:
    data = tiff(RAMP).replace(
        struct.pack("<HHI", 258, 3, 1) + b"\x10", struct.pack("<HHI", 258, 3, 1) + b"\x18"
    )
    with pytest.raises(ImageError, match="TIFF") as raised:
        decode(data)
    assert raised.value.code == "unreadable_image"


def test_training_and_serving_read_the_same_shades(tmp_path: Path) -> None:
    file = tmp_path / "deep.png"
    file.write_bytes(png(RAMP[..., None], GREY, 16, 255))
    served = resized(OpenedImage(file.read_bytes()).read(wanted_size=16), 16)
    assert np.array_equal(load_images([file], 16)[0], served)
    assert np.array_equal(served, decode(file.read_bytes()))
