"""Pictures of a generator in training: what it draws, and how the two losses went."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from leafgate.images import encode_png, grid
from registry import latents, to_pixels
from training.gan.unfinished import EpochLosses

SAMPLES, COLUMNS = 64, 8


def sample_grid(generator: Any, seed: int) -> bytes:  # noqa: ANN401 - a keras.Model
    """PNG of the first 64 pictures of `seed`, those that the stored generator will draw for it."""
    inputs = latents(range(SAMPLES), seed, generator.input_shape[-1])
    outputs = np.asarray(generator(inputs, training=False), np.float32)
    return encode_png(grid(to_pixels(outputs), COLUMNS))


def loss_curves(epochs: Sequence[EpochLosses]) -> bytes:
    """PNG of both losses, and of what the discriminator thinks of real and generated images."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    losses, opinions = figure.subplots(2, 1, sharex=True)
    steps = [item.epoch for item in epochs]
    marker = "o" if len(steps) == 1 else ""
    losses.plot(steps, [item.d_loss for item in epochs], marker=marker, label="discriminator")
    losses.plot(steps, [item.g_loss for item in epochs], marker=marker, label="generator")
    opinions.plot(steps, [item.d_real for item in epochs], marker=marker, label="real images")
    opinions.plot(steps, [item.d_fake for item in epochs], marker=marker, label="generated images")
    losses.set_ylabel("loss")
    opinions.set(xlabel="epoch", ylabel="judged real (mean)", ylim=(0, 1))
    for axes in (losses, opinions):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
