"""One door for every image that enters or leaves: validate, decode, resize, encode.

Training, gate, API and dashboard all come through here, so a model is never served pixels that
were prepared in another way than those it learnt from.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from leafgate.errors import ImageError, UserError

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
DECODE_THREADS = 4
REDUCED = 2  # times the wanted size, that a reduced reading keeps at least: resizing still smooths
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of channels


@dataclass(frozen=True)
class ImageLimits:
    """What is refused before a single pixel is decoded."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000


def decode(
    data: bytes,
    limits: ImageLimits = ImageLimits(),
    channels: int = 3,
    wanted_size: int | None = None,
) -> Pixels:
    """The first frame of an encoded image, upright, as (height, width, channels) uint8.

    channels: see `MODES`; without alpha, transparency is laid on white. wanted_size: pixels that it
    will be resized to; a JPEG far larger is then read at a half, a quarter or an eighth, never
    below twice what is wanted. Size is checked from the header, before decoding. Raises UserError
    for another number of channels, and ImageError: `not_an_image` (no known image format),
    `image_too_large`, `unreadable_image`.
    """
    _require_channels(channels)
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"the image file has {len(data):,} bytes",
            f"send at most {limits.max_bytes:,}",
            code="image_too_large",
        )
    image = _open(data)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"the image has {width} x {height} = {width * height:,} pixels",
            f"scale it down to at most {limits.max_pixels:,}",
            code="image_too_large",
        )
    try:
        if wanted_size:
            image.draft(None, (REDUCED * wanted_size, REDUCED * wanted_size))  # JPEG alone heeds it
        image.load()
        pixels = np.asarray(_to_mode(ImageOps.exif_transpose(image), MODES[channels]))
        return pixels.reshape(*pixels.shape[:2], channels)
    except Exception as error:  # a decoder meets hostile bytes in many ways; all mean the same
        raise ImageError(
            f"the {image.format} image cannot be read ({error})",
            "it is damaged or cut off; export it again",
            code="unreadable_image",
        ) from error


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"the image is too large ({error})", "scale it down", code="image_too_large"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            "the file is not an image" if data else "the file is empty",
            f"send one of {', '.join(FORMATS)}",
            code="not_an_image",
        ) from error
    except Exception as error:  # a known format whose header is damaged
        raise ImageError(
            f"the image cannot be read ({error})", "export it again", code="unreadable_image"
        ) from error


def _require_channels(channels: int) -> None:
    if channels not in MODES:
        raise UserError(
            f"{channels} channels",
            "a picture has 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels",
            code="unknown_channels",
        )


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """mode: Pillow's L, LA, RGB or RGBA."""
    deep = image.mode.startswith(("I", "F"))
    if "A" in mode and not deep:
        return image.convert("RGBA").convert(mode)
    return _to_rgb(image).convert(mode)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    if image.mode.startswith(("I", "F")):  # 16 and 32 bit grey: scale to 8 bit
        values = np.asarray(image, np.float64)
        span = max(float(np.ptp(values)), 1e-9)
        grey = ((values - values.min()) / span * 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return image.convert("RGB")


def resize(image: Pixels, size: int) -> Pixels:
    """`image` (h, w, channels) as (size, size, channels) uint8, antialiased bilinear.

    The aspect ratio is not kept.
    """
    if image.shape[:2] == (size, size):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    return resized.reshape(size, size, image.shape[-1])


def resize_within(image: Pixels, longest: int) -> Pixels:
    """`image` (h, w, 3), scaled down to sides of at most `longest` pixels; the ratio is kept."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    sides = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BILINEAR))


def eight_positions(image: Pixels) -> list[Pixels]:
    """A square picture, (side, side, ...), in every turn, then mirrored; upright first."""
    turned = [np.rot90(image, quarter) for quarter in range(4)]
    mirrored = [np.fliplr(picture) for picture in turned]
    return [np.ascontiguousarray(picture) for picture in (*turned, *mirrored)]


def load_images(
    paths: Sequence[Path],
    size: int,
    on_image: Callable[[], object] = lambda: None,
    channels: int = 3,
) -> Pixels:
    """The files as one (len(paths), size, size, channels) uint8 array.

    `on_image` is called for each. Raises ImageError that names the file.
    """
    _require_channels(channels)
    images = np.empty((len(paths), size, size, channels), np.uint8)

    def load(index: int) -> None:
        try:
            data = paths[index].read_bytes()
            images[index] = resize(decode(data, channels=channels, wanted_size=size), size)
        except ImageError as error:
            problem = f"{paths[index]}: {error.problem}"
            raise ImageError(problem, error.fix, code=error.code) from error

    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        for _ in pool.map(load, range(len(paths))):
            on_image()
    return images


def encode_png(image: Pixels, text: Mapping[str, str] | None = None) -> bytes:
    """`image`, (height, width, 1 to 4 channels) uint8, as PNG with `text` chunks."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def grid(images: Pixels, columns: int, gap: int = 2) -> Pixels:
    """(n, height, width, c) uint8 laid out in rows of `columns` on white, as one picture."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, channels)
    sheet = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
