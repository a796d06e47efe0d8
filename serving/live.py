"""A model that answers: loaded, warm, and with a queue of its own.

Each version has its own queue and lanes, so a swap is one reference: what was asked of the old one
is answered by the old one, and no batch holds images of two versions.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.settings import Settings
from registry import (
    Classifier,
    Engine,
    Generator,
    Judgement,
    ModelVersion,
    Prediction,
    averaged,
    usable_cores,
)
from serving.batching import Batcher, Item, Result, Run, buckets
from serving.metrics import Metrics
from serving.tally import Tally

# Images in one batch. Classifying in int8 gains some 10 % by it and floats nothing on a CPU, while
# memory grows with it; generators are small, and asked for many pictures at a time.
TO_CLASSIFY = {"tensorflow": 32, "openvino-int8": 8, "openvino-bf16": 2, "openvino-fp32": 2}
TO_GENERATE = {"tensorflow": 32, "openvino-fp32": 8}
PATIENCE = 3  # times the wait that is promised, after which a job is given up
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """What the network says of one picture: logits (classes,), outlier score, and in words."""

    logits: Floats
    score: float
    prediction: Prediction


@dataclass(frozen=True)
class Latent:
    """One picture to make: (latent_size,), and of which class."""

    values: Floats
    class_name: str | None


@dataclass(frozen=True)
class LiveClassifier:
    """Takes pictures of the network's own size, (size, size, 3) uint8."""

    model: Classifier
    version: ModelVersion
    batcher: Batcher[Pixels, View]
    tally: Tally

    def answer(self, views: Sequence[View]) -> Prediction:
        """The answer to one picture, seen in one position or in several."""
        if len(views) == 1:
            return views[0].prediction
        judged = averaged(
            Judgement(view.logits[None], np.array([view.score], np.float64)) for view in views
        )
        return self.model.answers(judged)[0]


@dataclass(frozen=True)
class LiveGenerator:
    """Takes latents, gives pictures of (size, size, channels) uint8."""

    model: Generator
    version: ModelVersion
    batcher: Batcher[Latent, Pixels]
    tally: Tally


Live = TypeVar("Live", LiveClassifier, LiveGenerator)


@dataclass(frozen=True)
class Starter:
    """Brings stored models to life; raises what makes them unfit, before anybody asks them."""

    settings: Settings
    metrics: Metrics

    def classifier(self, version: ModelVersion, folder: Path) -> LiveClassifier:
        """Load, run every batch size once, check that the answers are numbers."""
        model = Classifier.load(folder, self.settings.engine, cores_of(self.settings))
        size, tally = model.description.image_size, Tally()
        largest = self.settings.max_batch or TO_CLASSIFY[model.engine.name]
        pace = self._warm(version, model.engine, (size, size, 3), largest)

        def run(images: Sequence[Pixels]) -> list[View]:
            with timed(tally, len(images)):
                judged = model.judge_once(images)
            rows = zip(judged.logits, judged.scores, model.answers(judged), strict=True)
            return [View(logits, float(score), answer) for logits, score, answer in rows]

        model.predict(np.zeros((1, size, size, 3), np.uint8))
        return LiveClassifier(
            model, version, self._batcher(version, model.engine, run, pace, largest), tally
        )

    def generator(self, version: ModelVersion, folder: Path) -> LiveGenerator:
        """Likewise."""
        model = Generator.load(folder, self.settings.engine, cores_of(self.settings))
        tally = Tally()
        latent = np.zeros((1, model.description.latent_size), np.float32)
        (row,) = model.inputs(latent, [model.class_of(0)])
        largest = self.settings.max_batch or TO_GENERATE[model.engine.name]
        pace = self._warm(version, model.engine, row.shape, largest)

        def run(asked: Sequence[Latent]) -> list[Pixels]:
            with timed(tally, len(asked)):
                latent = np.stack([item.values for item in asked])
                return list(model.run(latent, [item.class_name for item in asked]))

        batcher = self._batcher(version, model.engine, run, pace, largest)
        return LiveGenerator(model, version, batcher, tally)

    def _warm(
        self, version: ModelVersion, engine: Engine, shape: tuple[int, ...], largest: int
    ) -> float:
        """Seconds an image takes one lane. Raises UserError for answers that are no numbers."""
        seconds = 0.0
        for size in buckets(largest):
            batch = np.zeros((size, *shape), np.float32)
            if not np.isfinite(engine.warm(batch)).all():
                raise UserError(
                    f"{version} answers with what is no number",
                    "train it again",
                    code="engine_failed",
                )
            started = time.perf_counter()
            engine.run(batch)
            seconds = (time.perf_counter() - started) / size
        return seconds

    def _batcher(
        self,
        version: ModelVersion,
        engine: Engine,
        run: "Run[Item, Result]",
        pace: float,
        largest: int,
    ) -> "Batcher[Item, Result]":
        patience = PATIENCE * self.settings.max_wait_seconds
        return Batcher(version.name, run, engine.lanes, largest, self.metrics, pace, patience)


def cores_of(settings: Settings) -> int:
    """What one process of the service may keep busy."""
    return settings.engine_threads or max(usable_cores() // settings.workers, 1)


@contextmanager
def timed(tally: Tally, images: int) -> Iterator[None]:
    """Note what the block took an image, unless it fails."""
    started = time.perf_counter()
    yield
    tally.took((time.perf_counter() - started) * 1000 / images)
