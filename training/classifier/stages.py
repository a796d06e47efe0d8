"""What is learnt in which order: two stages on pretrained weights, one without."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from training.classifier.backbones import LoadedBackbone
from training.classifier.config import ClassifierConfig
from training.classifier.network import freeze_all, unfreeze_last

MIN_SMALL = 32  # pixels


@dataclass(frozen=True)
class Stage:
    """prepare: sets what may learn; size: of the views, by epoch; cached: on stored features.

    best: keep the weights of the best epoch and stop early; else the last epoch's, since the
    learning rate ends at zero.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: Callable[[int], Any]
    prepare: Callable[[], None]
    size: Callable[[int], int]
    best: bool
    cached: bool = False


def stages(config: ClassifierConfig, backbone: LoadedBackbone) -> Iterator[Stage]:
    """The stages that this configuration asks for, those of no epochs left out."""
    made = _two_stages(config, backbone) if backbone.weights != "none" else [_scratch(config)]
    yield from (stage for stage in made if stage.epochs)


def _two_stages(config: ClassifierConfig, backbone: LoadedBackbone) -> list[Stage]:
    return [
        Stage(
            "stage 1: head",
            config.stage1_epochs,
            config.batch_size,
            lambda steps: keras.optimizers.Adam(config.stage1_learning_rate),
            lambda: freeze_all(backbone.network),
            lambda epoch: config.image_size,
            best=True,
            cached=config.stage1_views > 0,
        ),
        Stage(
            f"stage 2: last {config.unfrozen_layers} layers",
            config.stage2_epochs,
            config.batch_size,
            lambda steps: keras.optimizers.Adam(config.stage2_learning_rate),
            lambda: unfreeze_last(backbone.network, config.unfrozen_layers),
            lambda epoch: config.image_size,
            best=True,
        ),
    ]


def _scratch(config: ClassifierConfig) -> Stage:
    """Small pictures first: three quarters of the epochs cost half the time, and more is seen."""
    small_epochs = round(config.scratch_epochs * config.scratch_small_epochs)
    small = max(round(config.image_size * config.scratch_small_size), MIN_SMALL)

    return Stage(
        "from scratch",
        config.scratch_epochs,
        config.scratch_batch_size,
        lambda steps: _warm_up_and_cosine(config, steps),
        lambda: None,
        lambda epoch: min(small, config.image_size) if epoch < small_epochs else config.image_size,
        best=False,
    )


def _warm_up_and_cosine(config: ClassifierConfig, steps: int) -> Any:  # noqa: ANN401
    warmup = max(steps // 20, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.scratch_learning_rate / 25,
        decay_steps=max(steps - warmup, 1),
        warmup_target=config.scratch_learning_rate,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.scratch_weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
