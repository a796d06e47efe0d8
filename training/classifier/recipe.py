"""What a training does where the user left it open: by backbone, weights and number of images.

Measured on `plantvillage15` and `isic9`; the tables are in docs/classifier.md.
"""

import math

from leafgate.errors import UserError
from training.classifier.backbones import LoadedBackbone, find_backbone
from training.classifier.config import STAGE2_EPOCHS, ClassifierConfig
from training.data.pipeline import steps_an_epoch

MOST_STAGE2_EPOCHS = 40
STAGE2_STEPS = 600  # at least, where few images make an epoch of few steps


def recipe(config: ClassifierConfig, backbone: LoadedBackbone, images: int) -> ClassifierConfig:
    """The same with nothing left open, and with the name of the backbone that is used.

    Given again, it does the same. images: of the training side. Raises UserError where nothing
    would train the head.
    """
    require_trained_head(config, backbone)
    scratch, found = backbone.weights == "none", find_backbone(backbone.name)
    usual: dict[str, float | int] = {
        "view_strength": 1.0 if scratch else 0.5,
        "mixup": 0.15 if scratch else 0.0,
        "cutmix": 0.35 if scratch else 0.0,
        "unfrozen_layers": found.tuned_layers,
        "stage2_learning_rate": found.tuning_rate,
        "stage2_epochs": stage2_epochs(images, config.batch_size),
    }
    chosen = {name: value for name, value in usual.items() if getattr(config, name) is None}
    return config.model_copy(update={**chosen, "backbone": backbone.name})


def require_trained_head(config: ClassifierConfig, backbone: LoadedBackbone) -> None:
    """Without epochs the head can only be the linear model, which has no hidden layer."""
    if backbone.weights == "none" or config.stage1_epochs or config.stage2_epochs != 0:
        return
    if config.hidden_units or not config.stage1_views:
        raise UserError(
            "stage1_epochs=0 stage2_epochs=0 leaves a linear model alone, for which hidden_units="
            f"{config.hidden_units} and stage1_views={config.stage1_views} do not fit",
            "take hidden_units=0 and stage1_views of at least 1, or give one stage epochs",
        )


def stage2_epochs(images: int, batch_size: int) -> int:
    """More of them where there are few images, since a network learns by steps."""
    wanted = math.ceil(STAGE2_STEPS / steps_an_epoch(images, batch_size))
    return min(max(wanted, STAGE2_EPOCHS), MOST_STAGE2_EPOCHS)
