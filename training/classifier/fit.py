"""Fitting a classifier: stage by stage, epoch by epoch, and going on after a kill."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.metrics.calibration import fit_temperature, log_loss
from leafgate.metrics.classification import accuracy, macro_f1
from leafgate.progress import Advance, progress, tell
from training.classifier.backbones import LoadedBackbone, Network
from training.classifier.config import ClassifierConfig
from training.classifier.features import FrozenViews
from training.classifier.learner import learning_loss
from training.classifier.lessons import LESSONS, Lesson, Logits, Material
from training.classifier.linear_model import fit_linear_model
from training.classifier.memory import Position, Row, TrainingMemory
from training.classifier.network import take_linear_model
from training.classifier.stages import Stage, stages
from training.data.pipeline import LabelledImages, Labels, steps_an_epoch

LogMetrics = Callable[[dict[str, float], int], None]
LINEAR_VIEWS = 3  # that the linear model learns from, the images themselves among them
MOST_LINEAR = 20_000  # images and views together: it is to take seconds


def fit_stages(
    network: Network,
    backbone: LoadedBackbone,
    config: ClassifierConfig,
    train: LabelledImages,
    validation: tuple[Pixels, Labels],
    memory: TrainingMemory,
    log_metrics: LogMetrics,
) -> tuple[Row, ...]:
    """Fit `network` in place and return the figures of every epoch; goes on where `memory` is.

    config: with nothing left open, see `training.classifier.recipe`.
    """
    frozen = _frozen_views(backbone, config, train, validation[0])
    position, weights, optimizer = memory.load() or (Position(), [], [])
    if weights:
        tell(f"going on after {len(position.rows)} epochs")
    if position.rows:
        _log(position, log_metrics)  # a kill may have come between keeping it and logging it
    if not position.epoch:
        _set_stored(network.variables, weights)  # of all of it, as stored between stages
    head = network.get_layer("head")
    if position == Position() and backbone.weights != "none" and config.stage1_views:
        begin_with_linear_model(head, config, frozen, train, validation[1], log_metrics)
    for number, stage in enumerate(stages(config, backbone, head, frozen.keeps_maps)):
        if number < position.stage:
            continue
        stage.prepare()
        given = Material(network, backbone, config, number, stage, train, validation[0], frozen)
        lesson = LESSONS[stage.learns](given)
        _compile(lesson, stage, config, train)
        if position.epoch:
            _set_stored(lesson.variables, weights)
            _set_stored(lesson.model.optimizer.variables, optimizer)
        position = _fit_stage(lesson, stage, config, validation[1], position, memory, log_metrics)
        if stage.best:
            _set_stored(lesson.variables, memory.load_best())
            tell(_outcome(stage, position, lesson.validate(), validation[1]))
        position = position.next_stage()
        memory.save(position, network.variables, [])
    return position.rows


def _frozen_views(
    backbone: LoadedBackbone, config: ClassifierConfig, train: LabelledImages, validation: Pixels
) -> FrozenViews:
    """What the stages share; of no layers where the whole network learns from scratch."""
    learns_all = backbone.weights == "none" or not config.stage1_views
    tuned = 0 if learns_all or not config.stage2_epochs else config.unfrozen_layers or 0
    free = config.cache_gib * 2**30
    return FrozenViews(backbone, config, tuned, train, validation, free)


def begin_with_linear_model(
    head: Network,
    config: ClassifierConfig,
    frozen: FrozenViews,
    train: LabelledImages,
    truth: Labels,
    log_metrics: LogMetrics,
) -> None:
    """Say what a linear model on the frozen features gives, and let the head begin as that."""
    images = np.random.default_rng(config.seed).permutation(len(train))[:MOST_LINEAR]
    views = frozen.learnt.pooled[: max(min(LINEAR_VIEWS, MOST_LINEAR // len(images)), 1)]
    features = np.concatenate([view[images] for view in views])
    labels = np.tile(train.labels[images], len(views))
    weights = None
    if config.imbalance != "none":
        weights = (1 / np.maximum(np.bincount(labels), 1))[labels]
        weights /= weights.mean()
    validation = frozen.validated.pooled, truth
    found = fit_linear_model(features, labels, validation, train.classes, weights)
    if found is None:
        return
    tell(
        f"a linear model on the frozen features: validation accuracy {found.accuracy:.3f}, "
        f"macro F1 {found.macro_f1:.3f}, fitted in {found.seconds:.1f} s"
    )
    figures = {"linear_val_accuracy": found.accuracy, "linear_val_macro_f1": found.macro_f1}
    log_metrics(figures, 0)
    if config.hidden_units:
        return
    take_linear_model(head, found)
    if not config.stage1_epochs and not config.stage2_epochs:
        tell("the linear model is kept: neither stage has an epoch")


def _compile(lesson: Lesson, stage: Stage, config: ClassifierConfig, train: LabelledImages) -> None:
    counts = np.bincount(train.labels, minlength=train.classes)
    steps = steps_an_epoch(len(train), stage.batch_size)
    lesson.model.compile(
        optimizer=stage.optimizer(steps * stage.epochs),
        loss=learning_loss(config, counts),
        metrics=["accuracy"],
        jit_compile=False,  # XLA on a CPU runs convolutions at about half the speed
    )
    lesson.model.optimizer.build(lesson.model.trainable_variables)
    nothing = np.zeros((1, train.classes), np.float32)
    # Makes the metrics' variables now. Made in the first step, they have it traced a second time.
    lesson.model.compute_metrics(None, nothing, nothing)


def _fit_stage(
    lesson: Lesson,
    stage: Stage,
    config: ClassifierConfig,
    truth: Labels,
    position: Position,
    memory: TrainingMemory,
    log_metrics: LogMetrics,
) -> Position:
    steps = int(lesson.batches(0).cardinality())
    if stage.best and not position.epoch:
        position = _before(lesson, truth, position)
        memory.save_best(lesson.variables)
    with progress(stage.name, stage.epochs * steps, position.epoch * steps) as advance:
        bar = Bar(advance)
        while position.epoch < stage.epochs and not _stale(stage, config, position):
            learnt = _learn(lesson, position.epoch, bar)
            row = _row(stage, position, learnt, lesson, truth)
            _check_finite(stage, row)
            position = position.after(row, float(row["val_calibrated_loss"]))
            position = _cut_rate(lesson, stage, config, position)
            if position.since_best == 0 and stage.best:
                memory.save_best(lesson.variables)
            memory.save(position, lesson.variables, lesson.model.optimizer.variables)
            _log(position, log_metrics)
            bar.note = _note(stage, position, row)
    return position


def _before(lesson: Lesson, truth: Labels, position: Position) -> Position:
    """Where a stage begins: what it must improve on."""
    loss = calibrated_loss(lesson.validate(), truth)
    return replace(position, best=loss, begin=loss) if math.isfinite(loss) else position


def _outcome(stage: Stage, position: Position, logits: Logits, truth: Labels) -> str:
    """What the stage changed, and what is kept, in a sentence. logits: of what is kept."""
    predicted = logits.argmax(axis=1)
    figures = (
        f"validation accuracy {accuracy(truth, predicted):.3f}, "
        f"macro F1 {macro_f1(truth, predicted, logits.shape[1]):.3f}"
    )
    if position.best < position.begin:
        change = f"{position.begin:.3f} to {position.best:.3f}"
        return f"{stage.name}: its best epoch is kept, {figures} (loss {change})"
    return f"{stage.name}: no epoch was better; the network is kept as it was, {figures}"


def _log(position: Position, log_metrics: LogMetrics) -> None:
    """The figures of the last epoch done."""
    figures = {k: v for k, v in position.rows[-1].items() if isinstance(v, float)}
    log_metrics(figures, len(position.rows))


def _learn(lesson: Lesson, epoch: int, bar: "Bar") -> dict[str, float]:
    history = lesson.model.fit(
        lesson.batches(epoch),
        epochs=1,
        verbose=0,
        shuffle=False,  # the batches come in the order of their epoch
        callbacks=[bar],
    )
    return {name: float(values[-1]) for name, values in history.history.items()}


def _row(
    stage: Stage, position: Position, learnt: dict[str, float], lesson: Lesson, truth: Labels
) -> Row:
    logits = lesson.validate()
    predicted = logits.argmax(axis=1)
    return {
        "epoch": len(position.rows) + 1,
        "stage": stage.name,
        "stage_number": float(stage.number),
        **learnt,
        "val_loss": log_loss(logits, truth),
        "val_calibrated_loss": calibrated_loss(logits, truth),
        "val_accuracy": accuracy(truth, predicted),
        "val_macro_f1": macro_f1(truth, predicted, logits.shape[1]),
        "learning_rate": float(lesson.model.optimizer.learning_rate),
    }


def calibrated_loss(logits: Logits, truth: Labels) -> float:
    """Log loss at the temperature that suits best, which is how the network will be served.

    Networks that learnt with label smoothing and without compare in no other way.
    """
    plain = log_loss(logits, truth)
    if not math.isfinite(plain):
        return plain
    return log_loss(logits, truth, fit_temperature(logits, truth))


def _check_finite(stage: Stage, row: Row) -> None:
    wrong = [name for name in ("loss", "val_loss") if not math.isfinite(float(row[name]))]
    if wrong:
        raise UserError(
            f"{stage.name}: {' and '.join(wrong)} became {row[wrong[0]]} in epoch {row['epoch']}",
            "give a lower learning rate, or precision=float32",
        )


def _stale(stage: Stage, config: ClassifierConfig, position: Position) -> bool:
    return stage.patient and position.since_best >= config.patience


def _cut_rate(
    lesson: Lesson, stage: Stage, config: ClassifierConfig, position: Position
) -> Position:
    """Lower the learning rate on a plateau; a schedule lowers it by itself."""
    if not stage.patient or position.since_cut < config.plateau_patience:
        return position
    optimizer = lesson.model.optimizer
    optimizer.learning_rate = float(optimizer.learning_rate) * config.plateau_factor
    return position.cut()


def _note(stage: Stage, position: Position, row: Row) -> str:
    return (
        f"epoch {position.epoch}/{stage.epochs}, loss {row['loss']:.3f}, "
        f"validation accuracy {row['val_accuracy']:.3f}"
    )


def _set_stored(variables: Sequence[Any], values: Sequence[Any]) -> None:
    if values:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


class Bar(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no type information
    """Moves the progress bar with every batch."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self.advance, self.note = advance, "building the graph"

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keras's hook."""
        self.advance(self.note)


def save_history(rows: Sequence[Row], file: Path) -> None:
    """Write the figures of every epoch as CSV."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
