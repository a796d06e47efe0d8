"""Fitting a classifier: the stages, what ends them, and what is seen while they run."""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from leafgate.progress import Advance, progress
from training.classifier.backbones import LoadedBackbone, Network
from training.classifier.config import ClassifierConfig
from training.classifier.network import freeze_all, unfreeze_last

LogMetrics = Callable[[dict[str, float], int], None]


@dataclass(frozen=True)
class Stage:
    """One call of `fit`. prepare: sets what may learn, before compiling."""

    name: str
    epochs: int
    optimizer: Callable[[int], Any]
    prepare: Callable[[], None]
    plateau: bool


@dataclass
class History:
    """Figures of every epoch so far, across stages."""

    rows: list[dict[str, float | str]] = field(default_factory=list)

    def save(self, file: Path) -> None:
        """Write as CSV."""
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def stages(config: ClassifierConfig, backbone: LoadedBackbone) -> Iterator[Stage]:
    """Two stages on pretrained weights, one without."""
    if backbone.weights == "none":
        yield Stage(
            "from scratch",
            config.scratch_epochs,
            lambda steps: _scratch_optimizer(config, steps),
            lambda: None,
            plateau=False,  # the cosine schedule already lowers the rate
        )
        return
    yield Stage(
        "stage 1: head",
        config.stage1_epochs,
        lambda steps: keras.optimizers.Adam(config.stage1_learning_rate),
        lambda: freeze_all(backbone.network),
        plateau=True,
    )
    yield Stage(
        f"stage 2: last {config.unfrozen_layers} layers",
        config.stage2_epochs,
        lambda steps: keras.optimizers.Adam(config.stage2_learning_rate),
        lambda: unfreeze_last(backbone.network, config.unfrozen_layers),
        plateau=True,
    )


def _scratch_optimizer(config: ClassifierConfig, steps: int) -> Any:  # noqa: ANN401
    warmup = max(steps // 20, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.scratch_learning_rate / 25,
        decay_steps=max(steps - warmup, 1),
        warmup_target=config.scratch_learning_rate,
        warmup_steps=warmup,
    )
    return keras.optimizers.AdamW(schedule, weight_decay=config.scratch_weight_decay)


def fit_stages(
    network: Network,
    backbone: LoadedBackbone,
    config: ClassifierConfig,
    train: Any,  # noqa: ANN401 - tf.data.Dataset of (images, labels)
    validation: Any,  # noqa: ANN401
    log_metrics: LogMetrics,
) -> History:
    """Fit `network` in place, stage by stage; the best weights by validation loss are kept."""
    history = History()
    steps = math.ceil(int(train.cardinality()))
    for stage in stages(config, backbone):
        if not stage.epochs:
            continue
        stage.prepare()
        network.compile(
            optimizer=stage.optimizer(steps * stage.epochs),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,  # XLA on a CPU runs convolutions at about half the speed
        )
        with progress(stage.name, stage.epochs * steps) as advance:
            network.fit(
                train,
                validation_data=validation,
                epochs=stage.epochs,
                verbose=0,
                shuffle=False,  # the data set shuffles itself, by seed
                callbacks=_callbacks(stage, config, history, log_metrics, advance),
            )
    return history


def _callbacks(
    stage: Stage,
    config: ClassifierConfig,
    history: History,
    log_metrics: LogMetrics,
    advance: Advance,
) -> list[Any]:
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=config.patience, restore_best_weights=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=config.plateau_factor, patience=config.plateau_patience
    )
    told = Told(stage, history, log_metrics, advance)
    return [stopping, told, *([plateau] if stage.plateau else [])]


class Told(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no type information
    """Moves the bar with every batch, and writes down every epoch."""

    def __init__(
        self, stage: Stage, history: History, log_metrics: LogMetrics, advance: Advance
    ) -> None:
        super().__init__()
        self.stage, self.history = stage, history
        self.log_metrics, self.advance = log_metrics, advance
        self.note = "building the graph"

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keras's hook."""
        self.advance(self.note)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keras's hook."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        figures["learning_rate"] = float(self.model.optimizer.learning_rate)
        number = len(self.history.rows) + 1
        self.history.rows.append({"epoch": number, "stage": self.stage.name, **figures})
        self.log_metrics(figures, number)
        self.note = (
            f"epoch {epoch + 1}/{self.stage.epochs}, loss {figures['loss']:.3f}, "
            f"validation accuracy {figures['val_accuracy']:.3f}"
        )
