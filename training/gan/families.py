"""The generator families: one file and one line of `FAMILIES` each. Needs no TensorFlow to read.

A family's module has `build_generator(family)` and `build_discriminator(family)`; it is imported
when a network is built, since Keras takes seconds to import.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from leafgate.errors import UserError


@dataclass(frozen=True)
class Family:
    """One architecture. module: its file; image_size: pixels, square; channels: 3 for RGB."""

    module: str
    image_size: int
    latent_size: int
    channels: int

    def build_generator(self) -> Any:  # noqa: ANN401 - a keras.Model, not imported here
        """A new keras.Model, (n, latent_size) to (n, image_size, image_size, channels) tanh."""
        return import_module(self.module).build_generator(self)

    def build_discriminator(self) -> Any:  # noqa: ANN401 - a keras.Model, not imported here
        """A new keras.Model, (n, image_size, image_size, channels) in [-1, 1] to (n, 1) logits."""
        return import_module(self.module).build_discriminator(self)


FAMILIES = {
    "dcgan": Family("training.gan.dcgan", image_size=64, latent_size=100, channels=3),
}


def find_family(name: str) -> Family:
    """The family of that name. Raises UserError that lists the known ones."""
    if name not in FAMILIES:
        raise UserError(
            f"unknown generator family {name!r}",
            f"use one of {', '.join(FAMILIES)}",
            code="unknown_family",
        )
    return FAMILIES[name]
