"""A set of plain coloured pictures: enough for tests that need images of classes."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 60, 220), "green": (40, 170, 60), "red": (210, 40, 30)}


def colour_picture(name: str, seed: int, size: int = 40) -> Image.Image:
    """One picture of about that colour."""
    rng = np.random.default_rng([seed, len(name)])
    noise = rng.normal(0, 12, (size, size, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8))


def make_colour_folder(root: Path, each: int = 12) -> Path:
    """`root/<colour>/<number>.png`, `each` of every colour."""
    for name in COLOURS:
        (root / name).mkdir(parents=True)
        for number in range(each):
            colour_picture(name, number).save(root / name / f"{number:03d}.png")
    return root
