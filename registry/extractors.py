"""Features of the platform's own classifier and of the pixels, and what all extractors share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.settings import Settings
from registry.classifier_model import Classifier
from registry.ledger import Ledger
from registry.registration import require_registered
from registry.store import PRODUCTION, STAGING, ModelStore, ModelVersion

Floats = NDArray[np.float32]
FeatureName = Literal["inception", "lite0", "classifier", "pixels"]

BATCH = 32
SIDE = 16


@dataclass(frozen=True)
class ClassifierFeatures:
    """A stored classifier's pooled features and its answers. about: see FeatureExtractor."""

    classifier: Classifier
    about: str
    name: FeatureName = "classifier"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of a row of probabilities."""
        return self.classifier.description.labels

    def features(self, images: Pixels) -> Floats:
        """(n, channels) for images (n, h, w, c) uint8, which the classifier resizes itself."""
        return in_batches(lambda batch: self.classifier.outputs(batch).pooled, images)

    def probabilities(self, images: Pixels) -> Floats:
        """(n, classes) for images (n, h, w, c) uint8, as the classifier is served."""
        return in_batches(self.classifier.probabilities, images)


@dataclass(frozen=True)
class PixelFeatures:
    """Thumbnails of 16 x 16 pixels: no network at all."""

    name: FeatureName = "pixels"
    about: str = (
        f"block means of {SIDE} x {SIDE} pixels, no network: they know colours and coarse layout "
        "only, and say nothing about how real a picture looks"
    )
    labels: tuple[str, ...] = ()

    def features(self, images: Pixels) -> Floats:
        """(n, 768) in [-0.5, 0.5] for images (n, h, w, c) uint8 of any size, small ones too."""
        return in_batches(_thumbnails, images)

    def probabilities(self, images: Pixels) -> None:
        """There are none."""
        return


def find_classifier(
    settings: Settings, classes: tuple[str, ...], ledger: Ledger | None = None
) -> ClassifierFeatures:
    """The registered classifier that knows all `classes`: in production, else in staging.

    ledger: takes only a version that is on record there. Raises UserError where there is none, or
    it knows other classes.
    """
    store = ModelStore(settings)
    name, missing = settings.classifier_name, "is neither in production nor in staging"
    for alias in (PRODUCTION, STAGING):
        version = store.find(name, alias)
        if version is None:
            continue
        if ledger is not None:
            try:
                require_registered(version, ledger.sound_records(name))
            except UserError as error:
                if error.code not in ("not_registered", "artifact_changed"):
                    raise
                missing = f"cannot be used: {error.problem}"
                continue
        classifier = Classifier.load(store.folder(version), settings.engine)
        unknown = sorted(set(classes) - set(classifier.description.labels))
        if not unknown:
            return ClassifierFeatures(classifier, _about(store, version))
        missing = f"version {version.version} does not know the class {_some(unknown)}"
    raise UserError(
        f"no features of a classifier: {name} {missing}",
        "train one on these images first, with `leafgate train classifier`, or choose other "
        "features (inception, lite0, pixels)",
        code="no_classifier",
    )


def _about(store: ModelStore, version: ModelVersion) -> str:
    data = store.run_tags(version).get("data.digest", "")
    return (
        f"the platform's own classifier, {version} (run {version.run_id}, data digest "
        f"{data[:12] or 'unknown'}): values compare only under this version"
    )


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + rest


def in_batches(run: Callable[[Pixels], Floats], images: Pixels) -> Floats:
    """`run` on RGB batches of up to 32 of `images` (n, h, w, c) uint8: its rows, joined."""
    if not len(images):
        return run(as_rgb(np.zeros((1, *images.shape[1:]), np.uint8)))[:0]  # none, but as wide
    starts = range(0, len(images), BATCH)
    return np.concatenate([run(as_rgb(images[i : i + BATCH])) for i in starts])


def as_rgb(images: Pixels) -> Pixels:
    """(n, h, w, 3): grey, of 1 or 2 channels, is repeated; alpha, the 2nd or 4th, is dropped."""
    if images.shape[-1] in (1, 2):
        return np.repeat(images[..., :1], 3, axis=-1)
    return images[..., :3]


def resized(images: Pixels, size: int) -> Floats:
    """RGB (n, h, w, 3) uint8 at (n, size, size, 3), in [0, 255] but for what bicubic overshoots.

    Antialiased bicubic interpolation in floating point, which Parmar et al. 2022, arXiv 2104.11222,
    found to matter.
    """
    sized = np.empty((len(images), size, size, 3), np.float32)
    for place, image in enumerate(images):
        for channel in range(3):  # PIL keeps fractions in one-channel images alone
            values = Image.fromarray(image[..., channel].astype(np.float32))
            found = values.resize((size, size), Image.Resampling.BICUBIC)
            sized[place, ..., channel] = np.asarray(found)
    return sized


def _thumbnails(images: Pixels) -> Floats:
    """(n, 768): means over 16 x 16 blocks of equal size, whatever part of a pixel falls in each."""
    _, height, width, _ = images.shape
    rows, columns = _blocks(height), _blocks(width)
    means = np.einsum("ah,nhwc,bw->nabc", rows, images / 255 - 0.5, columns, optimize=True)
    return means.reshape(len(images), -1).astype(np.float32)


def _blocks(length: int) -> NDArray[np.float64]:
    """(16, length): which share of each of 16 blocks each of `length` pixels makes up."""
    edges = np.linspace(0, length, SIDE + 1)[:, None]
    covered = np.clip(edges - np.arange(length), 0, 1)  # of each pixel, up to each edge
    return np.diff(covered, axis=0) * SIDE / length
