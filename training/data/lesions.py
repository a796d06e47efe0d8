"""What each disease does to a drawn blade: one function a class, listed in LESIONS.

A lesion takes the healthy blade, (size, size, 3) in [0, 1], and its canvas, and returns the blade
as the disease leaves it. Number, size, place and colour vary; the kind of mark does not.
"""

from collections.abc import Callable

import numpy as np

from training.data.leaf_drawing import (
    Canvas,
    Field,
    Picture,
    fractal_noise,
    hsv,
    mix,
    smooth_noise,
    soft_step,
)


def healthy(leaf: Picture, canvas: Canvas) -> Picture:
    """No mark at all."""
    return leaf


def rust(leaf: Picture, canvas: Canvas) -> Picture:
    """Many small raised orange-brown pustules with a faint yellow halo."""
    rng = canvas.rng
    spots = _spots(canvas, int(rng.integers(25, 60)), (0.035, 0.06))
    yellowed = mix(leaf, hsv(0.15, 0.7, 0.75), 0.5 * soft_step(spots, 0.25, 0.5))
    orange = hsv(rng.uniform(0.045, 0.085), rng.uniform(0.75, 0.95), rng.uniform(0.55, 0.8))
    return mix(yellowed, orange, soft_step(spots, 0.6, 0.3))


def scab(leaf: Picture, canvas: Canvas) -> Picture:
    """Several dark olive, velvety blotches with feathered edges."""
    rng = canvas.rng
    spots = _spots(canvas, int(rng.integers(6, 14)), (0.09, 0.16))
    ragged = spots * (0.55 + 0.9 * fractal_noise(canvas.size, 14, rng))
    olive = hsv(rng.uniform(0.12, 0.2), rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.22))
    return mix(leaf, olive, 0.9 * soft_step(ragged, 0.5, 0.35))


def blight(leaf: Picture, canvas: Canvas) -> Picture:
    """One to three large brown dead zones from the margin, ringed, with a yellow border."""
    rng = canvas.rng
    zones = _spots(canvas, int(rng.integers(1, 4)), (0.42, 0.65), margin=True)
    zones = zones * (0.8 + 0.4 * fractal_noise(canvas.size, 6, rng))
    bordered = mix(leaf, hsv(0.15, 0.75, 0.75), 0.8 * soft_step(zones, 0.38, 0.2))
    rings = 0.85 + 0.15 * np.sin(zones * rng.uniform(25, 40))
    brown = hsv(rng.uniform(0.05, 0.09), rng.uniform(0.4, 0.65), rng.uniform(0.28, 0.45) * rings)
    return mix(bordered, brown, soft_step(zones, 0.52, 0.1))


def powdery_mildew(leaf: Picture, canvas: Canvas) -> Picture:
    """Whitish, soft-edged, mealy patches on the upper side."""
    rng = canvas.rng
    patches = _spots(canvas, int(rng.integers(5, 12)), (0.14, 0.26))
    mealy = patches * (0.6 + 0.7 * fractal_noise(canvas.size, 26, rng))
    white = hsv(rng.uniform(0.1, 0.25), rng.uniform(0.02, 0.1), rng.uniform(0.82, 0.95))
    return mix(leaf, white, rng.uniform(0.75, 0.95) * soft_step(mealy, 0.45, 0.6))


def mosaic(leaf: Picture, canvas: Canvas) -> Picture:
    """Angular light and dark green mottling over the whole blade, bounded by the veins."""
    rng = canvas.rng
    cells = smooth_noise(canvas.size, int(rng.integers(8, 13)), rng)
    cells = cells - 0.25 * canvas.veins
    yellow = hsv(rng.uniform(0.16, 0.21), rng.uniform(0.5, 0.75), rng.uniform(0.68, 0.85))
    dark = leaf * rng.uniform(0.55, 0.75)
    mottled = mix(leaf, yellow, 0.85 * soft_step(cells, 0.52, 0.12))
    return mix(mottled, dark, soft_step(0.36 - cells, 0, 0.12))


LESIONS: dict[str, Callable[[Picture, Canvas], Picture]] = {
    "healthy": healthy,
    "blight": blight,
    "rust": rust,
    "scab": scab,
    "powdery_mildew": powdery_mildew,
    "mosaic": mosaic,
}


def _spots(canvas: Canvas, count: int, radius: tuple[float, float], margin: bool = False) -> Field:
    """Height 1 at the centre of each spot, 0 from its radius on; centres lie on the blade."""
    rng, size = canvas.rng, canvas.size
    near_edge = np.abs(canvas.across) + 0.6 * np.abs(canvas.along)
    allowed = (canvas.coverage > 0.9) & (np.abs(canvas.along) < 0.9)
    wanted = allowed & (near_edge > 0.75) if margin else allowed
    places = np.argwhere(wanted if wanted.any() else canvas.coverage > 0.5)
    rows, columns = np.mgrid[:size, :size] * (2 / size)
    field = np.zeros((size, size))
    for row, column in places[rng.integers(0, len(places), count)] * (2 / size):
        reach = rng.uniform(*radius) * canvas.scale
        stretch, turn = rng.uniform(0.75, 1.3), rng.uniform(0, np.pi)
        dy, dx = rows - row, columns - column
        a = (dx * np.cos(turn) + dy * np.sin(turn)) * stretch
        b = (dy * np.cos(turn) - dx * np.sin(turn)) / stretch
        field = np.maximum(field, 1 - np.sqrt(a * a + b * b) / reach)
    return np.clip(field * 1.6, 0, 1)
