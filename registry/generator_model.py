"""The stored generator: what is in its folder, and how pictures are asked of it.

Picture k of seed s is the same whether asked for alone or among a thousand, and a long series can
be cut and continued anywhere. A conditional generator's network takes the latent followed by the
one-hot of the class.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leafgate.class_names import find_class
from leafgate.errors import UserError
from leafgate.images import Pixels
from registry.description import read_description, write_description
from registry.engine import Engine, EngineChoice, load_engine, store_network
from registry.latent_series import MAX_SEED, Floats, latents, latents_between, require_way

BATCH = 32
SHOWN = 80  # characters of a class that there is not


@dataclass(frozen=True)
class GeneratorDescription:
    """What must be known of a generator. classes: what it learnt from; image_size: pixels.

    conditional: whether one of the classes can be asked for; channels: 1 grey to 4 RGBA.
    """

    family: str
    latent_size: int
    image_size: int
    channels: int
    classes: tuple[str, ...]
    conditional: bool = False
    kind: str = "generator"
    format: int = 1


@dataclass(frozen=True)
class Drawn:
    """images: (n, size, size, channels) uint8; latents: (n, latent_size), what they come from.

    class_names: of which class each was asked to be; None where that is not known.
    """

    images: Pixels
    latents: Floats
    class_names: tuple[str | None, ...]


class Generator:
    """A stored generator, loaded."""

    def __init__(self, description: GeneratorDescription, engine: Engine) -> None:
        self.description = description
        self.engine = engine

    @classmethod
    def load(
        cls, folder: Path, engine: EngineChoice = "auto", serving_threads: int = 0
    ) -> "Generator":
        """Load from the folder of a stored model. Raises UserError where it is not one.

        A generator has one OpenVINO form, so any `openvino-*` means that one. serving_threads: for
        many callers at a time, on so many cores; 0: for one.
        """
        choice: EngineChoice = "openvino" if engine.startswith("openvino") else engine
        description = read_description(folder, GeneratorDescription)
        return cls(description, load_engine(folder, choice, serving_threads=serving_threads))

    def generate(
        self, count: int, seed: int, start: int = 0, class_name: str | None = None
    ) -> Pixels:
        """Pictures `start` to `start + count` of `seed`: (count, size, size, channels) uint8."""
        pieces = self.drawn(count, seed, start, class_name)
        return np.concatenate([piece.images for piece in pieces])

    def drawn(
        self, count: int, seed: int, start: int = 0, class_name: str | None = None
    ) -> Iterator[Drawn]:
        """The same in pieces of up to 32, with what they come from; memory stays flat."""
        require_series(count, seed)
        class_name = self.known_class(class_name)
        for first in range(start, start + count, BATCH):
            indices = range(first, min(first + BATCH, start + count))
            names = tuple(self.class_of(index, class_name) for index in indices)
            latent = latents(indices, seed, self.description.latent_size)
            yield Drawn(self.run(latent, names), latent, names)

    def between(
        self, steps: int, seed: int, to_seed: int, class_name: str | None = None
    ) -> Iterator[Drawn]:
        """`steps` pictures on the way from picture 0 of `seed` to picture 0 of `to_seed`, which are
        the first and the last of them; all are of the class of those two.
        """
        require_way(steps, seed, to_seed)
        name = self.class_of(0, self.known_class(class_name))
        for first in range(0, steps, BATCH):
            places = range(first, min(first + BATCH, steps))
            latent = latents_between(places, steps, seed, to_seed, self.description.latent_size)
            names = (name,) * len(places)
            yield Drawn(self.run(latent, names), latent, names)

    def draw(self, indices: range, seed: int, class_name: str | None = None) -> Drawn:
        """Pictures `indices` of `seed` in one piece, however many."""
        pieces = list(self.drawn(len(indices), seed, indices.start, class_name))
        return Drawn(
            np.concatenate([piece.images for piece in pieces]),
            np.concatenate([piece.latents for piece in pieces]),
            tuple(name for piece in pieces for name in piece.class_names),
        )

    def class_of(self, index: int, class_name: str | None = None) -> str | None:
        """Which class picture `index` of any seed is of: the one asked for, else all in turn.

        None where none can be asked for, unless the generator learnt from a single one.
        """
        classes = self.description.classes
        if self.description.conditional:
            return class_name or classes[index % len(classes)]
        return classes[0] if len(classes) == 1 else None

    def known_class(self, class_name: str | None) -> str | None:
        """The class as the generator spells it; None for None, which can always be asked for.

        Raises UserError for a class that cannot be asked for.
        """
        known = ", ".join(self.description.classes)
        if class_name is None:
            return None
        if not self.description.conditional:
            raise UserError(
                f"class={class_name[:SHOWN]!r} cannot be asked of an unconditional generator",
                f"leave it out; it learnt from: {known}",
                code="class_not_supported",
            )
        found = find_class(class_name, self.description.classes)
        if found is None:
            raise UserError(
                f"the generator knows no class {class_name[:SHOWN]!r}",
                f"ask for one of: {known}",
                code="unknown_class",
            )
        return found

    def inputs(self, latent: Floats, class_names: Sequence[str | None]) -> Floats:
        """What the network takes, (n, latent_size) or with the classes' one-hots beside it."""
        if not self.description.conditional:
            return latent
        classes = self.description.classes
        places = [classes.index(str(name)) for name in class_names]
        return np.concatenate([latent, np.eye(len(classes), dtype=np.float32)[places]], axis=1)

    def run(self, latent: Floats, class_names: Sequence[str | None]) -> Pixels:
        """The pictures of these latents (n, latent_size), one class name each."""
        return to_pixels(self.engine.run(self.inputs(latent, class_names)))


def require_series(count: int, seed: int) -> None:
    """Raise UserError for no pictures at all, or a seed out of bounds."""
    if count < 1 or not 0 <= seed <= MAX_SEED:
        raise UserError(
            f"count {count}, seed {seed}", f"use a count from 1 and a seed of 0 to {MAX_SEED}"
        )


def origin(
    model: Mapping[str, str], seed: int, class_name: str | None, index: int | None = None
) -> dict[str, str]:
    """What a generated picture says of itself in its text chunks, and a series in its manifest.

    model: texts that name it; class_name and index: left out where there is none.
    """
    return {
        "synthetic": "true",
        **model,
        **({"class": class_name} if class_name else {}),
        "seed": str(seed),
        **({} if index is None else {"index": str(index)}),
    }


def to_pixels(outputs: Floats) -> Pixels:
    """Tanh outputs in [-1, 1] as uint8 in [0, 255]."""
    return np.clip(np.rint((outputs + 1) * 127.5), 0, 255).astype(np.uint8)


def store_generator(network: object, description: GeneratorDescription, folder: Path) -> None:
    """Write a Keras generator into folder: inputs as `Generator.inputs` gives them, tanh out."""
    store_network(network, folder)
    write_description(description, folder)
