"""What is refused before a single pixel is decoded: too many bytes, pixels, frames, scans, tiles.

Pixels alone do not bound the work: a progressive JPEG asks for a pass over all of them a scan.
"""

from dataclasses import dataclass

from PIL import Image

from leafgate.errors import ImageError
from leafgate.image_structure import FRAME_COUNTERS, jpeg_scans, pieces

USUAL_SCANS = 12  # of a JPEG: so many passes over the most pixels are waited for
MOST_SCANS = 1000
MOST_PIECES = 20_000
MOST_TILES = 65_536  # of a TIFF


@dataclass(frozen=True)
class ImageLimits:
    """For one image. max_frames: of an animation, of which the first is what is used."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 40_000_000
    max_frames: int = 200


def require_few_pieces(data: bytes) -> None:
    """Raise ImageError where opening the file alone would take long."""
    if pieces(data, MOST_PIECES) > MOST_PIECES:
        raise too_large(
            f"the image file has more than {MOST_PIECES} pieces of metadata", "export it again"
        )


def require_bounded(image: Image.Image, data: bytes, limits: ImageLimits) -> None:
    """Raise ImageError where reading the first frame would take too much, or no pixel is there."""
    width, height = image.size
    pixels = width * height
    if pixels > limits.max_pixels:
        raise too_large(
            f"the image has {width} x {height} = {pixels:,} pixels",
            f"scale it down to at most {limits.max_pixels:,}",
        )
    if pixels <= 0:
        problem = f"the image has {width} x {height} pixels"
        raise ImageError(problem, "export it again", code="unreadable_image")
    kind = image.format or ""
    counter = FRAME_COUNTERS.get(kind)
    frames = counter(data, limits.max_frames) if counter else getattr(image, "n_frames", 1)
    if frames > limits.max_frames:
        raise too_large(
            f"the {kind} file has more than {limits.max_frames} frames", "send one of its pictures"
        )
    compressed = kind in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
    scans = jpeg_scans(data, USUAL_SCANS, MOST_SCANS) if compressed else 1
    tiles = len(getattr(image, "tile", ()))
    passes = scans * pixels > USUAL_SCANS * limits.max_pixels
    if scans > MOST_SCANS or passes or tiles > MOST_TILES:
        raise too_large(
            f"the {kind} file is made of too many pieces ({scans} scans, {tiles} tiles)",
            "export it again",
        )


def too_large(problem: str, fix: str) -> ImageError:
    """The error for all of these."""
    return ImageError(problem, fix, code="image_too_large")
