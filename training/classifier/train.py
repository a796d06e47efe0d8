"""The classifier job: from a manifest to a registered, staged version with its figures."""

import tempfile
from pathlib import Path
from typing import Any

import keras

from leafgate.manifest import Manifest
from leafgate.progress import progress, tell
from leafgate.settings import Settings
from registry import (
    Classifier,
    ClassifierDescription,
    ModelVersion,
    Run,
    start_run,
    store_classifier,
)
from training.classifier.backbones import LoadedBackbone, Network, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.evaluation import evaluate
from training.classifier.fit import History, fit_stages
from training.classifier.network import augmentation, build_network
from training.data.pipeline import batches, load_side
from training.devices import use_gpu_memory_as_needed
from training.pictures import confusion_picture, learning_curves


def train_classifier(
    settings: Settings, manifest: Manifest, config: ClassifierConfig
) -> ModelVersion:
    """Fit, measure, store and register; the version gets the alias `staging`.

    Raises UserError for an unknown backbone or weights that cannot be had.
    """
    use_gpu_memory_as_needed()
    keras.utils.set_random_seed(config.seed)
    backbone = load_backbone(config.backbone, config.weights, config.image_size)
    if backbone.weights == "none":
        tell(f"no pretrained weights, training from scratch. {backbone.note}".rstrip())
    with start_run(settings, "train classifier") as run:
        run.log_params(config.model_dump())
        run.log_data(manifest, manifest.root.name)
        run.set_tags({"weights.used": backbone.weights, "weights.note": backbone.note})
        network = build_network(config, backbone, len(manifest.classes))
        _fit(run, manifest, config, backbone, network)
        with tempfile.TemporaryDirectory() as folder:
            return _store(run, Path(folder) / "model", manifest, config, backbone, network)


def _fit(
    run: Run,
    manifest: Manifest,
    config: ClassifierConfig,
    backbone: LoadedBackbone,
    network: Network,
) -> None:
    train = _batches(manifest, config)
    validation = batches(*load_side(manifest, "validation", config.image_size), config.batch_size)
    history = fit_stages(network, backbone, config, train, validation, run.log_metrics)
    _log_history(run, history)


def _batches(manifest: Manifest, config: ClassifierConfig) -> Any:  # noqa: ANN401 - tf.data.Dataset
    images, labels = load_side(manifest, "train", config.image_size)
    return batches(images, labels, config.batch_size, config.seed, augmentation(config))


def _log_history(run: Run, history: History) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.csv"
        history.save(file)
        run.log_file(file, "training")
    pairs = (("loss", "val_loss"), ("accuracy", "val_accuracy"))
    run.log_picture(learning_curves(history.rows, pairs, "Training"), "training/curves.png")


def _store(
    run: Run,
    folder: Path,
    manifest: Manifest,
    config: ClassifierConfig,
    backbone: LoadedBackbone,
    network: Network,
) -> ModelVersion:
    description = ClassifierDescription(
        manifest.classes, config.image_size, config.backbone, backbone.weights
    )
    with progress("storing and measuring", 3) as advance:
        folder.mkdir()
        store_classifier(network, description, folder)
        advance()
        _measure(run, folder, manifest, config)
        advance()
        version = run.register("classifier", folder, run.settings.classifier_name)
        advance(str(version))
    return version


def _measure(run: Run, folder: Path, manifest: Manifest, config: ClassifierConfig) -> None:
    """Log the figures of the stored form on the test side, which nothing so far has seen."""
    images, truth = load_side(manifest, "test", config.image_size)
    groups = [row.group for row in manifest.side("test")]
    result = evaluate(Classifier.load(folder), images, truth, groups)
    run.log_metrics(result.metrics("test"))
    run.log_json(result.as_dict(), "evaluation/test.json")
    title = f"Test side, {result.images} images"
    picture = confusion_picture(result.confusion, result.labels, title)
    run.log_picture(picture, "evaluation/confusion.png")
