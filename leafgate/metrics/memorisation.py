"""Does a generator invent, or hand back its training images?

Held-out real images are the yardstick: new pictures of the same kind lie about as far from the
training images as they do, copies lie nearer. After Meehan et al. 2020, arXiv 2004.05675, who
compare the same two sets of distances; departs in asking for the share below a low quantile in
place of a rank test over cells of the space, as a share of copies can be read as it stands.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.manifold import distance_rows

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Memorisation:
    """share: generated pictures as near to a training image as few held-out ones are, in [0, 1].

    expected: that share where nothing is memorised; share 1 is a replay of the training images.
    ratio: median distance of generated pictures over that of held-out ones: near 0 for copies,
    about 1 for new pictures. closest: generated index, training index and distance of the nearest
    pairs, nearest first.
    """

    share: float
    expected: float
    ratio: float
    closest: tuple[tuple[int, int, float], ...]


def nearest(points: Floats, among: Floats) -> tuple[Doubles, Indices]:
    """(n,) distance of (n, d) `points` to their nearest row of (m, d) `among`, and that row.

    Exact: 0 for a copy. Flat memory. ValueError where `among` has no rows.
    """
    if not len(among):
        raise ValueError("no rows to be near to")
    distances, indices = np.empty(len(points)), np.empty(len(points), np.intp)
    for rows, squares in distance_rows(points, among):
        indices[rows] = squares.argmin(axis=1)
        apart = np.asarray(points[rows], np.float64) - among[indices[rows]]
        distances[rows] = np.sqrt((apart**2).sum(axis=1))
    return distances, indices


def memorisation(
    train: Floats, held_out: Floats, generated: Floats, quantile: float = 0.05, pairs: int = 16
) -> Memorisation:
    """Nearness of generated to training features against that of held-out ones, all (any, d).

    The bar is the `quantile` of h held-out distances. Were g generated pictures more real ones, the
    share would be `quantile` on average, whatever the sizes, with a standard deviation of about
    sqrt(q (1 - q) (1/h + 1/g)); name h and g with it. Where h is too small for the quantile (19 for
    0.05) the bar is the nearest held-out image, and `expected` says 1 / (h + 1). Held-out images
    must show other leaves than the training images, or the bar is too low and copies pass. Bland
    pictures, near to the middle of all, also lie nearer than real ones, and a small share of copies
    may hide in the scatter: the closest pairs are there to be looked at. share and ratio are NaN
    where a set is empty, and ratio where most held-out images are copies.
    """
    if not (len(train) and len(held_out) and len(generated)):
        return Memorisation(float("nan"), quantile, float("nan"), ())
    ours, rows = nearest(generated, train)
    theirs, _ = nearest(held_out, train)
    # Weibull's quantile is the one that a further draw stays below with just that probability.
    bar, middle = np.quantile(theirs, [quantile, 0.5], method="weibull")
    fewest = 1 / (len(theirs) + 1)
    order = np.argsort(ours, kind="stable")[:pairs]
    return Memorisation(
        share=float((ours <= bar).mean()),
        expected=min(max(quantile, fewest), 1 - fewest),
        ratio=float(np.median(ours) / middle) if middle else float("nan"),
        closest=tuple((int(i), int(rows[i]), float(ours[i])) for i in order),
    )
