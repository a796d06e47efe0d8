"""Pictures for EfficientNet-Lite: two photographs that scikit-learn brings, and two drawn ones."""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHOTOGRAPHS = ("flower", "china")
DRAWN = ("waves", "noise")


@cache
def picture(name: str, size: int) -> NDArray[np.float32]:
    """(1, size, size, 3) float32 in [0, 255]."""
    draw = _photograph if name in PHOTOGRAPHS else _waves if name == "waves" else _noise
    return draw(name, size)[None].astype(np.float32)


def _photograph(name: str, size: int) -> NDArray[np.float32]:
    with Image.open(str(files("sklearn.datasets") / "images" / f"{name}.jpg")) as image:
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32)


def _waves(_: str, size: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:size, :size] / size
    waves = [np.sin(20 * rows + 9 * columns * (channel + 1)) for channel in range(3)]
    return np.float32(127.5) * (1 + np.stack(waves, axis=-1).astype(np.float32))


def _noise(_: str, size: int) -> NDArray[np.float32]:
    values = np.random.default_rng(size).integers(0, 256, (size, size, 3))
    return values.astype(np.float32)
