"""The recipe on real pictures and real ImageNet weights: stage 2 improves on stage 1.

The pictures are handwritten digits that come with scikit-learn, or a share of the class folders
that `LEAFGATE_REAL_IMAGES` names.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leafgate.images import Pixels, load_images
from training.classifier.backbones import load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.fit import fit_stages
from training.classifier.memory import Row, TrainingMemory
from training.classifier.network import build_network
from training.classifier.recipe import recipe
from training.data.folder import read_folder
from training.data.pipeline import LabelledImages
from training.data.split import split

SIZE, CLASSES, EACH, LEARNT = 96, 6, 100, 60
CONFIG = ClassifierConfig(
    backbone="efficientnet_lite0",
    weights="imagenet",
    image_size=SIZE,
    batch_size=16,
    stage1_epochs=5,
    stage1_views=3,
    stage2_epochs=12,
    flip=False,
    rotation=0.05,
)


class Fitted(NamedTuple):
    """logits: of the validation images by the network that was kept."""

    rows: tuple[Row, ...]
    linear: dict[str, float]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]


def digits() -> tuple[Pixels, NDArray[np.int64]]:
    """(n, size, size, 3) with their classes, as many of each."""
    from sklearn.datasets import load_digits

    given = load_digits()
    taken = np.concatenate([np.flatnonzero(given.target == c)[:EACH] for c in range(CLASSES)])
    scaled = [
        Image.fromarray((given.images[i] * 15.9).astype(np.uint8)).resize((SIZE, SIZE))
        for i in taken
    ]
    return np.stack([np.asarray(each.convert("RGB")) for each in scaled]), given.target[taken]


def photographs(folder: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """The same of a folder: no group of near copies is on two sides, since one image of each is
    taken.
    """
    manifest = split(read_folder(folder))
    files, labels = [], []
    for label, name in enumerate(manifest.classes[-CLASSES:]):
        own = {row.group: row for row in manifest.rows if row.class_name == name}
        files += [manifest.file(row) for row in list(own.values())[:EACH]]
        labels += [label] * min(len(own), EACH)
    return load_images(files, SIZE), np.array(labels, np.int64)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = os.environ.get("LEAFGATE_REAL_IMAGES")
    images, labels = photographs(Path(folder)) if folder else digits()
    place = np.concatenate([np.arange((labels == c).sum()) for c in np.unique(labels)])
    learnt, kept = np.flatnonzero(place < LEARNT), np.flatnonzero(place >= LEARNT)
    train = LabelledImages(lambda i: images[learnt[i]], labels[learnt], SIZE, CLASSES)
    backbone = load_backbone(CONFIG.backbone, CONFIG.weights)
    network = build_network(CONFIG, backbone, CLASSES)
    memory = TrainingMemory(tmp_path_factory.mktemp("job"))
    memory.begin("run")
    linear: dict[str, float] = {}

    def note(figures: dict[str, float], epoch: int) -> None:
        linear.update({} if epoch else figures)

    validation = images[kept], labels[kept]
    config = recipe(CONFIG, backbone, len(train))
    rows = fit_stages(network, backbone, config, train, validation, memory, note)
    found: Any = network(images[kept].astype(np.float32), training=False)["logits"]
    return Fitted(rows, linear, np.asarray(found), labels[kept])


def best(fitted: Fitted, stage: str) -> float:
    """The lowest validation loss of a stage's epochs."""
    losses = [
        float(row["val_calibrated_loss"])
        for row in fitted.rows
        if str(row["stage"]).startswith(stage)
    ]
    return min(losses)


def test_stage_two_improves_on_stage_one(fitted: Fitted) -> None:
    assert best(fitted, "stage 2") < 0.9 * best(fitted, "stage 1")


def test_the_network_that_is_kept_is_better_than_the_linear_model(fitted: Fitted) -> None:
    right = float((fitted.logits.argmax(axis=1) == fitted.truth).mean())
    assert right > fitted.linear["linear_val_accuracy"] > 2 / CLASSES
