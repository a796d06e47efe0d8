"""What a training does where the user left it open: by backbone, weights and number of images.

Measured on `plantvillage15` and `isic9`; the tables are in docs/classifier.md.
"""

import math

from training.classifier.backbones import LoadedBackbone, find_backbone
from training.classifier.config import STAGE2_EPOCHS, ClassifierConfig
from training.data.pipeline import steps_an_epoch

STRENGTHS = ("zoom", "stretch", "translation", "contrast", "brightness", "saturation",
             "white_balance")  # fmt: skip
MOST_STAGE2_EPOCHS = 40
STAGE2_STEPS = 600  # at least, where few images make an epoch of few steps


def recipe(config: ClassifierConfig, backbone: LoadedBackbone, images: int) -> ClassifierConfig:
    """The same with nothing left open, and with views as strong as they will be drawn.

    images: of the training side.
    """
    scratch, found = backbone.weights == "none", find_backbone(backbone.name)
    strength = config.view_strength if config.view_strength is not None else 1.0 if scratch else 0.5
    usual: dict[str, float | int] = {
        "mixup": 0.15 if scratch else 0.0,
        "cutmix": 0.35 if scratch else 0.0,
        "unfrozen_layers": found.tuned_layers,
        "stage2_learning_rate": found.tuning_rate,
        "stage2_epochs": stage2_epochs(images, config.batch_size),
    }
    chosen = {name: value for name, value in usual.items() if getattr(config, name) is None}
    drawn = {name: getattr(config, name) * strength for name in STRENGTHS}
    return config.model_copy(update={**chosen, **drawn, "view_strength": 1.0})


def stage2_epochs(images: int, batch_size: int) -> int:
    """More of them where there are few images, since a network learns by steps."""
    wanted = math.ceil(STAGE2_STEPS / steps_an_epoch(images, batch_size))
    return min(max(wanted, STAGE2_EPOCHS), MOST_STAGE2_EPOCHS)
