"""A Grad-CAM heat map laid over its picture, without matplotlib."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leafgate.images import Pixels, resize

# Inferno, at five stops: dark violet to light yellow; told apart by colour-blind readers.
STOPS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])
STRENGTH = 0.55


def overlay(image: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """(height, width, 3) uint8: the picture, tinted where `heat` (h, w) in [0, 1] is high."""
    height, width = image.shape[:2]
    scaled = Image.fromarray(np.asarray(heat, np.float32)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    strength = np.clip(np.asarray(scaled), 0, 1)
    share = STRENGTH * strength[..., None]
    tinted = image * (1 - share) + colours(strength) * share
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


def colours(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(..., 3) in [0, 255] for values in [0, 1]."""
    places = np.linspace(0, 1, len(STOPS))
    return np.stack([np.interp(values, places, STOPS[:, c]) for c in range(3)], axis=-1)


def beside(image: Pixels, heat: NDArray[np.float32], side: int = 160) -> Pixels:
    """(side, 2 * side, 3): the picture, and the picture with the heat map."""
    small = resize(image, side)
    return np.concatenate([small, overlay(small, heat)], axis=1)
