"""What checks look at: measured by the gate from the stored artefact, never taken from its log."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels


@dataclass(frozen=True)
class ClassifierEvidence:
    """Answers on the test side. truth, predicted: (n,) indices into labels; groups: leaf groups.

    An answer that is no known class has index -1, and is wrong.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class GeneratorEvidence:
    """Pictures of one seed, raw and as served, and real ones of the test side beside them.

    outputs: (n, size, size, channels) float32 as the network gave them; images, real: uint8.
    """

    outputs: NDArray[np.float32]
    images: Pixels
    real: Pixels
