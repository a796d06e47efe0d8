"""A look at the validation images: how far away is what the generator draws now?

The figure that picks the epoch to store is the kernel distance (KID, Binkowski et al. 2018, arXiv
1801.01401), unbiased at any number of pictures, between features of generated pictures and of
validation images. It is called KID only with Inception's features.
"""

from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.metrics.generative import evenly, pixel_diversity
from leafgate.metrics.kernel import kernel_distance
from registry import FeatureExtractor, Generator
from training.gan.evaluation.figures import named
from training.gan.unfinished import Epoch

SEED = 20_180_105  # of the pictures drawn for a look; any number, but always the same
ALIKE = 1e-5  # diversity of images that differ by nothing but rounding
COMPARED = 256  # pictures whose distances from each other are taken


@dataclass(frozen=True)
class Validation:
    """Real features (n, d), how different real images are, and how many pictures a look draws."""

    extractor: FeatureExtractor
    features: NDArray[np.float32]
    diversity: float
    samples: int

    @classmethod
    def of(cls, extractor: FeatureExtractor, images: Pixels, samples: int) -> "Validation":
        """images: the validation side, (n, size, size, channels) uint8."""
        found = extractor.features(images)
        some = images[evenly(len(images), COMPARED)]
        return cls(extractor, found, pixel_diversity(some), samples)

    def look(self, generator: Generator, epoch: Epoch) -> Epoch:
        """The epoch with its distance and diversity; NaN for real images too few, or all alike."""
        pictures = generator.generate(self.samples, SEED)
        distance = kernel_distance(self.features, self.extractor.features(pictures)).value
        among = pixel_diversity(pictures[:COMPARED])
        diversity = among / self.diversity if self.diversity > ALIKE else nan
        return replace(epoch, distance=distance, diversity=diversity)

    @property
    def name(self) -> str:
        """What the distance is called."""
        return f"validation_{named('kd', self.extractor.name)}"

    def named(self, epoch: Epoch) -> dict[str, float]:
        """An epoch's figures as they are logged."""
        names = {"distance": self.name, "diversity": "validation_diversity"}
        return {names.get(key, key): value for key, value in epoch.metrics.items()}
