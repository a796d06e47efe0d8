"""Backbone weights where none can be downloaded: learnt here, a stored classifier's, or random."""

from pathlib import Path

import keras

from benchmarks.networks import fit
from leafgate.errors import UserError
from leafgate.loop import MILD_VIEWS
from registry.engine import KERAS_FILE
from training.classifier.backbones import Network, load_backbone
from training.classifier.config import ClassifierConfig
from training.data.folder import read_folder
from training.data.procedural import make_leaf_folder
from training.data.split import split

RANDOM, LEAVES = "random", "leaves"
DRAWN, SEED = 900, 1  # leaves to learn from; benchmarks draw theirs with another seed


def backbone_weights(backbone: str, weights: str, folder: Path, size: int = 64) -> str:
    """What `load_backbone` takes for `weights`, with a file in `folder` where one must be made.

    weights: `leaves` (learnt first, from other drawn leaves of `size` pixels), `random` (fixed
    seed), the folder of a stored classifier of this backbone, or whatever `load_backbone` takes.
    Raises UserError for a stored classifier of another backbone.
    """
    if weights not in (RANDOM, LEAVES) and not Path(weights).is_dir():
        return weights
    file = folder / f"{backbone}.weights.h5"
    if weights == LEAVES:
        network = _learnt(backbone, size, folder)
    else:
        network = _random(backbone) if weights == RANDOM else _stored(backbone, Path(weights))
    network.save_weights(file)
    return str(file)


def _learnt(backbone: str, size: int, folder: Path) -> Network:
    leaves = make_leaf_folder(folder / "leaves to learn from", DRAWN, SEED)
    manifest = split(read_folder(leaves))
    config = ClassifierConfig(
        backbone=backbone,
        weights="none",
        image_size=size,
        scratch_epochs=16,
        scratch_batch_size=32,
        **MILD_VIEWS,
    )
    return fit(config, manifest).backbone.network


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
