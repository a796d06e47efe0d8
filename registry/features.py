"""What pictures are compared by: the features of a network that has learnt to see, or plain pixels.

A distance means what its features know, so the extractor's name becomes part of the figure's name.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.progress import tell
from leafgate.settings import Settings
from registry.extractors import FeatureName, Floats, PixelFeatures, find_classifier
from registry.inception import find_inception
from registry.ledger import Ledger
from registry.lite_features import LiteFeatures

FeatureChoice = Literal["auto", "own", "inception", "lite0", "classifier", "pixels"]

EPOCH_FEATURES_TAG = "features.epoch"  # of a generator's run: what chose the epoch that is stored


class FeatureExtractor(Protocol):
    """Images to features. about: one sentence, what network with which weights or version.

    labels: the classes of a row of probabilities, empty where they are none of the data's own.
    """

    @property
    def name(self) -> FeatureName:
        """What figures computed with it are called after."""

    @property
    def about(self) -> str:
        """For reports."""

    @property
    def labels(self) -> tuple[str, ...]:
        """See above."""

    def features(self, images: Pixels) -> Floats:
        """(n, d) for images (n, h, w, c) uint8 of any size and 1 to 4 channels, in flat memory."""

    def probabilities(self, images: Pixels) -> Floats | None:
        """(n, classes), rows that sum to 1; None where the extractor knows no classes."""


Finder = Callable[[Settings, tuple[str, ...], Ledger | None], FeatureExtractor]

FINDERS: dict[str, Finder] = {  # in the order of `auto`: what learnt from these images comes later
    "inception": lambda settings, classes, ledger: find_inception(settings, classes),
    "lite0": lambda settings, classes, ledger: LiteFeatures(),
    "classifier": find_classifier,
    "pixels": lambda settings, classes, ledger: PixelFeatures(),
}


# Choices of several: the first of these that can be had, and pixels where none can.
SEVERAL: dict[str, tuple[FeatureChoice, ...]] = {
    "auto": ("inception", "lite0", "classifier"),
    "own": ("classifier",),
}
# What chooses an epoch, by what judges it: other features, and none of those that the gate's `auto`
# comes to first, where there is a choice.
EPOCH_FINDERS: dict[str, tuple[FeatureChoice, ...]] = {
    "inception": ("classifier", "lite0"),
    "lite0": ("classifier", "pixels"),
    "classifier": ("pixels",),
    "pixels": ("classifier", "lite0"),
}


def find_epoch_extractor(
    settings: Settings,
    choice: FeatureChoice,
    judge: FeatureExtractor,
    classes: tuple[str, ...],
    ledger: Ledger | None = None,
) -> FeatureExtractor:
    """The extractor that chooses the epoch: with `auto` another one than the `judge`, so that no
    generator is measured with what it was picked by. Arguments and errors as of `find_extractor`.
    """
    if choice != "auto":
        return judge if choice == judge.name else find_extractor(settings, choice, classes, ledger)
    for name in EPOCH_FINDERS[judge.name]:
        try:
            return FINDERS[name](settings, classes, ledger)
        except UserError:
            continue
    return PixelFeatures()


def find_extractor(
    settings: Settings,
    choice: FeatureChoice,
    classes: tuple[str, ...],
    ledger: Ledger | None = None,
) -> FeatureExtractor:
    """The extractor asked for, or with `auto` the best that can be had, which is then told and why.

    classes: which a classifier must know. ledger: where its registration must be on record. Raises
    UserError where the one asked for cannot be had (no weights, no classifier for these classes) or
    is none of the known ones.
    """
    if choice in SEVERAL:
        return _best(settings, SEVERAL[choice], classes, ledger)
    if choice not in FINDERS:
        raise UserError(
            f"unknown features {choice!r}",
            f"known are: auto, {', '.join(FINDERS)}",
            code="unknown_features",
        )
    return FINDERS[choice](settings, classes, ledger)


def _best(
    settings: Settings,
    names: tuple[FeatureChoice, ...],
    classes: tuple[str, ...],
    ledger: Ledger | None,
) -> FeatureExtractor:
    refused = ""
    for name in names:
        try:
            found = FINDERS[name](settings, classes, ledger)
        except UserError as error:
            refused += f"; not {name}: {error.problem}"
        else:
            return _told(found, refused)
    return _told(PixelFeatures(), refused)


def _told(found: FeatureExtractor, refused: str) -> FeatureExtractor:
    tell(f"features: {found.name}, {found.about}{refused}")
    return found
