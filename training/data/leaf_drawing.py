"""The drawn leaf without its disease: shape, veins, colour, pose, light and background.

All pictures are (size, size, 3) floats in [0, 1]; all fields are (size, size).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Picture = NDArray[np.float64]


@dataclass(frozen=True)
class Canvas:
    """One leaf's geometry. along, across: leaf coordinates (tip at +1, stem at -1; blade edge at
    |across| = 1); coverage: 1 inside the blade, 0 outside; veins: 1 on a vein.
    """

    size: int
    rng: np.random.Generator
    along: Field
    across: Field
    coverage: Field
    veins: Field
    scale: float


def smooth_noise(size: int, cells: int, rng: np.random.Generator) -> Field:
    """Value noise in [0, 1] with about `cells` bumps a side, cubic between lattice points."""
    lattice = rng.random((cells + 3, cells + 3))
    position = np.linspace(0, cells, size, endpoint=False)
    index = position.astype(int)
    t = position - index
    ease = t * t * (3 - 2 * t)
    low = lattice[index][:, :-1] * (1 - ease)[:, None] + lattice[index + 1][:, :-1] * ease[:, None]
    left, right = low[:, index], low[:, index + 1]
    return left * (1 - ease)[None, :] + right * ease[None, :]


def fractal_noise(size: int, cells: int, rng: np.random.Generator, octaves: int = 3) -> Field:
    """Sum of smooth noise at doubling frequencies, in about [0, 1]."""
    weights = [0.5**octave for octave in range(octaves)]
    layers = [
        weight * smooth_noise(size, min(cells * 2**octave, size), rng)
        for octave, weight in enumerate(weights)
    ]
    return np.asarray(sum(layers) / sum(weights))


def soft_step(field: Field, edge: float, width: float) -> Field:
    """0 below `edge`, 1 above, smooth over `width`."""
    return np.clip((field - edge) / width + 0.5, 0, 1)


def new_canvas(size: int, rng: np.random.Generator) -> Canvas:
    """A leaf of random outline and pose."""
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid, grid)
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.72, 0.98)
    dx, dy = rng.uniform(-0.12, 0.12, 2)
    u = ((x - dx) * np.cos(angle) + (y - dy) * np.sin(angle)) / scale
    v = ((y - dy) * np.cos(angle) - (x - dx) * np.sin(angle)) / scale
    v = v + rng.uniform(-0.18, 0.18) * (u * u - 0.5)  # the midrib bends
    half = _half_width(np.clip(u, -1, 1), rng)
    across = v / np.maximum(half, 1e-3)
    inside = soft_step(half - np.abs(v), 0, 4 / size) * (np.abs(u) < 1)
    stem = (np.abs(v) < 0.022) & (u <= -0.9) & (u > -1.35)
    coverage = np.maximum(inside, stem * 1.0)
    return Canvas(size, rng, u, across, coverage, _veins(u, v, rng), scale)


def _half_width(u: Field, rng: np.random.Generator) -> Field:
    fullness, skew = rng.uniform(0.38, 0.62), rng.uniform(-0.35, 0.35)
    half = fullness * np.sqrt(np.maximum(1 - u * u, 0)) * (1 - skew * u)
    kind = rng.integers(3)
    if kind == 1:  # serrated
        teeth = rng.integers(10, 22)
        half = half * (1 - rng.uniform(0.04, 0.1) * np.abs(np.sin(teeth * np.pi * u / 2)))
    if kind == 2:  # lobed
        lobes = rng.integers(2, 5)
        half = half * (1 - rng.uniform(0.12, 0.25) * np.cos(lobes * np.pi * u) ** 2)
    return np.asarray(half)


def _veins(u: Field, v: Field, rng: np.random.Generator) -> Field:
    midrib = np.exp(-((v / 0.022) ** 2))
    slope, spacing = rng.uniform(0.5, 1.1), rng.uniform(0.13, 0.22)
    phase = (u - slope * np.abs(v)) / spacing + rng.uniform(0, 1)
    distance = np.abs(phase - np.rint(phase)) * spacing
    return np.maximum(midrib, 0.7 * np.exp(-((distance / 0.012) ** 2)))


def hsv(hue: Field | float, saturation: Field | float, value: Field | float) -> Picture:
    """Hue, saturation and value in [0, 1] (fields or numbers) as RGB."""
    h, s, v = np.broadcast_arrays(hue, saturation, value)
    steps = [(h * 6 + offset) % 6 for offset in (5, 3, 1)]
    bands = [v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1) for k in steps]
    return np.stack(bands, axis=-1)


def mix(picture: Picture, colour: Picture, amount: Field) -> Picture:
    """`picture` with `colour` laid over it by `amount` in [0, 1]."""
    return picture * (1 - amount[..., None]) + colour * amount[..., None]


def blade(canvas: Canvas) -> Picture:
    """The healthy blade: green of varying hue, mottled, with paler or darker veins."""
    rng, size = canvas.rng, canvas.size
    hue, saturation = rng.uniform(0.19, 0.36), rng.uniform(0.4, 0.8)
    value = rng.uniform(0.34, 0.68)
    texture = fractal_noise(size, 9, rng) - 0.5
    shade = value * (1 + 0.22 * texture + 0.12 * canvas.across * rng.uniform(-1, 1))
    body = hsv(hue + 0.03 * texture, np.clip(saturation - 0.1 * texture, 0, 1), shade)
    vein_colour = hsv(hue - 0.02, saturation * 0.7, value * rng.choice([0.78, 1.28]))
    return mix(body, vein_colour, canvas.veins * rng.uniform(0.35, 0.7))


def scenery(canvas: Canvas) -> Picture:
    """What lies behind the leaf: soil, cloth, grass, paper or sky."""
    rng, size = canvas.rng, canvas.size
    hue, saturation, value, cells, depth = [
        (rng.uniform(0.05, 0.11), rng.uniform(0.25, 0.55), rng.uniform(0.2, 0.5), 24, 0.5),
        (rng.uniform(0, 1), rng.uniform(0.05, 0.4), rng.uniform(0.3, 0.8), 5, 0.15),
        (rng.uniform(0.2, 0.33), rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.5), 30, 0.6),
        (rng.uniform(0, 1), rng.uniform(0, 0.06), rng.uniform(0.7, 0.95), 4, 0.08),
        (rng.uniform(0.52, 0.62), rng.uniform(0.1, 0.45), rng.uniform(0.6, 0.9), 3, 0.2),
    ][rng.integers(5)]
    texture = fractal_noise(size, cells, rng) - 0.5
    background = hsv(hue + 0.02 * texture, saturation, np.clip(value * (1 + depth * texture), 0, 1))
    offset = rng.integers(-size // 16, size // 16 + 1, 2)
    shadow = np.roll(canvas.coverage, tuple(offset), axis=(0, 1)) * rng.uniform(0.1, 0.4)
    return background * (1 - shadow[..., None])


def light(picture: Picture, canvas: Canvas) -> Picture:
    """Brightness, white balance, a gradient across the frame, and sensor noise."""
    rng, size = canvas.rng, canvas.size
    ramp = np.linspace(-1, 1, size)
    gradient = 1 + rng.uniform(-0.15, 0.15) * ramp[:, None] + rng.uniform(-0.15, 0.15) * ramp
    balance = rng.uniform(0.93, 1.07, 3) * rng.uniform(0.82, 1.15)
    noise = rng.normal(0, rng.uniform(0.005, 0.02), picture.shape)
    return picture * gradient[..., None] * balance + noise
