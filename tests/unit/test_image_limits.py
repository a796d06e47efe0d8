"""A small file cannot ask for much work: pixels, frames, scans and pieces are counted first."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import ImageError
from leafgate.image_structure import gif_frames, jpeg_scans, tiff_frames
from leafgate.images import ImageLimits, Pixels, decode


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: int = 40) -> Pixels:
    return np.random.default_rng(3).integers(0, 255, (size, size, 3), np.uint8)


def animation(kind: str, frames: int) -> bytes:
    pictures = [Image.new("RGB", (8, 8), (9 * frame % 256, 99, frame)) for frame in range(frames)]
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def refused(data: bytes, limits: ImageLimits = ImageLimits()) -> ImageError:
    with pytest.raises(ImageError) as raised:
        decode(data, limits)
    return raised.value


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_read_up_to_the_most_frames_and_refused_beyond(kind: str) -> None:
    data = animation(kind, 6)
    assert decode(data, ImageLimits(max_frames=6)).shape == (8, 8, 3)
    error = refused(data, ImageLimits(max_frames=5))
    assert error.code == "image_too_large"
    assert "5 frames" in error.problem


def test_frames_are_counted_no_further_than_asked() -> None:
    frame = b"\x2c" + struct.pack("<4H", 0, 0, 1, 1) + b"\0" + b"\2\2\x4c\1\0"
    endless = b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * 100_000
    assert gif_frames(endless, 200) == 201
    assert refused(endless).code == "image_too_large"


def test_scans_are_counted_in_one_pass_over_fill_bytes() -> None:
    """A pattern that tries a run of them from each of its places takes hours for these."""
    photograph = encoded(Image.fromarray(noise()), "JPEG")
    fill = photograph[:-2] + b"\xff" * 5_000_000 + b"\xff\xda\0\2" * 20
    assert jpeg_scans(fill, 12, 1000) == 21


def scattered(kind: str, times: int) -> bytes:
    """A picture with so many pieces of metadata before it."""
    data = encoded(Image.new("RGB", (8, 8), (9, 99, 9)), kind)
    if kind == "JPEG":
        return data[:2] + b"\xff\xe1\0\x09Exif\0\0x" * times + data[2:]
    if kind == "PNG":
        chunk = b"tEXta\0b"
        told = struct.pack(">I", 3) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:33] + told * times + data[33:]
    if kind == "GIF":
        start = 13 + (3 << ((data[10] & 7) + 1))
        return data[:start] + b"\x21\xfe\2hi\0" * times + data[start:]
    entry = struct.pack("<HHII", 65000, 3, 1, 1)
    return b"II\x2b\0\x08\0\0\0" + struct.pack("<QQ", 16, times) + entry * 2 * times


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_metadata_in_a_million_pieces_is_refused_before_it_is_joined(kind: str) -> None:
    error = refused(scattered(kind, 300_000))
    assert (error.code, "pieces" in error.problem) == ("image_too_large", True)
    if kind != "TIFF":
        assert decode(scattered(kind, 1000)).shape == (8, 8, 3)


def test_a_tiff_whose_directories_form_a_ring_ends() -> None:
    ring = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HI", 0, 8)
    assert tiff_frames(ring, 50) == 51
    assert tiff_frames(b"II*\0", 50) == 0
    assert tiff_frames(b"MM\0*" + struct.pack(">I", 99), 50) == 0


def repeated_scans(times: int, side: int = 3000) -> bytes:
    """A progressive JPEG whose last scan comes `times` times: each is a pass over all pixels."""
    data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + data[-2:]


def test_a_jpeg_of_endless_passes_is_refused_before_the_first() -> None:
    error = refused(repeated_scans(100_000))
    assert error.code == "image_too_large"
    assert "scans" in error.problem
    assert refused(repeated_scans(60)).code == "image_too_large"


def test_usual_progressive_jpegs_and_small_ones_of_many_scans_are_read() -> None:
    assert decode(encoded(Image.fromarray(noise()), "JPEG", progressive=True)).shape == (40, 40, 3)
    assert decode(repeated_scans(60, side=100)).shape == (100, 100, 3)


def test_a_video_behind_the_end_of_a_photograph_does_not_count() -> None:
    photograph = encoded(Image.fromarray(noise(1000)), "JPEG")
    video = random.Random(1).randbytes(2_000) + b"\xff\xda" * 2_000
    assert jpeg_scans(photograph + video, 12, 1000) == 1
    assert decode(photograph + video).shape == (1000, 1000, 3)


def tiff_of_rows(rows: int) -> bytes:
    """A grey TIFF, one pixel wide, every row of which is a piece of its own."""
    tags = [(256, 4, 1, 1), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    start = 8 + 2 + 9 * 12 + 4
    tags += [
        (273, 4, rows, start),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, rows, start + 4 * rows),
    ]
    directory = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    places = struct.pack(f"<{rows}I", *([0] * rows)) + struct.pack(f"<{rows}I", *([1] * rows))
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + places


def test_a_tiff_of_a_great_many_pieces_is_refused() -> None:
    assert decode(tiff_of_rows(70)).shape == (70, 1, 3)
    error = refused(tiff_of_rows(70_000))
    assert (error.code, "70000 tiles" in error.problem) == ("image_too_large", True)


def test_damaged_exif_turns_nothing_and_refuses_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(noise(40)[:30]), "JPEG", exif=exif)
    assert decode(data).shape == (40, 30, 3)
    start = data.index(b"Exif\0\0") + 6
    for damage in (b"XX*\0\xff\xff\xff\xff", b"MM\0*\x7f\xff\xff\xff"):
        broken = data[:start] + damage + data[start + len(damage) :]
        assert decode(broken).shape == (30, 40, 3)


def test_an_image_without_pixels_is_none() -> None:
    data = bytearray(encoded(Image.fromarray(noise()), "BMP"))
    data[18:22] = struct.pack("<i", 0)
    assert refused(bytes(data)).code in ("not_an_image", "unreadable_image")


def test_floats_that_are_no_numbers_make_a_picture_all_the_same() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0], values[0, 1] = np.nan, np.nan
    shades = decode(encoded(Image.fromarray(values), "TIFF"))
    assert (shades.min(), shades.max()) == (0, 255)


def test_a_text_chunk_that_unpacks_to_a_great_deal_is_unreadable() -> None:
    plain = encoded(Image.fromarray(noise()), "PNG")
    body = b"zTXtComment\0\0" + zlib.compress(bytes(30_000_000))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert refused(plain[:33] + chunk + plain[33:]).code == "unreadable_image"
