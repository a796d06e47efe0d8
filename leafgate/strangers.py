"""Pictures that show nothing a model can know, whatever it learnt: leaves, skin or digits.

What a phone sends by mistake: a pocket, a wall, a page, a screenshot, a house. They are drawn, so
that no data set is needed, and then taken as a phone would; the photographs of a temple come with
scikit-learn. None is near to a class, as the leaf of another plant is: whoever turns all of them
away may still let such a neighbour through.
"""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from leafgate.images import Pixels, resize

Random = np.random.Generator
Stranger = Callable[[Random], Pixels]
Colour = tuple[int, int, int]
SIDE = 256  # pixels that pictures are drawn at
TEXT = "the of and price total menu open page line note from your daily order please train number"


def noise(rng: Random) -> Pixels:
    """Static, in grains of one to eight pixels."""
    cells = SIDE // int(rng.choice([1, 2, 4, 8]))
    grains = rng.integers(0, 256, (cells, cells, 3), np.uint8)
    return np.asarray(Image.fromarray(grains).resize((SIDE, SIDE), Image.Resampling.NEAREST))


def plain(rng: Random) -> Pixels:
    """A wall, a table top, the inside of a pocket: one colour, not quite evenly lit."""
    return taken(Image.new("RGB", (SIDE, SIDE), _colour(rng)), rng)


def blotches(rng: Random) -> Pixels:
    """Nothing in focus."""
    cells = int(rng.integers(3, 9))
    spread = rng.normal(0, 50, (cells, cells, 3)) + np.array(_colour(rng))
    colours = np.clip(spread, 0, 255).astype(np.uint8)
    return taken(Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC), rng)


