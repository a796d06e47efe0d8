"""What is refused before a single pixel is decoded: too many bytes, pixels, frames, scans, tiles.

Pixels alone do not bound the work, so a header also says what decoding will cost (`work`), in
pixels of a plain 8-bit image: each stands for about 15 ns of one core and at most 9 bytes.
"""

from dataclasses import dataclass

from PIL import Image

from leafgate.errors import ImageError
from leafgate.image_structure import FRAME_COUNTERS, jpeg_scans, pieces, tiff_tile

REDUCED = 2  # times the wanted size that a reduced JPEG keeps at least: resizing still smooths
REDUCED_SHARE = 4  # a reduced JPEG takes a quarter of the time of a PNG, and less of its memory
HEAVY = 2  # times the time, or memory, of plain pixels: see `_is_heavy`
PLAIN_MODES = ("1", "L", "P", "RGB")
USUAL_SCANS = 12  # of a JPEG: so many passes over the most pixels are waited for
MOST_SCANS = 1000
MOST_PIECES = 20_000
MOST_TILES = 65_536  # of a TIFF

# Work that is not a matter of pixels, in pixels.
LEAST_WORK = 50_000
SIDE_WORK, USUAL_SIDES = 3, 20_000  # of each row and column beyond so many
EXIF_BYTE_WORK = 12  # its entries are read one by one
TILE_WORK = 400
RLE_PIXEL_WORK, RLE_BYTE_WORK = 5, 13  # of a BMP in runs, which Pillow reads in Python
BYTES_A_PIXEL = 2  # so many compressed bytes


