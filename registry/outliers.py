"""Is this picture like anything the model learnt from? The distance of its features says so.

Mahalanobis distance to the nearest class mean with one shared covariance (Lee et al. 2018, arXiv
1807.03888). Only the covariance's largest directions are kept; the rest counts as alike in all
directions, which keeps the stored model small and the estimate sound with few images.
"""

from dataclasses import dataclass, replace
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

    threshold: (), scores above it mean unknown.
    """

    means: Floats
    directions: Floats
    variances: Floats
    rest: Floats
    threshold: Floats

    @classmethod
    def fit(cls, pooled: Floats, labels: NDArray[np.integer]) -> "OutlierScore":
        """From pooled features (n, channels) of training images; the threshold is still open."""
        pooled = np.asarray(pooled, np.float64)
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
            means, directions[:, -kept:], variances[-kept:], np.array(rest), np.array(np.inf)
        )

    def with_threshold(self, scores: Floats, known_share: float) -> "OutlierScore":
        """Placed so that `known_share` of the validation images, by their scores, are known."""
        return replace(self, threshold=np.array(np.quantile(scores, known_share)))

    def score(self, pooled: Floats) -> NDArray[np.float64]:
        """(n,) distance to the nearest class mean, per channel: about 1 for images as learnt."""
        distances = []
        for mean in self.means:
            apart = np.asarray(pooled, np.float64) - mean
            along = apart @ self.directions
            across = np.maximum((apart**2).sum(axis=1) - (along**2).sum(axis=1), 0)
            distances.append((along**2 / self.variances).sum(axis=1) + across / self.rest)
        return np.asarray(np.min(distances, axis=0) / pooled.shape[1], np.float64)

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
