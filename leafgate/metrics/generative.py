"""First questions to a generator: are its pictures finite, in range, different from each other?

Distances here are between pixels, not between perceptual features: they catch a collapsed or
broken generator and say nothing about how real its pictures look.
"""

import numpy as np
from numpy.typing import NDArray

SIDE = 32
NOISE, NOISE_SEED = 128, 20_140_610  # pictures of pure noise, any seed but always the same


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of `count` indices, evenly chosen, the first and the last among them.

    For the images of a side, which are sorted by class. Not for generated pictures, whose classes
    come in turn: a step through them meets some classes only, the first ones are of all.
    """
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)


def pure_noise(like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """128 pictures of the size and channels of `like` (n, h, w, c), every value drawn by itself.

    What no generator may come near to: the far end of a scale of distances.
    """
    shape = (NOISE, *like.shape[1:])
    return np.random.default_rng(NOISE_SEED).integers(0, 256, shape, np.uint8)


def thumbnails(images: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.float32]:
    """(n, side * side * channels) block means in [0, 1], for images of at least `side` pixels."""
    count, height, width, channels = images.shape
    rows, columns = height // side, width // side
    cut = images[:, : rows * side, : columns * side]
    blocks = cut.reshape(count, side, rows, side, columns, channels).mean(axis=(2, 4))
    return (blocks.reshape(count, -1) / 255).astype(np.float32)


def pixel_distances(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n * (n - 1) / 2,) root mean square distance of every pair of rows, in [0, 1]."""
    exact = vectors.astype(np.float64)  # differences of large sums: float32 is too coarse
    squares = (exact**2).sum(axis=1)
    gram = squares[:, None] + squares[None, :] - 2 * exact @ exact.T
    upper = np.triu_indices(len(vectors), k=1)
    return np.sqrt(np.maximum(gram[upper], 0) / vectors.shape[1]).astype(np.float32)


def pixel_diversity(images: NDArray[np.uint8]) -> float:
    """Mean pairwise pixel distance in [0, 1]; NaN for fewer than two images."""
    if len(images) < 2:
        return float("nan")
    return float(pixel_distances(thumbnails(images, min(SIDE, images.shape[1]))).mean())


def near_copies(images: NDArray[np.uint8], below: float) -> float:
    """Share of images with another one nearer than `below` (pixel distance): 1 is collapse."""
    if len(images) < 2:
        return float("nan")
    vectors = thumbnails(images, min(SIDE, images.shape[1]))
    count = len(vectors)
    square = np.full((count, count), np.inf, np.float32)
    upper = np.triu_indices(count, k=1)
    square[upper] = pixel_distances(vectors)
    nearest = np.minimum(square, square.T).min(axis=1)
    return float((nearest < below).mean())
