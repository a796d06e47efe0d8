"""`leafgate train generator`: from a split to a registered generator, traced in one MLflow run."""

import tempfile
from pathlib import Path

from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest, ManifestRow
from leafgate.progress import progress
from leafgate.settings import Settings
from registry import GeneratorDescription, ModelVersion, Run, start_run, store_generator
from training.devices import use_gpu_memory_as_needed
from training.gan.config import GanConfig, chosen_classes, training_rows
from training.gan.families import Family, find_family
from training.gan.loop import Gan, build_gan, train
from training.gan.pictures import loss_curves, sample_grid
from training.gan.unfinished import UnfinishedRun


def train_generator(settings: Settings, manifest: Manifest, config: GanConfig) -> ModelVersion:
    """Train on the manifest's training side and register the result with the alias `staging`.

    A job that was killed goes on from its last checkpoint, in the same MLflow run, when it is
    asked for again; one that ended well starts afresh. Raises UserError for an unknown family or
    class, an unreadable image, and a training that diverges (the run is then marked failed).
    """
    family = find_family(config.family)
    classes = chosen_classes(config, manifest)
    images = read_images(manifest, training_rows(manifest, classes), family)
    use_gpu_memory_as_needed()
    unfinished = UnfinishedRun.for_generator(settings, config, manifest)
    with start_run(settings, "train generator", unfinished.run_id) as run:
        if unfinished.run_id is None:
            log_job(run, manifest, config, len(images))
            unfinished.begin(run.run_id)
        else:
            run.set_tags({"resumed": "true", "resumed.epochs": str(config.epochs)})
        gan = build_gan(family, config)
        train(gan, images, config, run, unfinished)
        log_outcome(run, gan, config, unfinished)
        version = register(run, gan, describe(config, family, classes), settings)
    unfinished.remove()
    return version


def read_images(manifest: Manifest, rows: tuple[ManifestRow, ...], family: Family) -> Pixels:
    """The rows' images as (n, image_size, image_size, 3) uint8."""
    with progress("read images", len(rows)) as advance:
        return load_images([manifest.file(row) for row in rows], family.image_size, advance)


def log_job(run: Run, manifest: Manifest, config: GanConfig, images: int) -> None:
    """What is to be trained on what."""
    run.log_params({**config.model_dump(), "images": images})
    run.log_data(manifest, manifest.root.name)


def log_outcome(run: Run, gan: Gan, config: GanConfig, unfinished: UnfinishedRun) -> None:
    """How the losses went, and what the generator draws in the end."""
    run.log_file(unfinished.losses_file, "training")
    run.log_picture(loss_curves(unfinished.losses()), "training/losses.png")
    run.log_picture(sample_grid(gan.generator, config.seed), "samples/final.png")


def describe(config: GanConfig, family: Family, classes: tuple[str, ...]) -> GeneratorDescription:
    """What is stored with the network."""
    return GeneratorDescription(
        config.family, family.latent_size, family.image_size, family.channels, classes
    )


def register(
    run: Run, gan: Gan, description: GeneratorDescription, settings: Settings
) -> ModelVersion:
    """Store the generator and register it as a new version."""
    with tempfile.TemporaryDirectory() as folder:
        store_generator(gan.generator, description, Path(folder))
        return run.register("generator", Path(folder), settings.generator_name)
