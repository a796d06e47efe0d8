"""The classifier job: from a manifest to a registered, staged version with its figures."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import keras

from leafgate.manifest import Manifest
from leafgate.pictures import learning_curves
from leafgate.progress import progress, tell
from leafgate.settings import Settings
from registry import Classifier, Ledger, ModelVersion, Run, start_run
from training.classifier.backbones import (
    LoadedBackbone,
    Network,
    choose_backbone,
    computing_in,
    find_backbone,
)
from training.classifier.config import ClassifierConfig
from training.classifier.evaluation import Evaluation, evaluate
from training.classifier.evaluation_page import page, pictures
from training.classifier.finished import Side, judge_all, load_side_for, store_finished
from training.classifier.fit import fit_stages, save_history
from training.classifier.memory import Row, TrainingMemory
from training.classifier.network import build_network
from training.classifier.recipe import recipe
from training.data.pipeline import training_images
from training.devices import (
    distribution,
    precision_for,
    precision_policy,
    use_gpu_memory_as_needed,
)

SOURCE_SHARE = 4 / 3  # training images are kept larger than the network's, for views that zoom in


class Built(NamedTuple):
    """A network that is about to learn, its backbone, and Keras's precision policy."""

    network: Network
    backbone: LoadedBackbone
    policy: str


def train_classifier(
    settings: Settings,
    manifest: Manifest,
    config: ClassifierConfig,
    groups_file: Path | None = None,
    ledger: Ledger | None = None,
) -> ModelVersion:
    """Fit, measure, store and register; the version gets the alias `staging`.

    A job that was killed goes on after its last epoch, in the same MLflow run, when it is asked for
    again. groups_file: what the split's groups came from, for the leak test. ledger: where the
    registration is written down, without which no gate judges the version. Raises UserError for an
    unknown backbone or weights that cannot be had.
    """
    use_gpu_memory_as_needed()
    keras.utils.set_random_seed(config.seed)
    built = _build(settings, config, len(manifest.classes))
    used = {"weights_used": built.backbone.weights, "backbone_used": built.backbone.name}
    job = {**config.model_dump(), **used}
    memory = TrainingMemory.of(settings, "classifier", job, manifest.digest)
    config = recipe(config, built.backbone, len(manifest.side("train")))
    with start_run(settings, "train classifier", memory.run_id, ledger) as run:
        if memory.run_id != run.run_id:
            _log_job(run, manifest, config, built)
            _look_at_data(run, manifest, config, groups_file)
            memory.begin(run.run_id)
        else:
            run.set_tags({"resumed": "true"})
        validation = load_side_for(manifest, manifest.side("validation"), config.image_size)
        _fit(run, manifest, config, built, validation, memory)
        version = _finish(run, manifest, config, built, validation)
    memory.remove()
    return version


def _build(settings: Settings, config: ClassifierConfig, classes: int) -> Built:
    with distribution().scope():
        backbone = choose_backbone(
            config.backbone,
            "backbone" in config.model_fields_set,
            config.weights,
            settings.backbone_weights,
        )
        policy = precision_policy(config.precision, find_backbone(backbone.name).depthwise)
        with precision_for(policy):
            backbone = computing_in(policy, backbone)
            network = build_network(config, backbone, classes)
    if backbone.weights == "none" and backbone.name != "resnet18":
        tell("from scratch, backbone=resnet18 learns more from few images, and quicker")
    return Built(network, backbone, policy)


def _log_job(run: Run, manifest: Manifest, config: ClassifierConfig, built: Built) -> None:
    """What is to be learnt from what."""
    run.log_params(config.model_dump())
    run.log_data(manifest, manifest.root.name)
    backbone = built.backbone
    run.set_tags(
        {
            "backbone.used": backbone.name,
            "weights.used": backbone.weights,
            "weights.file": backbone.file,
            "weights.sha256": backbone.sha256,
            "weights.note": backbone.note,
            "precision": built.policy,
        }
    )


def _look_at_data(
    run: Run, manifest: Manifest, config: ClassifierConfig, groups_file: Path | None
) -> None:
    if config.data_report:
        from training.data.report_run import log_data_report  # scikit-learn takes a second

        log_data_report(run, manifest, groups_file)


def _fit(
    run: Run,
    manifest: Manifest,
    config: ClassifierConfig,
    built: Built,
    validation: Side,
    memory: TrainingMemory,
) -> None:
    source = round(config.image_size * SOURCE_SHARE)
    train = training_images(manifest, source, config.cache_gib)
    with distribution().scope(), precision_for(built.policy):
        rows = fit_stages(
            built.network,
            built.backbone,
            config,
            train,
            (validation.images, validation.truth),
            memory,
            run.log_metrics,
        )
    _log_history(run, rows)


def _log_history(run: Run, rows: Sequence[Row]) -> None:
    if not rows:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.csv"
        save_history(rows, file)
        run.log_file(file, "training")
    pairs = (("loss", "val_loss"), ("accuracy", "val_accuracy"))
    run.log_picture(learning_curves(rows, pairs, "Training"), "training/curves.png")


def _finish(
    run: Run, manifest: Manifest, config: ClassifierConfig, built: Built, validation: Side
) -> ModelVersion:
    """Store the network, measure what was stored on images nothing has seen, and register it."""
    test = load_side_for(manifest, manifest.side("test"), config.image_size)
    with tempfile.TemporaryDirectory() as parent, progress("storing and measuring", 3) as advance:
        folder = Path(parent) / "model"
        folder.mkdir()
        forms = store_finished(
            built.network, config, built.backbone, manifest, validation, test, folder
        )
        advance(f"{forms.preferred} on a CPU")
        classifier = Classifier.load(folder)
        judged = judge_all(classifier, test.images)
        result = evaluate(classifier, test, judged, forms)
        _log_evaluation(run, result)
        drawn = pictures(result)
        for name, png in drawn.items():
            run.log_picture(png, f"evaluation/{name}")
        run.log_text(page(result, drawn, classifier, test, judged), "evaluation/report.html")
        advance(f"test accuracy {result.accuracy.value:.3f}, macro F1 {result.macro_f1.value:.3f}")
        version = run.register("classifier", folder, run.settings.classifier_name, manifest)
        advance(str(version))
    return version


def _log_evaluation(run: Run, result: Evaluation) -> None:
    run.log_metrics(result.metrics("test"))
    run.log_json(result.as_dict(), "evaluation/test.json")
    if result.forms:
        run.log_json(asdict(result.forms), "evaluation/forms.json")
