"""Networks for benchmarks, built and fitted by the classifier job's own code, without MLflow."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import keras
import numpy as np

from leafgate.manifest import Manifest
from registry import ClassifierDescription, store_classifier, store_int8
from registry.engine import Batch
from training.classifier.backbones import LoadedBackbone, Network, find_backbone, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.finished import load_side_for
from training.classifier.fit import fit_stages
from training.classifier.memory import Row, TrainingMemory
from training.classifier.network import build_network, extract_head
from training.classifier.recipe import recipe
from training.classifier.train import SOURCE_SHARE
from training.data.pipeline import training_images
from training.devices import precision_for, precision_policy, use_gpu_memory_as_needed

UNTRAINED_CLASSES = 15
CALIBRATION_IMAGES = 32
OnEpoch = Callable[[Row], object]


class Built(NamedTuple):
    """A network, its backbone, and the precision it computes in."""

    network: Network
    backbone: LoadedBackbone
    policy: str


def build(config: ClassifierConfig, classes: int) -> Built:
    """As the job builds it, from `config.seed`."""
    use_gpu_memory_as_needed()
    keras.utils.clear_session()  # several networks a process: the last one's memory is given back
    keras.utils.set_random_seed(config.seed)
    policy = precision_policy(config.precision, find_backbone(config.backbone).depthwise)
    with precision_for(policy):
        backbone = load_backbone(config.backbone, config.weights)
        return Built(build_network(config, backbone, classes), backbone, policy)


def fit(
    config: ClassifierConfig,
    manifest: Manifest,
    on_epoch: OnEpoch = lambda row: None,
    on_begin: Callable[[], object] = lambda: None,
) -> Built:
    """Build and fit on the training side.

    on_begin: called once all is read and built. on_epoch: called when an epoch is over, which ends,
    as in the job, with its validation and with a checkpoint on disk.
    """
    train = training_images(manifest, source_size(config), config.cache_gib)
    validation = load_side_for(manifest, manifest.side("validation"), config.image_size)
    built = build(config, len(manifest.classes))
    config = recipe(config, built.backbone, len(train))

    def log(figures: dict[str, float], epoch: int) -> None:
        if epoch:  # before the first, the linear model's figures are logged
            on_epoch(dict(figures))

    with TemporaryDirectory() as folder, precision_for(built.policy):
        on_begin()
        fit_stages(
            built.network,
            built.backbone,
            config,
            train,
            (validation.images, validation.truth),
            TrainingMemory(Path(folder)),
            log,
        )
    return built


def store_untrained(backbone: str, size: int, folder: Path) -> None:
    """A classifier in every form, built as on pretrained weights but with random ones.

    The ranges of int8 are measured on noise.
    """
    keras.utils.set_random_seed(0)
    config = ClassifierConfig(backbone=backbone, weights="none", image_size=size)
    base = load_backbone(backbone, "none")._replace(weights="imagenet")
    network = build_network(config, base, UNTRAINED_CLASSES, size)
    labels = tuple(f"class {number}" for number in range(UNTRAINED_CLASSES))
    described = ClassifierDescription(labels, size, backbone, "none")
    store_classifier(network, extract_head(network), described, folder)
    store_int8(folder, noise(CALIBRATION_IMAGES, size))


def noise(count: int, size: int) -> Batch:
    """(count, size, size, 3) in [0, 255], the same at every call."""
    values = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3))
    return values.astype(np.float32)


def source_size(config: ClassifierConfig) -> int:
    """Pixels at which the job keeps training images."""
    return round(config.image_size * SOURCE_SHARE)