@dataclass(frozen=True)
class ImageLimits:
    """For one image. max_frames: of an animation, of which the first is what is used.

    max_reduced_pixels: of a JPEG in one pass that is read at a half or less; 0: as others.
    setting: that raises the pixels, where one does.
    """

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000
    max_frames: int = 200
    max_reduced_pixels: int = 0
    setting: str = ""


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of itself before it is decoded. passes: over all pixels, of a JPEG that is
    progressive or has a scan for each colour; Pillow then keeps all coefficients, reduced or not.

    decoded_pixels: with what pads the last tiles of a TIFF. extra: work that pixels do not show.
    """

    width: int
    height: int
    format: str
    decoded_pixels: int
    heavy: bool
    passes: int
    extra: int
    bytes: int

    def is_reduced(self, wanted_size: int | None) -> bool:
        """Whether it is a JPEG in one pass that Pillow reads at a half or less for that size."""
        if self.format not in ("JPEG", "MPO") or self.passes > 1 or not wanted_size:
            return False
        return min(self.width, self.height) // (REDUCED * wanted_size) >= 2

    def pixel_work(self, wanted_size: int | None) -> int:
        """What its pixels cost to decode, in pixels of a plain image."""
        if self.is_reduced(wanted_size):
            return self.decoded_pixels // REDUCED_SHARE + self.extra
        weight = HEAVY if self.heavy else max(1.0, self.passes / USUAL_SCANS)
        return round(self.decoded_pixels * weight) + self.extra

    def work(self, wanted_size: int | None) -> int:
        """Likewise with its bytes: what decoding takes of time and memory."""
        return max(self.pixel_work(wanted_size) + self.bytes // BYTES_A_PIXEL, LEAST_WORK)


def require_few_pieces(data: bytes) -> None:
    """Raise ImageError where opening the file alone would take long."""
    if pieces(data, MOST_PIECES) > MOST_PIECES:
        raise too_large(
            f"the image file has more than {MOST_PIECES} pieces of metadata", "export it again"
        )


def bounded_header(
    image: Image.Image, data: bytes, limits: ImageLimits, wanted_size: int | None
) -> ImageHeader:
    """The header of an image that was just opened.

    Raises ImageError where reading the first frame would take too much, or no pixel is there.
    """
    width, height = image.size
    if width * height <= 0:
        problem = f"the image has {width} x {height} pixels"
        raise ImageError(problem, "export it again", code="unreadable_image")
    kind = image.format or ""
    compressed = kind in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
    scans = jpeg_scans(data, 1, MOST_SCANS) if compressed else 1
    tiles = len(getattr(image, "tile", ()))
    header = ImageHeader(
        width,
        height,
        kind,
        _decoded_pixels(image, data),
        _is_heavy(image),
        max(scans, 2) if image.info.get("progressive") else scans,
        _extra_work(image, len(data)),
        len(data),
    )
    _require_pixels(header, limits, wanted_size)
    _require_frames(image, data, limits)
    too_many_passes = scans * width * height > USUAL_SCANS * _most_pixels(
        header, limits, wanted_size
    )
    if scans > MOST_SCANS or too_many_passes or tiles > MOST_TILES:
        raise too_large(
            f"the {kind} file is made of too many pieces ({scans} scans, {tiles} tiles)",
            "export it again",
        )
    return header


def _most_pixels(header: ImageHeader, limits: ImageLimits, wanted_size: int | None) -> int:
    reduced = limits.max_reduced_pixels if header.is_reduced(wanted_size) else 0
    return max(limits.max_pixels, reduced)


def _require_pixels(header: ImageHeader, limits: ImageLimits, wanted_size: int | None) -> None:
    most = _most_pixels(header, limits, wanted_size)
    width, height, pixels = header.width, header.height, header.width * header.height
    if pixels > most:
        raise too_large(
            f"the image has {width} x {height} = {pixels:,} pixels ({pixels / 1e6:.1f} megapixels)",
            f"scale it down to at most {most:,} pixels ({most / 1e6:g} megapixels)"
            + (f", or have {limits.setting} raised where this runs" if limits.setting else ""),
        )
    if header.decoded_pixels > most:
        raise too_large(
            f"the {header.format} file of {width} x {height} pixels has tiles that hold "
            f"{header.decoded_pixels:,} pixels",
            f"export it again; at most {most:,} pixels are decoded",
        )


def _require_frames(image: Image.Image, data: bytes, limits: ImageLimits) -> None:
    counter = FRAME_COUNTERS.get(image.format or "")
    frames = counter(data, limits.max_frames) if counter else getattr(image, "n_frames", 1)
    if frames > limits.max_frames:
        raise too_large(
            f"the {image.format} file has more than {limits.max_frames} frames",
            "send one of its pictures",
        )


def _decoded_pixels(image: Image.Image, data: bytes) -> int:
    """Pixels of the image, or of the tiles that cover it: a tile is decoded whole."""
    width, height = image.size
    tile_width, tile_height = tiff_tile(data) if image.format == "TIFF" else (0, 0)
    if tile_width <= 0 or tile_height <= 0:
        return width * height
    across, down = -(-width // tile_width), -(-height // tile_height)
    return across * tile_width * down * tile_height


def _extra_work(image: Image.Image, size: int) -> int:
    tiles = getattr(image, "tile", ())
    extra = EXIF_BYTE_WORK * len(image.info.get("exif", b""))
    extra += SIDE_WORK * max(image.width + image.height - USUAL_SIDES, 0)
    if tiles and tiles[0][0] == "bmp_rle":
        return extra + RLE_PIXEL_WORK * image.width * image.height + RLE_BYTE_WORK * size
    return extra + TILE_WORK * max(len(tiles) - 1, 0)


def _is_heavy(image: Image.Image) -> bool:
    """WebP has a canvas of its own; transparency, 16 bits and CMYK are converted in a copy."""
    if image.format in ("JPEG", "MPO"):
        return False
    return image.format == "WEBP" or image.mode not in PLAIN_MODES or "transparency" in image.info


def too_large(problem: str, fix: str) -> ImageError:
    """The error for all of these."""
    return ImageError(problem, fix, code="image_too_large")
