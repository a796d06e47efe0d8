"""What is learnt in which order: two stages on pretrained weights, one without."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import keras

from training.classifier.backbones import LoadedBackbone, Network
from training.classifier.config import ClassifierConfig
from training.classifier.network import freeze_all, freeze_normalisation, unfreeze_last

MIN_SMALL = 32  # pixels
Learns = Literal["pictures", "features", "maps"]


@dataclass(frozen=True)
class Stage:
    """prepare: sets what may learn; size: of the views, by epoch; learns: from new views of
    pictures, or from what frozen layers made of a few, which is kept.

    best: keep the weights of the best epoch, or those from before the stage where none is better;
    else the last epoch's. patient: stop early, and lower the learning rate on a plateau; else it
    follows a schedule to the end.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: Callable[[int], Any]
    prepare: Callable[[], None]
    size: Callable[[int], int]
    best: bool
    patient: bool = False
    number: int = 1
    learns: Learns = "pictures"


def stages(
    config: ClassifierConfig, backbone: LoadedBackbone, head: Network, keeps_maps: bool
) -> Iterator[Stage]:
    """The stages that this configuration, with nothing left open, asks for; none of no epochs.

    keeps_maps: whether the maps that stage 2 learns from fit into memory.
    """
    if backbone.weights == "none":
        made = [_scratch(config)]
    else:
        made = [_stage1(config, backbone), _stage2(config, backbone, head, keeps_maps)]
    yield from (stage for stage in made if stage.epochs)


def _stage1(config: ClassifierConfig, backbone: LoadedBackbone) -> Stage:
    return Stage(
        "stage 1: head",
        config.stage1_epochs,
        config.batch_size,
        lambda steps: keras.optimizers.Adam(config.stage1_learning_rate),
        lambda: freeze_all(backbone.network),
        lambda epoch: config.image_size,
        best=True,
        patient=True,
        learns="features" if config.stage1_views else "pictures",
    )


def _stage2(
    config: ClassifierConfig, backbone: LoadedBackbone, head: Network, keeps_maps: bool
) -> Stage:
    tuned, epochs, rate = config.unfrozen_layers, config.stage2_epochs, config.stage2_learning_rate
    assert tuned is not None and epochs is not None and rate is not None  # noqa: S101

    def prepare() -> None:
        unfreeze_last(backbone.network, tuned)
        freeze_normalisation(head)

    return Stage(
        f"stage 2: last {tuned} layers",
        epochs,
        config.batch_size,
        lambda steps: _warm_up_and_cosine(rate, config.stage2_weight_decay, steps),
        prepare,
        lambda epoch: config.image_size,
        best=True,
        number=2,
        learns="maps" if keeps_maps else "pictures",
    )


def _scratch(config: ClassifierConfig) -> Stage:
    """Small pictures first: most of the epochs then cost half the time, and more is seen."""
    small_epochs = round(config.scratch_epochs * config.scratch_small_epochs)
    small = max(round(config.image_size * config.scratch_small_size), MIN_SMALL)

    return Stage(
        "from scratch",
        config.scratch_epochs,
        config.scratch_batch_size,
        lambda steps: _warm_up_and_cosine(
            config.scratch_learning_rate, config.scratch_weight_decay, steps
        ),
        lambda: None,
        lambda epoch: min(small, config.image_size) if epoch < small_epochs else config.image_size,
        best=False,
    )


def _warm_up_and_cosine(peak: float, weight_decay: float, steps: int) -> Any:  # noqa: ANN401
    warmup = max(steps // 20, 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 25,
        decay_steps=max(steps - warmup, 1),
        warmup_target=peak,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
