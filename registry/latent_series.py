"""Where generated pictures come from: the latents of a seed, and those on the way to another seed.

Latent k of seed s is drawn from its own random stream (s, k): it is the same whether asked for
alone or among a thousand.

The way from one latent to another is spherical (White 2016, "Sampling Generative Networks",
arXiv:1609.04468): normal latents of many dimensions all lie near one sphere, and a straight line
would lead through its inside, where the network has learnt nothing. The formula divides by the sine
of the angle between the two. Where that is next to nothing (`PARALLEL`) the straight line is taken:
for two latents in one direction it is what the arc tends to; between two in opposite ones there is
no shortest arc, which among normal latents happens in one dimension alone.
"""

import math

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError

MAX_SEED = 2**32 - 1
FEWEST_STEPS, MOST_STEPS = 2, 64  # pictures on one way, its ends among them
PARALLEL = 1e-6
Floats = NDArray[np.float32]


def latents(indices: range, seed: int, latent_size: int) -> Floats:
    """(len(indices), latent_size) standard normal, row k from the stream (seed, k)."""
    rows = [np.random.default_rng([seed, i]).standard_normal(latent_size) for i in indices]
    return np.asarray(rows, np.float32)


def latents_between(steps: range, of: int, seed: int, to_seed: int, latent_size: int) -> Floats:
    """(len(steps), latent_size): places `steps` of `of` on the way from latent 0 of `seed` to
    latent 0 of `to_seed`. Place 0 and the last one are these latents, bit by bit.
    """
    (first,), (last,) = (latents(range(1), each, latent_size) for each in (seed, to_seed))
    return on_the_way(first, last, np.asarray(steps, np.float64) / (of - 1))


def on_the_way(first: Floats, last: Floats, shares: NDArray[np.float64]) -> Floats:
    """(len(shares), size): what lies at each share, 0 to 1, of the arc between two (size,)."""
    ends = np.stack([first, last]).astype(np.float64)
    lengths = np.linalg.norm(ends, axis=1, keepdims=True)
    one, other = ends / np.maximum(lengths, np.finfo(np.float64).tiny)
    # Kahan's form: the arc cosine loses half of its digits where the two are nearly parallel.
    angle = 2 * math.atan2(float(np.linalg.norm(one - other)), float(np.linalg.norm(one + other)))
    weights = np.stack([1 - shares, shares], axis=1)
    if math.sin(angle) > PARALLEL:
        weights = np.sin(weights * angle) / math.sin(angle)
    return np.asarray(weights @ ends, np.float32)


def require_way(steps: int, seed: int, to_seed: int) -> None:
    """Raise UserError `out_of_range` for too few or too many pictures, or a seed out of bounds."""
    seeds_are_good = all(0 <= each <= MAX_SEED for each in (seed, to_seed))
    if not FEWEST_STEPS <= steps <= MOST_STEPS or not seeds_are_good:
        raise UserError(
            f"{steps} pictures on the way from seed {seed} to seed {to_seed}",
            f"ask for {FEWEST_STEPS} to {MOST_STEPS}, and for seeds of 0 to {MAX_SEED}",
            code="out_of_range",
        )
