"""Damaged and hostile image files, each made again from its seed.

Originals of every kind that a camera or an editor writes, then one to three mutations: bits turned,
ends cut, headers edited, bytes appended, blocks swapped or repeated, sizes declared out of all
proportion.
"""

import io
import random
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, PngImagePlugin

HEADER_BYTES = 64
SIZES = (0, 1, 0x7F, 0xFF, 0x3FFF, 0x4000, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
Mutation = Callable[[random.Random, bytes], bytes]


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def originals() -> dict[str, bytes]:
    """Sound files by name."""
    pixels = np.random.default_rng(5).integers(0, 256, (48, 64, 4), np.uint8)
    pixels[8:40] = np.arange(64, dtype=np.uint8)[None, :, None] * 4
    rgba = Image.fromarray(pixels)
    rgb, grey, palette = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(32)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    frames = [rgb.rotate(30 * turn) for turn in range(4)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "leaf " * 200, zip=True)
    film = {"save_all": True, "append_images": frames[1:], "duration": 50}
    return {
        "baseline.jpg": _saved(rgb, "JPEG", exif=exif, icc_profile=bytes(600)),
        "progressive.jpg": _saved(rgb, "JPEG", progressive=True, quality=90),
        "grey.jpg": _saved(grey, "JPEG"),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "rgb.png": _saved(rgb, "PNG", pnginfo=text, exif=exif),
        "alpha.png": _saved(rgba, "PNG"),
        "palette.png": _saved(palette, "PNG"),
        "deep.png": _saved(deep, "PNG"),
        "film.png": _saved(frames[0], "PNG", **film),
        "lossy.webp": _saved(rgb, "WEBP", exif=exif),
        "lossless.webp": _saved(rgba, "WEBP", lossless=True),
        "film.webp": _saved(frames[0], "WEBP", **film),
        "still.gif": _saved(palette, "GIF"),
        "film.gif": _saved(frames[0], "GIF", **film),
        "many.gif": _saved(frames[0], "GIF", **{**film, "append_images": frames[1:] * 80}),
        "colour.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(palette, "BMP"),
        "alpha.bmp": _saved(rgba, "BMP"),
    }


def _turn_bits(rng: random.Random, data: bytes) -> bytes:
    turned = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20, 200))):
        turned[rng.randrange(len(turned))] ^= 1 << rng.randrange(8)
    return bytes(turned)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(1, len(data) + 1)]


def _edit_header(rng: random.Random, data: bytes) -> bytes:
    edited = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        edited[rng.randrange(min(HEADER_BYTES, len(edited)))] = rng.choice((0, 1, 127, 128, 255))
    return bytes(edited)


def _append(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice((rng.randbytes(rng.randrange(5000)), data, bytes(70_000)))


def _swap_blocks(rng: random.Random, data: bytes) -> bytes:
    first, second, third = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:first] + data[second:third] + data[first:second] + data[third:]


def _repeat_block(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    times = rng.choice((1, 10, 100)) if last - first < 2000 else 1
    return data[:last] + data[first:last] * times + data[last:]


def _blank(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + rng.choice((b"\0", b"\xff")) * (last - first) + data[last:]


def _declare_size(rng: random.Random, data: bytes) -> bytes:
    """Write a number of any width and order over bytes of the header, where sizes stand."""
    width, order = rng.choice((("H", "<"), ("H", ">"), ("I", "<"), ("I", ">")))
    mask = 0xFFFF if width == "H" else 0xFFFFFFFF
    number = struct.pack(order + width, rng.choice(SIZES) & mask)
    at = rng.randrange(2, min(HEADER_BYTES, max(3, len(data) - 4)))
    return data[:at] + number + data[at + len(number) :]


def _splice(rng: random.Random, data: bytes) -> bytes:
    other = rng.choice(list(originals().values()))
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


MUTATIONS: dict[str, Mutation] = {
    "bits": _turn_bits,
    "cut": _cut,
    "header": _edit_header,
    "append": _append,
    "swap": _swap_blocks,
    "repeat": _repeat_block,
    "blank": _blank,
    "size": _declare_size,
    "splice": _splice,
}


def mutated(seed: int) -> tuple[str, bytes]:
    """A file of this number: what was done to which original, and its bytes."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    name = rng.choice(list(originals()))
    data, told = originals()[name], [name]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        done = rng.choice(list(MUTATIONS))
        data, told = MUTATIONS[done](rng, data or b"\0"), [*told, done]
    return " ".join(told), data
