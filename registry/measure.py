"""The gate's own measurements: the stored artefact, loaded anew, on its held-out test images."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest, ManifestRow
from leafgate.metrics.generative import evenly
from leafgate.progress import progress
from registry.checks.evidence import ClassifierEvidence, GeneratorEvidence
from registry.engine import EngineChoice
from registry.generator_model import Generator, latents, to_pixels
from registry.store import ModelStore, ModelVersion
from registry.tracking import MANIFEST_ARTIFACT

BATCH = 32
SAMPLES = 256
SEED = 20_151_119  # of the pictures that are looked at; any number, but always the same


@dataclass(frozen=True)
class TestSide:
    """The held-out images of the split that a version was trained with."""

    __test__ = False  # no test class, for pytest

    manifest: Manifest
    rows: tuple[ManifestRow, ...]


def find_test_side(store: ModelStore, version: ModelVersion, data: Path | None) -> TestSide:
    """The test side, every file proven unchanged. data: where the images are now, if moved.

    Raises UserError where the manifest or an image is missing or changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = store.run_artifact(version, MANIFEST_ARTIFACT, Path(folder))
        root = data or Path(store.run_tags(version).get("data.root", "."))
        manifest = Manifest.load(file, root)
    rows = manifest.side("test")
    changed = manifest.changed_files(rows)
    if changed:
        raise UserError(
            f"{len(changed)} of {len(rows)} test images in {root} are missing or changed, "
            f"the first: {changed[0]}",
            "give the folder with the images of training with --data",
            code="test_images_changed",
        )
    return TestSide(manifest, rows)


def measure_classifier(
    store: ModelStore, version: ModelVersion, test: TestSide
) -> ClassifierEvidence:
    """Ask the stored PyFunc for every test image, given as the file's bytes."""
    model = store.pyfunc(version)
    labels = test.manifest.classes
    index = {name: number for number, name in enumerate(labels)}
    answers: list[str] = []
    with progress(f"asking {version}", len(test.rows)) as advance:
        for start in range(0, len(test.rows), BATCH):
            rows = test.rows[start : start + BATCH]
            answers += model.classes([test.manifest.file(row).read_bytes() for row in rows])
            for _ in rows:
                advance()
    return ClassifierEvidence(
        labels=labels,
        truth=np.array([index[row.class_name] for row in test.rows], np.int64),
        predicted=np.array([index.get(answer, -1) for answer in answers], np.int64),
        groups=tuple(row.group for row in test.rows),
    )


def measure_generator(
    store: ModelStore, version: ModelVersion, test: TestSide, engine: EngineChoice
) -> GeneratorEvidence:
    """Raw outputs and pictures of a fixed seed, in the form that is served."""
    generator = Generator.load(store.folder(version), engine)
    outputs = _outputs(generator)
    with np.errstate(invalid="ignore"):
        images = to_pixels(np.nan_to_num(outputs))
    return GeneratorEvidence(outputs, images, _real_images(test, generator))


def _outputs(generator: Generator) -> NDArray[np.float32]:
    size = generator.description.latent_size
    parts = []
    with progress("drawing pictures", SAMPLES) as advance:
        for start in range(0, SAMPLES, BATCH):
            indices = range(start, start + BATCH)
            names = [generator.class_of(index) for index in indices]
            inputs = generator.inputs(latents(indices, SEED, size), names)
            parts.append(generator.engine.run(inputs))
            for _ in range(BATCH):
                advance()
    return np.concatenate(parts)


def _real_images(test: TestSide, generator: Generator) -> Pixels:
    described = generator.description
    rows = [row for row in test.rows if row.class_name in described.classes]
    files = [test.manifest.file(rows[i]) for i in evenly(len(rows), SAMPLES)]
    return load_images(files, described.image_size, channels=described.channels)
