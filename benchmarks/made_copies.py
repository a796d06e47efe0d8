"""Copies of an image as they happen: saved again, scaled, cropped, turned, printed over."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from leafgate.images import Pixels

Copy = Callable[[Image.Image], Image.Image]


def jpeg(picture: Image.Image) -> Image.Image:
    """Saved at quality 40."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def scaled(picture: Image.Image) -> Image.Image:
    """To 70 % of its sides."""
    sides = (round(picture.width * 0.7), round(picture.height * 0.7))
    return picture.resize(sides, Image.Resampling.BICUBIC)


def cropped(picture: Image.Image) -> Image.Image:
    """The 90 % of its sides in the middle."""
    left, top = round(picture.width * 0.05), round(picture.height * 0.05)
    return picture.crop((left, top, picture.width - left, picture.height - top))


def coloured(picture: Image.Image) -> Image.Image:
    """Brighter and warmer, within what the comparison of colours allows."""
    bright = np.asarray(ImageEnhance.Contrast(picture).enhance(1.15), np.float32)
    return Image.fromarray(np.clip(bright * [1.1, 1.0, 0.9], 0, 255).astype(np.uint8))


def turned(picture: Image.Image) -> Image.Image:
    """By 90 degrees."""
    return picture.transpose(Image.Transpose.ROTATE_90)


def tilted(picture: Image.Image) -> Image.Image:
    """By 7 degrees, cut to what has no corners left open."""
    tilt = picture.rotate(7, Image.Resampling.BICUBIC)
    left, top = round(picture.width * 0.06), round(picture.height * 0.06)
    return tilt.crop((left, top, picture.width - left, picture.height - top))


def mirrored(picture: Image.Image) -> Image.Image:
    """Left and right changed."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def lettered(picture: Image.Image) -> Image.Image:
    """With white text across it."""
    marked = picture.copy()
    size = round(picture.height / 10)
    draw, font = ImageDraw.Draw(marked), ImageFont.load_default(size)
    draw.text((size, picture.height // 2), "sample picture", "white", font=font)
    return marked


COPIES: dict[str, Copy] = {
    "JPEG at quality 40": jpeg,
    "scaled to 70 %": scaled,
    "cropped by 10 %": cropped,
    "colours changed": coloured,
    "turned by 90 degrees": turned,
    "turned by 7 degrees": tilted,
    "mirrored": mirrored,
    "text over it": lettered,
}


def copies_of(image: Pixels) -> list[Pixels]:
    """One of each kind, of the sizes that they have."""
    picture = Image.fromarray(image)
    return [np.asarray(make(picture)) for make in COPIES.values()]
