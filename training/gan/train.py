"""`leafgate train generator`: from a split to a registered generator, traced in one MLflow run."""

import tempfile
from pathlib import Path

from leafgate.manifest import Manifest
from leafgate.progress import tell
from leafgate.settings import Settings
from registry import (
    EPOCH_FEATURES_TAG,
    FeatureExtractor,
    Generator,
    GeneratorDescription,
    Ledger,
    ModelVersion,
    Run,
    find_epoch_extractor,
    find_extractor,
    start_run,
    store_generator,
)
from training.data.pipeline import LabelledImages, load_side, training_images
from training.devices import use_gpu_memory_as_needed
from training.gan.config import GanConfig, chosen_classes, of_classes
from training.gan.finished import log_outcome
from training.gan.loop import train
from training.gan.networks import Gan, build_gan, live_generator, policy_of, stored_network
from training.gan.unfinished import UnfinishedRun
from training.gan.validation import Validation


def train_generator(
    settings: Settings, manifest: Manifest, config: GanConfig, ledger: Ledger | None = None
) -> ModelVersion:
    """Train on the manifest's training side and register the best epoch with the alias `staging`.

    The best is the one whose pictures are nearest to the validation images, to other features than
    those that the figures are computed with. A job that was killed
    goes on from its last checkpoint, in the same MLflow run, when it is asked for again; one that
    ended well starts afresh. ledger: where the registration is written down, without which no gate
    judges the version. Raises UserError for an unknown class, an unreadable image, features
    that cannot be had, and a training that goes wrong (the run is then marked failed).
    """
    classes = chosen_classes(config, manifest)
    chosen = of_classes(manifest, classes)
    use_gpu_memory_as_needed()
    judging = find_extractor(settings, config.features, classes, ledger)
    choosing = find_epoch_extractor(settings, config.epoch_features, judging, classes, ledger)
    tell(f"the epoch to store is chosen with {choosing.name} features, on the validation images")
    data = training_images(chosen, config.image_size, config.cache_gib, config.channels)
    validation = _validation(chosen, config, choosing)
    unfinished = UnfinishedRun.for_generator(settings, config, manifest)
    with start_run(settings, "train generator", unfinished.run_id, ledger) as run:
        if unfinished.run_id != run.run_id:
            _log_job(run, manifest, config, data, judging, choosing)
            unfinished.begin(run.run_id)
        else:
            run.set_tags({"resumed": "true", "resumed.epochs": str(config.epochs)})
        gan = build_gan(config, len(classes))
        described = describe(config, gan, classes)
        live = live_generator(gan, described)
        train(gan, live, data, validation, config, run, unfinished)
        version = _finish(run, gan, described, config, manifest, unfinished, validation, judging)
    unfinished.remove()
    return version


def _validation(manifest: Manifest, config: GanConfig, extractor: FeatureExtractor) -> Validation:
    images, _ = load_side(manifest, "validation", config.image_size, config.channels)
    if len(images) < 2:
        tell("fewer than 2 validation images: the last epoch will be stored, not the best")
    return Validation.of(extractor, images, config.evaluate_samples)


def _log_job(
    run: Run,
    manifest: Manifest,
    config: GanConfig,
    data: LabelledImages,
    judging: FeatureExtractor,
    choosing: FeatureExtractor,
) -> None:
    """What is to be trained on what, what it is measured with, and what chooses the epoch."""
    run.log_params({**config.model_dump(), "images": len(data)})
    run.log_data(manifest, manifest.root.name)
    run.set_tags(
        {
            "precision": policy_of(config),
            "features.used": judging.name,
            "features.about": judging.about,
            EPOCH_FEATURES_TAG: choosing.name,
            f"{EPOCH_FEATURES_TAG}.about": choosing.about,
        }
    )


def describe(config: GanConfig, gan: Gan, classes: tuple[str, ...]) -> GeneratorDescription:
    """What is stored with the network."""
    return GeneratorDescription(
        config.family,
        gan.shape.latent_size,
        config.image_size,
        config.channels,
        classes,
        conditional=bool(gan.shape.classes),
    )


def _finish(
    run: Run,
    gan: Gan,
    described: GeneratorDescription,
    config: GanConfig,
    manifest: Manifest,
    unfinished: UnfinishedRun,
    validation: Validation,
    judging: FeatureExtractor,
) -> ModelVersion:
    """Store the best epoch, measure what was stored, and register it.

    manifest: as the run has it, with the classes that were not learnt from.
    """
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        folder.mkdir()
        store_generator(stored_network(gan), described, folder)
        stored = Generator.load(folder, run.settings.engine)
        chosen = of_classes(manifest, described.classes)
        log_outcome(run, stored, config, chosen, unfinished, validation, judging)
        return run.register("generator", folder, run.settings.generator_name, manifest)
