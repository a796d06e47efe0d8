"""The small network above the last feature map, in NumPy: it is why Grad-CAM needs no TensorFlow.

Head: pooled features, scaled and shifted (batch normalisation in inference), one hidden layer with
ReLU or none, a last layer. The gradient of a logit by the feature map therefore has a closed form.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from registry.arrays import load_arrays, save_arrays

HEAD_FILE = "head.npz"
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Head:
    """scale, shift: (channels,); hidden_kernel: (channels, hidden); kernel: (hidden, classes).

    Without a hidden layer hidden_kernel is empty and kernel is (channels, classes).
    """

    scale: Floats
    shift: Floats
    hidden_kernel: Floats
    hidden_bias: Floats
    kernel: Floats
    bias: Floats

    @classmethod
    def linear(cls, kernel: Floats, bias: Floats) -> "Head":
        """A last layer on the pooled features themselves."""
        channels = len(kernel)
        none = np.empty((channels, 0), np.float32)
        return cls(np.ones(channels), np.zeros(channels), none, np.empty(0), kernel, bias)

    @property
    def has_hidden(self) -> bool:
        """Whether there is a layer between the features and the last one."""
        return bool(self.hidden_kernel.size)

    def logits(self, pooled: Floats) -> Floats:
        """(n, channels) to (n, classes): what the network itself says."""
        normalised = pooled * self.scale + self.shift
        if self.has_hidden:
            normalised = np.maximum(normalised @ self.hidden_kernel + self.hidden_bias, 0)
        return np.asarray(normalised @ self.kernel + self.bias)

    def gradient(self, pooled: Floats, class_index: int) -> Floats:
        """(channels,) derivative of one class's logit by the pooled features (channels,)."""
        into_last = self.kernel[:, class_index]
        if not self.has_hidden:
            return np.asarray(into_last * self.scale)
        before = (pooled * self.scale + self.shift) @ self.hidden_kernel + self.hidden_bias
        return np.asarray((self.hidden_kernel @ (into_last * (before > 0))) * self.scale)

    def save(self, folder: Path) -> None:
        """Write beside the network."""
        save_arrays(self, folder / HEAD_FILE)

    @classmethod
    def load(cls, folder: Path) -> "Head":
        """Read back. Raises UserError where it is missing."""
        file = folder / HEAD_FILE
        if not file.is_file():
            raise UserError(
                f"the stored model has no {HEAD_FILE}", "train it again", code="artifact_missing"
            )
        return load_arrays(cls, file)


def grad_cam(head: Head, features: Floats, class_index: int) -> NDArray[np.float32]:
    """(height, width) in [0, 1]: which places of the feature map spoke for the class.

    Selvaraju et al. 2017, arXiv 1610.02391. features: (height, width, channels). The gradient by a
    place is that by the pooled mean, divided by the number of places, so it is the same everywhere
    and the weight of a channel. All zero where nothing speaks for the class.
    """
    pooled = features.mean(axis=(0, 1))
    weights = head.gradient(pooled, class_index)
    heat = np.maximum(features @ weights, 0)
    return np.asarray(heat / max(float(heat.max()), 1e-12), np.float32)