def gradient(rng: Random) -> Pixels:
    """One colour that goes over into another, as a sky at dusk."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    share = np.clip(rows * np.sin(angle) + columns * np.cos(angle) + 0.5, 0, 1)[..., None]
    mixed = np.array(_colour(rng)) * share + np.array(_colour(rng)) * (1 - share)
    return taken(Image.fromarray(mixed.astype(np.uint8)), rng)


def stripes(rng: Random) -> Pixels:
    """Striped or checked cloth."""
    width, angle = int(rng.integers(8, 33)), rng.uniform(0, np.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = (rows * np.cos(angle) + columns * np.sin(angle)) // width % 2
    across = (columns * np.cos(angle) - rows * np.sin(angle)) // width % 2
    mask = along != across if rng.random() < 0.5 else along > 0
    cloth = np.where(mask[..., None], _colour(rng), _colour(rng)).astype(np.uint8)
    return taken(Image.fromarray(cloth), rng)


def page(rng: Random) -> Pixels:
    """Lines of print on paper."""
    paper = Image.new("RGB", (SIDE, SIDE), _light(rng))
    draw = ImageDraw.Draw(paper)
    size, ink = int(rng.integers(10, 25)), _dark(rng)
    for top in range(12, SIDE - size, round(1.4 * size)):
        draw.text((14, top), _sentence(rng, 10), ink, font=_font(size))
    return taken(_turned(paper, rng, 8), rng)


def screenshot(rng: Random) -> Pixels:
    """A conversation on a phone: bubbles of text under a bar. Not photographed."""
    screen = Image.new("RGB", (SIDE, SIDE), _light(rng))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, SIDE, 28), fill=_colour(rng))
    draw.text((10, 6), _sentence(rng, 2), "white", font=_font(14))
    fills, top = (_colour(rng), (255, 255, 255)), 38
    while top < SIDE - 30:
        mine, lines = int(rng.integers(2)), int(rng.integers(1, 4))
        left, height = 8 + 60 * mine, 10 + 15 * lines
        draw.rounded_rectangle((left, top, left + 180, top + height), 8, fill=fills[mine])
        for line in range(lines):
            text = _sentence(rng, 4)[:26]
            draw.text((left + 8, top + 4 + 15 * line), text, (20, 20, 20), font=_font(12))
        top += height + 8
    return np.asarray(screen)


def barcode(rng: Random) -> Pixels:
    """A square code on a packet."""
    packet = Image.new("RGB", (SIDE, SIDE), _colour(rng))
    cells, side = int(rng.integers(21, 34)), int(rng.integers(120, 200))
    code = np.full((cells + 4, cells + 4), 255, np.uint8)
    code[2:-2, 2:-2] = 255 * rng.integers(0, 2, (cells, cells))
    printed = Image.fromarray(code).resize((side, side), Image.Resampling.NEAREST)
    left, top = (int(v) for v in rng.integers(10, SIDE - side - 10, 2))
    packet.paste(printed.convert("RGB"), (left, top))
    return taken(_turned(packet, rng, 20), rng)


def house(rng: Random) -> Pixels:
    """A drawn house under the sky."""
    ground = int(rng.integers(180, 220))
    scene = Image.new("RGB", (SIDE, SIDE), (140, 180, int(rng.integers(200, 250))))
    draw = ImageDraw.Draw(scene)
    draw.rectangle((0, ground, SIDE, SIDE), fill=_dark(rng))
    left, width, height = (int(v) for v in rng.integers((20, 90, 60), (80, 140, 100)))
    top, right = ground - height, left + width
    draw.rectangle((left, top, right, ground), fill=_light(rng))
    ridge = ((left - 12, top), (right + 12, top), ((left + right) // 2, top - height // 2))
    draw.polygon(ridge, fill=_colour(rng))
    for x in range(left + 12, right - 18, 32):
        draw.rectangle((x, top + 14, x + 16, top + 34), fill=(70, 90, 120), outline="white")
    draw.rectangle((left + 14, ground - 26, left + 32, ground), fill=_dark(rng))
    return taken(scene, rng)


def road_sign(rng: Random) -> Pixels:
    """A round or three-cornered sign on its post."""
    scene = Image.fromarray(gradient(rng))
    draw = ImageDraw.Draw(scene)
    x, y = (int(v) for v in rng.integers(100, 156, 2))
    radius = int(rng.integers(50, 90))
    draw.rectangle((x - 5, y, x + 5, SIDE), fill=(120, 120, 125))
    for share, fill in ((1.0, (200, 30, 30)), (0.78, (240, 240, 240))):
        if rng.random() < 0.5 or share < 1:
            draw.regular_polygon((x, y, radius * share), 3, fill=fill)
        else:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    number = str(10 * int(rng.integers(2, 13)))
    draw.text((x, y), number, "black", font=_font(radius // 2), anchor="mm")
    return taken(scene, rng)


def temple(rng: Random) -> Pixels:
    """A part of a photograph of a temple in a park, in another light each time."""
    photograph = _temple()
    side = int(rng.integers(200, 427))
    top = int(rng.integers(photograph.shape[0] - side + 1))
    left = int(rng.integers(photograph.shape[1] - side + 1))
    part = photograph[top : top + side, left : left + side]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    return taken(Image.fromarray(resize(np.ascontiguousarray(part), SIDE)), rng)


STRANGERS: dict[str, Stranger] = {
    "static": noise,
    "a plain colour": plain,
    "blotches": blotches,
    "a gradient": gradient,
    "stripes": stripes,
    "a printed page": page,
    "a screenshot": screenshot,
    "a square code": barcode,
    "a house": house,
    "a road sign": road_sign,
    "a temple": temple,
}


def make_strangers(count: int, size: int, seed: int = 0) -> tuple[Pixels, tuple[str, ...]]:
    """Pictures (count, size, size, 3) uint8 and the kind of each, the kinds of `STRANGERS` in turn.

    The same seed gives the same pictures, and a larger count the same ones first.
    """
    names = list(STRANGERS)
    kinds = tuple(names[number % len(names)] for number in range(count))
    images = np.empty((count, size, size, 3), np.uint8)
    for number, kind in enumerate(kinds):
        images[number] = resize(STRANGERS[kind](np.random.default_rng([seed, number])), size)
    return images, kinds


def taken(scene: Image.Image, rng: Random) -> Pixels:
    """The scene as a phone takes it: unevenly lit, a little blurred and noisy, sent as JPEG."""
    blurred = scene.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    across, down = rng.uniform(-0.25, 0.25, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    light = rng.uniform(0.75, 1.05) + across * columns + down * rows
    lit = np.asarray(blurred) * light[..., None] + rng.normal(0, 4, (SIDE, SIDE, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _turned(scene: Image.Image, rng: Random, most: float) -> Image.Image:
    """Turned by up to `most` degrees; what comes into view has the colour of its corner."""
    corner = scene.getpixel((0, 0))
    return scene.rotate(float(rng.uniform(-most, most)), Image.Resampling.BICUBIC, fillcolor=corner)


def _sentence(rng: Random, words: int) -> str:
    return " ".join(str(word) for word in rng.choice(TEXT.split(), words))


def _colour(rng: Random) -> Colour:
    """Any lightness, seldom as bright a colour as a screen can show."""
    return _near(rng, int(rng.integers(40, 216)), 60)


def _light(rng: Random) -> Colour:
    return _near(rng, 235, 20)


def _dark(rng: Random) -> Colour:
    return _near(rng, 50, 30)


def _near(rng: Random, grey: int, most: int) -> Colour:
    red, green, blue = (int(v) for v in np.clip(grey + rng.integers(-most, most, 3), 0, 255))
    return red, green, blue


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@cache
def _temple() -> Pixels:
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image("china.jpg"))
