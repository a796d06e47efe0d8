"""Is this picture like anything the model learnt from? The distance of its features says so.

Mahalanobis distance to the nearest class mean with one shared covariance (Lee et al. 2018, arXiv
1807.03888), of features brought to unit length (Müller and Hein 2025, arXiv 2505.18032). Only the
covariance's largest directions are kept; the rest counts as alike in all directions, which keeps
the stored model small and the estimate sound with few images.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.arrays import load_arrays, save_arrays

OUTLIERS_FILE = "outliers.npz"
DIRECTIONS = 256
SHRINKAGE = 0.1  # of the mean variance, added to each direction
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class OutlierScore:
    """means: (classes, channels); directions: (channels, kept); variances: (kept,); rest: ().

    threshold: (), scores above it mean unknown. unit: () 1 where features are brought to unit
    length first; 0 where they are taken as they are, as for models that were stored without it.
    """

    means: Floats
    directions: Floats
    variances: Floats
    rest: Floats
    threshold: Floats
    unit: Floats | float = 0.0

    @classmethod
    def fit(cls, pooled: Floats, labels: NDArray[np.integer]) -> "OutlierScore":
        """From pooled features (n, channels) of training images; the threshold is still open."""
        pooled = _unit(pooled)
        means = np.stack([pooled[labels == c].mean(axis=0) for c in np.unique(labels)])
        _, place = np.unique(labels, return_inverse=True)
        within = pooled - means[place]
        covariance = within.T @ within / max(len(within) - 1, 1)
        channels = len(covariance)
        covariance += SHRINKAGE * max(np.trace(covariance) / channels, 1e-9) * np.eye(channels)
        variances, directions = np.linalg.eigh(covariance)
        kept = min(DIRECTIONS, channels)
        rest = variances[: channels - kept].mean() if channels > kept else variances.min()
        return cls(
            means,
            directions[:, -kept:],
            variances[-kept:],
            rest=np.array(rest),
            threshold=np.array(np.inf),
            unit=np.array(1.0),
        )

    def with_threshold(self, scores: Floats, known_share: float) -> "OutlierScore":
        """Placed so that `known_share` of the validation images, by their scores, are known."""
        return replace(self, threshold=np.array(np.quantile(scores, known_share)))

    def score(self, pooled: Floats) -> NDArray[np.float64]:
        """(n,) distance to the nearest class mean, per channel: about 1 for images as learnt."""
        centre, means, directions, offsets, lengths = self._prepared
        apart = (_unit(pooled) if self.unit else np.asarray(pooled, np.float64)) - centre
        along = (apart @ directions)[:, None] - offsets  # (n, classes, kept)
        # |x - m|^2, with both taken from the means' own centre so that little is cancelled
        total = (apart**2).sum(axis=1)[:, None] - 2 * apart @ means.T + lengths
        across = np.maximum(total - (along**2).sum(axis=2), 0)
        distances = (along**2 / self.variances).sum(axis=2) + across / self.rest
        return np.asarray(distances.min(axis=1) / apart.shape[1], np.float64)

    @cached_property
    def _prepared(self) -> tuple[NDArray[np.float64], ...]:
        """What does not depend on the picture: one projection then serves every class."""
        centre = np.asarray(self.means, np.float64).mean(axis=0)
        means = self.means - centre
        directions = np.asarray(self.directions, np.float64)
        return centre, means, directions, means @ directions, (means**2).sum(axis=1)

    def save(self, folder: Path) -> None:
        """Write beside the network."""
        save_arrays(self, folder / OUTLIERS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "OutlierScore | None":
        """Read back; None for a model that was stored without."""
        file = folder / OUTLIERS_FILE
        if not file.is_file():
            return None
        return load_arrays(cls, file)


def _unit(pooled: Floats) -> NDArray[np.float64]:
    """Rows of length 1; a row of zeros stays."""
    rows = np.asarray(pooled, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
