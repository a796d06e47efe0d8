"""The stored generator: what is in its folder, and how pictures are asked of it.

Picture k of seed s is drawn from its own random stream (s, k): it is the same whether asked for
alone or among a thousand, and a long series can be cut and continued anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels
from registry.description import read_description, write_description
from registry.engine import Engine, EngineChoice, load_engine, store_network

BATCH = 32
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GeneratorDescription:
    """What must be known of a generator. classes: what it learnt from; image_size: pixels."""

    family: str
    latent_size: int
    image_size: int
    channels: int
    classes: tuple[str, ...]
    kind: str = "generator"
    format: int = 1


class Generator:
    """A stored generator, loaded."""

    def __init__(self, description: GeneratorDescription, engine: Engine) -> None:
        self.description = description
        self.engine = engine

    @classmethod
    def load(cls, folder: Path, engine: EngineChoice = "auto") -> "Generator":
        """Load from the folder of a stored model. Raises UserError where it is not one.

        A generator has one OpenVINO form, so any `openvino-*` means that one.
        """
        choice: EngineChoice = "openvino" if engine.startswith("openvino") else engine
        return cls(read_description(folder, GeneratorDescription), load_engine(folder, choice))

    def generate(self, count: int, seed: int, start: int = 0) -> Pixels:
        """Pictures `start` to `start + count` of `seed`: (count, size, size, channels) uint8."""
        return np.concatenate(list(self.batches(count, seed, start)))

    def batches(self, count: int, seed: int, start: int = 0) -> Iterator[Pixels]:
        """The same in pieces of up to 32, so that memory stays flat."""
        if count < 1 or not 0 <= seed <= MAX_SEED:
            raise UserError(
                f"count {count}, seed {seed}", f"use a count from 1 and a seed of 0 to {MAX_SEED}"
            )
        for first in range(start, start + count, BATCH):
            indices = range(first, min(first + BATCH, start + count))
            yield to_pixels(self.engine.run(latents(indices, seed, self.description.latent_size)))


def latents(indices: range, seed: int, latent_size: int) -> NDArray[np.float32]:
    """(len(indices), latent_size) standard normal, row k from the stream (seed, k)."""
    rows = [np.random.default_rng([seed, i]).standard_normal(latent_size) for i in indices]
    return np.asarray(rows, np.float32)


def to_pixels(outputs: NDArray[np.float32]) -> Pixels:
    """Tanh outputs in [-1, 1] as uint8 in [0, 255]."""
    return np.clip(np.rint((outputs + 1) * 127.5), 0, 255).astype(np.uint8)


def store_generator(network: object, description: GeneratorDescription, folder: Path) -> None:
    """Write a Keras generator, (n, latent_size) to (n, size, size, channels) tanh, into folder."""
    store_network(network, folder)
    write_description(description, folder)
