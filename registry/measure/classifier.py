"""A stored classifier, asked as it is served: the same code, form and precision, from bytes."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.corruptions import CORRUPTIONS
from leafgate.images import Pixels, decode, load_images
from leafgate.metrics.generative import evenly
from leafgate.progress import progress
from leafgate.strangers import make_strangers
from registry.checks.engine_forms import PYFUNC
from registry.checks.evidence import (
    Answers,
    Champion,
    ClassifierEvidence,
    Corrupted,
    Labels,
    Size,
    Strangers,
)
from registry.classifier_model import Classifier, Prediction
from registry.engine import ENGINES
from registry.evaluation_set import Learnt, learnt_from, run_manifest
from registry.measure.latency import measure_latency
from registry.measure.subject import Subject, attempt, measure_origin
from registry.pyfunc_answers import pyfunc_answers
from registry.store import ModelVersion

BATCH = 32
FORM_IMAGES = 500  # that every stored form is asked for
CHANGED_IMAGES = 300  # that are shown under each worse condition
STRANGERS = 140
SEED = 20_151_119  # of changes and strangers; any number, but always the same


def measure_classifier(subject: Subject, needs: frozenset[str]) -> ClassifierEvidence:
    """Answers to the evaluation set, and what else the checks need.

    Raises whatever the stored model raises where it cannot be run at all.
    """
    measured = _Measured(subject)
    answers = measured.answers
    wanted = {name: take for name, take in measured.table.items() if name in needs}
    found, missing = attempt(subject.store, wanted)
    return ClassifierEvidence(
        answers,
        subject.images.files,
        measured.classifier.engine.name,
        subject.rival is None,
        missing=missing,
        **found,
    )


class _Measured:
    """The measurements of one candidate; models are loaded once, when first asked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.table: dict[str, Callable[[], Any]] = {
            "origin": lambda: measure_origin(subject),
            "champion": self.champion,
            "forms": self.forms,
            "corrupted": self.corrupted,
            "strangers": self.strangers,
            "latency": self.latency,
            "size": self.size,
        }

    @cached_property
    def classifier(self) -> Classifier:
        """The candidate, as the API loads it."""
        return self._load(self.subject.candidate)

    @cached_property
    def rival(self) -> Classifier | None:
        """The champion, loaded in the same way."""
        champion = self.subject.rival
        return None if champion is None else self._load(champion)

    @cached_property
    def answers(self) -> Answers:
        """The candidate's, to every image."""
        return self._ask(self.classifier, self.subject.candidate)

    def champion(self) -> Champion | None:
        """The champion's answers to the same images, and which of them are fair to both."""
        version = self.subject.rival
        if version is None or self.rival is None:
            return None
        trained = run_manifest(self.subject.store, version, None)
        judged = self.subject.images
        learnt = learnt_from(trained, judged) if trained else Learnt((), ())
        known = {*learnt.seen, *learnt.mates}
        theirs, ours = self.rival.description.labels, self.classifier.description.labels
        fair = [
            row.path not in known and row.class_name in theirs and row.class_name in ours
            for row in judged.rows
        ]
        return Champion(
            version.version,
            self._ask(self.rival, version),
            theirs,
            ours,
            np.array(fair, bool),
            len(known),
            trained is not None,
        )

    def forms(self) -> dict[str, Answers]:
        """Answers of each stored form, and of the PyFunc as MLflow runs it."""
        folder = self._folder(self.subject.candidate)
        rows = evenly(len(self.subject.images.rows), FORM_IMAGES)
        names = [name for name, (file, _) in ENGINES.items() if (folder / file).is_file()]
        answers = {}
        for name in names:
            if name == self.classifier.engine.name:
                answers[str(name)] = some(self.answers, rows)
                continue
            form = Classifier.load(folder, name)
            answers[str(name)] = self._ask(form, f"its form {name}", rows)
        answers[PYFUNC] = self._ask_pyfunc(rows)
        return answers

    def corrupted(self) -> Corrupted:
        """Answers to some of the images as they would be taken under worse conditions."""
        files, labels = self.subject.images.files, self.answers.labels
        rows = evenly(len(files), CHANGED_IMAGES)
        images = load_images([files[i] for i in rows], self.classifier.description.image_size)
        predicted, unknown, pictures = {}, {}, {}
        with progress("under worse conditions", len(CORRUPTIONS)) as advance:
            for number, (name, change) in enumerate(CORRUPTIONS.items()):
                rng = np.random.default_rng([SEED, number])
                changed = np.stack([change(image, rng) for image in images])
                found = self._predict(changed)
                predicted[name] = indices(found, labels)
                unknown[name] = np.array([answer.unknown for answer in found], bool)
                pictures[name] = changed[0]
                advance(name)
        return Corrupted(self.answers.truth[rows], predicted, unknown, pictures)

    def strangers(self) -> Strangers:
        """Pictures of nothing it knows, and which of them get a diagnosis all the same."""
        images, kinds = make_strangers(STRANGERS, self.classifier.description.image_size, SEED)
        let_through = [not answer.unknown for answer in self._predict(images)]
        scored = self.classifier.outliers is not None
        return Strangers(images, kinds, np.array(let_through), scored)

    def latency(self) -> Any:  # noqa: ANN401 - Latency
        """One image at a time, the champion's turn after the candidate's."""
        files = self.subject.images.files
        encoded = [files[i].read_bytes() for i in evenly(len(files), BATCH)]
        return measure_latency(self.classifier, self.rival, encoded)

    def size(self) -> Size:
        """Bytes of both versions' folders."""
        champion = self.subject.rival
        before = None if champion is None else folder_bytes(self._folder(champion))
        return Size(folder_bytes(self._folder(self.subject.candidate)), before)

    def _load(self, version: ModelVersion) -> Classifier:
        return Classifier.load(self._folder(version), self.subject.settings.engine)

    def _folder(self, version: ModelVersion) -> Path:
        return self.subject.store.folder(version)

    def _predict(self, images: Pixels) -> list[Prediction]:
        starts = range(0, len(images), BATCH)
        return [
            answer
            for start in starts
            for answer in self.classifier.predict(images[start : start + BATCH])
        ]

    def _ask(self, classifier: Classifier, name: object, rows: Labels | None = None) -> Answers:
        files = self.subject.images.files
        chosen = range(len(files)) if rows is None else [int(row) for row in rows]
        size, predictions = classifier.description.image_size, list[Prediction]()
        with progress(f"asking {name}", len(chosen)) as advance:
            for start in range(0, len(chosen), BATCH):
                batch = chosen[start : start + BATCH]
                images = [decode(files[i].read_bytes(), wanted_size=size) for i in batch]
                predictions += classifier.predict(images)
                for _ in batch:
                    advance()
        return self._answers(predictions, chosen)

    def _answers(self, predictions: Sequence[Prediction], rows: Sequence[int]) -> Answers:
        judged = self.subject.images
        labels = judged.manifest.classes
        truth = [labels.index(judged.rows[i].class_name) for i in rows]
        return Answers(
            labels,
            np.array(truth, np.int64),
            indices(predictions, labels),
            np.array([answer.confidence for answer in predictions], float),
            np.array([answer.unknown for answer in predictions], bool),
            tuple(judged.groups[i] for i in rows),
        )

    def _ask_pyfunc(self, rows: Labels) -> Answers:
        files, settings = self.subject.images.files, self.subject.settings
        stored = self.subject.store.stored_folder(self.subject.candidate)
        with progress("asking MLflow's PyFunc", 1) as advance:
            names = pyfunc_answers(settings, stored, [files[i] for i in rows])
            advance()
        predictions = [Prediction(name, 1.0, ()) for name in names]
        return self._answers(predictions, [int(row) for row in rows])


def indices(predictions: Sequence[Prediction], labels: tuple[str, ...]) -> Labels:
    """(n,) places among `labels`; -1 for another class, or a confidence that is no number."""
    place = {name: number for number, name in enumerate(labels)}
    return np.array(
        [
            place.get(answer.class_name, -1) if np.isfinite(answer.confidence) else -1
            for answer in predictions
        ],
        np.int64,
    )


def some(answers: Answers, rows: Labels) -> Answers:
    """The answers to these images alone."""
    return Answers(
        answers.labels,
        answers.truth[rows],
        answers.predicted[rows],
        answers.confidence[rows],
        answers.unknown[rows],
        tuple(answers.groups[i] for i in rows),
    )


def folder_bytes(folder: Path) -> int:
    """Of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
