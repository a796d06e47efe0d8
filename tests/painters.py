"""Generators and extractors without a network: they paint and know the colours of tests/colours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from registry import Generator, GeneratorDescription, PlainEngine
from registry.extractors import FeatureName, as_rgb
from tests.colours import COLOURS
from training.gan.evaluation.evidence import LabelledSide

Floats = NDArray[np.float32]
Paint = Callable[[Floats], Floats]

LATENT, SIZE = 6, 16
CENTRES = np.array(list(COLOURS.values()), np.float32) / 127.5 - 1


@dataclass
class PaintEngine(PlainEngine):
    """Runs any function of inputs (n, inputs) to pictures (n, 16, 16, channels) in [-1, 1]."""

    paint: Paint
    name: str = "paint"

    def run_for(self, batch: Floats, pick: Any) -> Any:
        return pick([self.paint(batch).astype(np.float32)])


@dataclass(frozen=True)
class ColourSense:
    """Features: mean colour and spread of each channel; probabilities: of the nearest colour."""

    labels: tuple[str, ...] = tuple(COLOURS)
    name: FeatureName = "classifier"
    about: str = "a sense of colour, version 3"

    def features(self, images: Pixels) -> Floats:
        values = as_rgb(images) / np.float32(255)
        return np.concatenate([values.mean((1, 2)), values.std((1, 2))], axis=1)

    def probabilities(self, images: Pixels) -> Floats | None:
        if not self.labels:
            return None
        apart = self.features(images)[:, None, :3] - (CENTRES[: len(self.labels)] + 1) / 2
        closeness = np.exp(-20 * (apart**2).sum(axis=2))
        return closeness / closeness.sum(axis=1, keepdims=True)


def painter(
    paint: Paint | None = None,
    conditional: bool = True,
    classes: tuple[str, ...] = tuple(COLOURS),
    channels: int = 3,
) -> Generator:
    """By default it paints the colour asked for, with some of the latent in it."""
    described = GeneratorDescription("paint", LATENT, SIZE, channels, classes, conditional)
    return Generator(described, PaintEngine(paint or colour_of_class))


def colour_of_class(inputs: Floats) -> Floats:
    """The class's colour, brightened and spotted by the latent."""
    return coloured(inputs[:, LATENT:] @ CENTRES, inputs[:, :LATENT])


def coloured(colours: Floats, latents: Floats) -> Floats:
    """(n, 16, 16, 3) of one colour (n, 3) each, with blocks of 4 pixels that the latent sets."""
    waves = np.sin(latents @ np.arange(1, LATENT * 16 + 1).reshape(LATENT, 16)).reshape(-1, 4, 4, 1)
    spots = waves.repeat(4, axis=1).repeat(4, axis=2) * 0.05
    return np.clip(colours[:, None, None] + 0.05 * latents[:, None, None, :3] + spots, -1, 1)


def real_side(each: int, seed: int, size: int = SIZE) -> LabelledSide:
    """`each` of every colour, drawn as the generator above does."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(COLOURS)), each)
    latents = rng.standard_normal((len(labels), LATENT)).astype(np.float32)
    images = np.rint((coloured(CENTRES[labels], latents) + 1) * 127.5).astype(np.uint8)
    return LabelledSide(images[:, :size, :size], labels)
