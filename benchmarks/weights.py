"""Backbone weights where none can be downloaded: random ones, or those of a stored classifier."""

from pathlib import Path

import keras

from leafgate.errors import UserError
from registry.engine import KERAS_FILE
from training.classifier.backbones import Network, load_backbone

RANDOM = "random"


def backbone_weights(backbone: str, weights: str, folder: Path) -> str:
    """What `load_backbone` takes for `weights`, with a file in `folder` where one must be made.

    weights: `random` (fixed seed), the folder of a stored classifier of this backbone, or whatever
    `load_backbone` takes. Raises UserError for a stored classifier of another backbone.
    """
    if weights != RANDOM and not Path(weights).is_dir():
        return weights
    file = folder / f"{backbone}.weights.h5"
    network = _random(backbone) if weights == RANDOM else _stored(backbone, Path(weights))
    network.save_weights(file)
    return str(file)


def _random(backbone: str) -> Network:
    keras.utils.set_random_seed(0)
    return load_backbone(backbone, "none").network


def _stored(backbone: str, folder: Path) -> Network:
    file = folder / KERAS_FILE
    if not file.is_file():
        raise UserError(f"no {KERAS_FILE} in {folder}", "give the folder of a stored classifier")
    layers = keras.saving.load_model(file, compile=False).layers
    found = next((layer for layer in layers if layer.name == backbone), None)
    if found is None:
        raise UserError(f"the classifier in {folder} has no {backbone}", "give its own --backbone")
    return found
