"""When a training has gone wrong: figures no longer finite, nothing left to learn, all alike.

Each is told with what to do, ends the run as failed, and leaves the checkpoints where they are.
"""

from collections.abc import Sequence

import numpy as np

from leafgate.errors import UserError
from training.gan.checkpoints import Checkpoints
from training.gan.config import GanConfig
from training.gan.networks import Gan
from training.gan.unfinished import Epoch

ALL_KNOWING = 0.01  # the discriminator's loss above its least
ALIKE = 0.1  # of the mean distance between two real images


def require_finite(gan: Gan, epoch: Epoch, config: GanConfig, checkpoints: Checkpoints) -> None:
    """Raise UserError where a loss or a weight is NaN or infinite, naming the checkpoint kept."""
    if np.isfinite([epoch.d_loss, epoch.g_loss]).all() and _finite(gan):
        return
    raise UserError(
        f"losses or weights are no longer finite in epoch {epoch.epoch}: d_loss {epoch.d_loss}, "
        f"g_loss {epoch.g_loss}{checkpoints.last_good}",
        f"use a learning_rate below {config.learning_rate}, or another seed",
        code="training_diverged",
    )


def _finite(gan: Gan) -> bool:
    weights = [*gan.generator.variables, *gan.discriminator.variables, *gan.averaged.variables]
    return all(np.isfinite(np.asarray(weight)).all() for weight in weights)


def require_healthy(epochs: Sequence[Epoch], config: GanConfig, checkpoints: Checkpoints) -> None:
    """Raise UserError where the last epochs show that no more is learnt. epochs: all, in order."""
    if discriminator_saturated(epochs, config):
        raise UserError(
            f"the discriminator has not been wrong for {config.saturated_epochs} epochs (d_loss "
            f"{epochs[-1].d_loss:.4f} in epoch {epochs[-1].epoch}): the generator learns nothing "
            f"any more{checkpoints.last_good}",
            "give it less to go by: augment=colour,translation,cutout, a lower "
            "discriminator_learning_rate, or more images",
            code="discriminator_saturated",
        )
    if diversity_gone(epochs, config):
        raise UserError(
            f"the generator has collapsed: at the last {config.collapsed_looks} looks its pictures "
            f"differed {epochs[-1].diversity:.3f} times as much as real ones"
            f"{checkpoints.last_good}",
            f"use a learning_rate below {config.learning_rate}, another seed, or another family",
            code="training_collapsed",
        )


def discriminator_saturated(epochs: Sequence[Epoch], config: GanConfig) -> bool:
    """Whether its loss has been at its least for `saturated_epochs` epochs in a row."""
    from training.gan.losses import LOSSES

    floor = LOSSES[config.loss].floor
    last = epochs[-config.saturated_epochs :]
    if floor is None or len(last) < config.saturated_epochs:
        return False
    return all(epoch.d_loss < floor(config.real_label) + ALL_KNOWING for epoch in last)


def diversity_gone(epochs: Sequence[Epoch], config: GanConfig) -> bool:
    """Whether the pictures were all alike at the last `collapsed_looks` looks, but not before.

    An untrained generator's pictures are alike too: it is a collapse once they have differed, or
    where they still do not after twice as many looks.
    """
    looks = [epoch.diversity for epoch in epochs if not np.isnan(epoch.diversity)]
    last, before = looks[-config.collapsed_looks :], looks[: -config.collapsed_looks]
    if len(last) < config.collapsed_looks or max(last) >= ALIKE:
        return False
    return len(looks) >= 2 * config.collapsed_looks or max(before, default=0.0) >= ALIKE
