"""One door for every image that enters or leaves: validate, decode, resize, encode.

Training, gate, API and dashboard all come through here, so a model is never served pixels that
were prepared in another way than those it learnt from.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from leafgate.errors import ImageError, UserError
from leafgate.file_names import path_text
from leafgate.image_limits import REDUCED, bounded_header, require_few_pieces, too_large
from leafgate.image_limits import ImageLimits as ImageLimits
from leafgate.image_samples import in_eight_bits, samples_of

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jfif", ".jpe")
TIFF = (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")
DECODE_THREADS = 4
PngImagePlugin.MAX_TEXT_MEMORY = 8 * PngImagePlugin.MAX_TEXT_CHUNK  # unpacked as a file is opened
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by number of channels


class OpenedImage:
    """An image file whose header was read and found within limits; no pixel is decoded yet.

    wanted_size: pixels that it will be resized to; a JPEG far larger is then read at a half, a
    quarter or an eighth, never below twice what is wanted.
    """

    def __init__(
        self, data: bytes, limits: ImageLimits = ImageLimits(), wanted_size: int | None = None
    ) -> None:
        """Raises ImageError: `not_an_image` (no known format), `image_too_large`,
        `unreadable_image`.
        """
        if len(data) > limits.max_bytes:
            problem = f"the image file has {len(data):,} bytes"
            raise too_large(problem, f"send at most {limits.max_bytes:,}")
        require_few_pieces(data)
        self._data = data
        self._image: Image.Image | None = _open(data)
        try:
            self.header = bounded_header(self._image, data, limits, wanted_size)
        except ImageError:
            raise
        except Exception as error:  # what a damaged header says may be of any type
            raise _damaged(error) from error
        if self._image.format == "WEBP":  # it would hold a canvas of all pixels until it is read
            self._image = None

    def read(self, channels: int = 3, wanted_size: int | None = None) -> Image.Image:
        """The first frame, upright, in the mode of `MODES`; without alpha, transparency is laid on
        white. Raises UserError for another number of channels, and ImageError `unreadable_image`.
        """
        _require_channels(channels)
        image, self._image = self._image or _open(self._data), None
        try:
            if wanted_size:
                image.draft(None, (REDUCED * wanted_size, REDUCED * wanted_size))  # JPEG alone
            samples = samples_of(image)
            image.load()
            return _to_mode(in_eight_bits(_upright(image), samples), MODES[channels])
        except ImageError:
            raise
        except Exception as error:  # a decoder meets hostile bytes in many ways; all mean the same
            raise ImageError(
                f"the {image.format} image cannot be read ({error})",
                "it is damaged or cut off; export it again",
                code="unreadable_image",
            ) from error


def decode(
    data: bytes,
    limits: ImageLimits = ImageLimits(),
    channels: int = 3,
    wanted_size: int | None = None,
) -> Pixels:
    """The first frame of an encoded image, upright, as (height, width, channels) uint8.

    Checked, and raises, as `OpenedImage`.
    """
    _require_channels(channels)
    return pixels_of(OpenedImage(data, limits, wanted_size).read(channels, wanted_size))


def pixels_of(picture: Image.Image) -> Pixels:
    """(height, width, channels) uint8."""
    pixels = np.asarray(picture)
    return pixels.reshape(*pixels.shape[:2], -1)


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large(f"the image is too large ({error})", "scale it down") from error
    except UnidentifiedImageError as error:
        if data.startswith(TIFF):
            raise ImageError(
                "the TIFF file has a kind of pixels that is not supported, or is damaged",
                "save it as PNG, or with 8 bits in grey or RGB",
                code="unreadable_image",
            ) from error
        raise ImageError(
            "the file is not an image" if data else "the file is empty",
            f"send one of {', '.join(FORMATS)}",
            code="not_an_image",
        ) from error
    except Exception as error:  # a known format whose header is damaged
        raise _damaged(error) from error


def _damaged(error: Exception) -> ImageError:
    problem = f"the image cannot be read ({error})"
    return ImageError(problem, "export it again", code="unreadable_image")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; damaged EXIF says nothing."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - EXIF is a TIFF of its own, and fails in as many ways
        turn = None
    return image if turn is None else image.transpose(turn)


def _require_channels(channels: int) -> None:
    if channels not in MODES:
        raise UserError(
            f"{channels} channels",
            "a picture has 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels",
            code="unknown_channels",
        )


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """mode: Pillow's L, LA, RGB or RGBA."""
    if "A" in mode:
        return image.convert("RGBA").convert(mode)
    return _in_mode(_to_rgb(image), mode)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Pillow's `convert` copies an image that is in the mode already."""
    return image if image.mode == mode else image.convert(mode)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = _in_mode(image, "RGBA")
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured.getchannel("A"))
        return white
    return _in_mode(image, "RGB")


def to_rgb(image: Pixels) -> Pixels:
    """`image` (h, w, 1 to 4 channels) as (h, w, 3): what `decode` reads from a PNG of it."""
    return np.asarray(_in_mode(_to_rgb(_picture(image)), "RGB"))


def resize(image: Pixels, size: int) -> Pixels:
    """`image` (h, w, channels) as (size, size, channels) uint8, antialiased bilinear.

    The aspect ratio is not kept.
    """
    if image.shape[:2] == (size, size):
        return image
    return resized(_picture(image), size)


def resized(picture: Image.Image, size: int) -> Pixels:
    """The same of a picture as `OpenedImage.read` gives it, without a copy of all its pixels."""
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return pixels_of(picture)


def resized_within(picture: Image.Image, longest: int) -> Pixels:
    """`picture` scaled down to sides of at most `longest` pixels; the ratio is kept."""
    width, height = picture.size
    if max(height, width) > longest:
        scale = longest / max(height, width)
        sides = (max(round(width * scale), 1), max(round(height * scale), 1))
        picture = picture.resize(sides, Image.Resampling.BILINEAR)
    return pixels_of(picture)


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
            opened = OpenedImage(data, wanted_size=size)
            images[index] = resized(opened.read(channels, size), size)
        except ImageError as error:
            problem = f"{path_text(paths[index])}: {error.problem}"
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
    _picture(image).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


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
