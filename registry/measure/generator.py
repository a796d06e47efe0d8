"""A stored generator: its outputs for a fixed seed, and how they lie among real pictures."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest
from leafgate.metrics.generative import evenly, pure_noise
from leafgate.progress import progress
from leafgate.strict_json import as_number, load_json
from registry.checks.evidence import Gain, GeneratorEvidence, Labels, Likeness, SecondOpinion
from registry.evaluation_set import run_manifest
from registry.features import EPOCH_FEATURES_TAG, FeatureChoice, FeatureExtractor, find_extractor
from registry.generator_model import Generator, to_pixels
from registry.latent_series import latents
from registry.measure.subject import Subject, attempt, measure_origin
from registry.run_documents import STUDY_ARTIFACT
from registry.store import ModelVersion

BATCH = 32
SAMPLES = 512
REAL = 512
TRAIN = 4000
SEED = 20_151_119  # of the pictures that are looked at; any number, but always the same


def measure_generator(
    subject: Subject, needs: frozenset[str], features: FeatureChoice
) -> GeneratorEvidence:
    """Outputs and pictures of a fixed seed in the form that is served, and what the checks need.

    Raises whatever the stored model raises where it cannot be run at all.
    """
    generator = _load(subject, subject.candidate)
    outputs, names = _outputs(generator)
    with np.errstate(invalid="ignore"):
        images = to_pixels(np.nan_to_num(outputs))
    real = _real(subject.images.manifest, generator, REAL, "test")
    studied = subject.store.has_run_artifact(subject.candidate, STUDY_ARTIFACT)
    table: dict[str, Callable[[], Any]] = {
        "origin": lambda: measure_origin(subject),
        "likeness": lambda: _likeness(subject, generator, images, names, real, features),
        "gain": lambda: _gain(subject) if studied else None,
    }
    wanted = {name: take for name, take in table.items() if name in needs}
    found, missing = attempt(subject.store, wanted)
    return GeneratorEvidence(
        outputs,
        images,
        real,
        generator.engine.name,
        generator.description.conditional,
        subject.rival is None,
        studied=studied,
        missing=missing,
        **found,
    )


def _load(subject: Subject, version: ModelVersion) -> Generator:
    return Generator.load(subject.store.folder(version), subject.settings.engine)


def _outputs(generator: Generator) -> tuple[NDArray[np.float32], list[str | None]]:
    """(n, size, size, channels) raw outputs, and the class asked for in each."""
    size = generator.description.latent_size
    parts, asked = [], []
    with progress("drawing pictures", SAMPLES) as advance:
        for start in range(0, SAMPLES, BATCH):
            indices = range(start, start + BATCH)
            names = [generator.class_of(index) for index in indices]
            inputs = generator.inputs(latents(indices, SEED, size), names)
            parts.append(generator.engine.run(inputs))
            asked += names
            for _ in range(BATCH):
                advance()
    return np.concatenate(parts), asked


def _files(manifest: Manifest, generator: Generator, most: int, side: Any) -> list[Path]:  # noqa: ANN401
    rows = [row for row in manifest.side(side) if row.class_name in generator.description.classes]
    return [manifest.file(rows[i]) for i in evenly(len(rows), most)]


def _real(manifest: Manifest, generator: Generator, most: int, side: str) -> Pixels:
    described = generator.description
    files = _files(manifest, generator, most, side)
    return load_images(files, described.image_size, channels=described.channels)


def _likeness(
    subject: Subject,
    generator: Generator,
    images: Pixels,
    names: list[str | None],
    real: Pixels,
    features: FeatureChoice,
) -> Likeness:
    classes = generator.description.classes
    extractor = find_extractor(subject.settings, features, classes, subject.ledger)
    own, no_own = _own_classifier(subject, extractor, classes)
    trained = run_manifest(subject.store, subject.candidate, _root_of(subject))
    if trained is None:
        raise UserError("what it learnt from is not on record", "train it with `leafgate train`")
    labels, asked, seen = _seen(own or extractor, generator, images, names)
    rival = _rival_images(subject)
    with progress("looking at real and generated pictures", 6) as advance:
        generated = extractor.features(images)
        advance("generated")
        held_out = extractor.features(real)
        advance("held-out")
        files = _files(trained, generator, TRAIN, "train")
        learnt = extractor.features(_real(trained, generator, TRAIN, "train"))
        advance("learnt from")
        champion = None if rival is None else extractor.features(rival)
        advance("in production")
        noise = extractor.features(pure_noise(images))
        advance("pure noise")
        second = None if own is None else _second_opinion(own, images, real, rival)
        advance("the own classifier's features")
    tags = subject.store.run_tags(subject.candidate)
    return Likeness(
        extractor.name, extractor.about, generated, held_out, learnt,
        labels, asked, seen, champion, tuple(files), noise, second, no_own,
        tags.get(EPOCH_FEATURES_TAG, tags.get("features.used", "")),  # one did both, at first
    )  # fmt: skip


def _own_classifier(
    subject: Subject, extractor: FeatureExtractor, classes: tuple[str, ...]
) -> tuple[FeatureExtractor | None, str]:
    """The classifier that gives the second opinion; else why there is none."""
    if extractor.name == "classifier":
        return None, "the features are the classifier's already"
    try:
        return find_extractor(subject.settings, "classifier", classes, subject.ledger), ""
    except UserError as error:
        if error.code != "no_classifier":
            raise
        return None, error.problem


def _second_opinion(
    own: FeatureExtractor, images: Pixels, real: Pixels, rival: Pixels | None
) -> SecondOpinion:
    champion = None if rival is None else own.features(rival)
    return SecondOpinion(own.about, own.features(images), own.features(real), champion)


def _root_of(subject: Subject) -> Path | None:
    """Where the images are now: as for the evaluation set, if that is the candidate's own."""
    return subject.images.manifest.root if subject.images.own else None


def _seen(
    extractor: FeatureExtractor, generator: Generator, images: Pixels, names: list[str | None]
) -> tuple[tuple[str, ...], Labels, Labels]:
    """Labels, the classes asked for and those seen; empty where none can be asked or seen."""
    none = np.empty(0, np.int64)
    if not generator.description.conditional or not extractor.labels:
        return extractor.labels, none, none
    shares = extractor.probabilities(images)
    if shares is None:
        return extractor.labels, none, none
    asked = np.array([extractor.labels.index(str(name)) for name in names], np.int64)
    return extractor.labels, asked, shares.argmax(axis=1)


def _rival_images(subject: Subject) -> Pixels | None:
    """What the version in production draws, drawn alike; None without one."""
    if subject.rival is None:
        return None
    outputs, _ = _outputs(_load(subject, subject.rival))
    return to_pixels(np.nan_to_num(outputs))


def _gain(subject: Subject) -> Gain:
    with tempfile.TemporaryDirectory() as folder:
        file = subject.store.run_artifact(subject.candidate, STUDY_ARTIFACT, Path(folder))
        found = load_json(file.read_text(encoding="utf-8"))
    return Gain(*(as_number(found[name]) for name in ("value", "low", "high")))
