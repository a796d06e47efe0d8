"""The generator families: one file and one line of `FAMILIES` each. Needs no TensorFlow to read.

A family's module has `build_generator(shape)` and `build_discriminator(shape)`; it is imported when
a network is built, since Keras takes seconds to import. `recipe` holds the settings in which a
family departs from the first one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from leafgate.errors import UserError


@dataclass(frozen=True)
class Shape:
    """What goes in and comes out. image_size: pixels, square; channels: 1 grey to 4 RGBA.

    classes: how many can be asked for; 0 for an unconditional family.
    """

    image_size: int
    latent_size: int
    channels: int
    classes: int = 0

    @property
    def inputs(self) -> int:
        """The generator's input: a latent, and a class's one-hot where one can be asked for."""
        return self.latent_size + self.classes


@dataclass(frozen=True)
class Family:
    """One architecture. module: its file; sizes: pixels it is made for, the usual one first."""

    module: str
    about: str
    sizes: tuple[int, ...]
    latent_size: int
    channels: int
    conditional: bool = False
    recipe: Mapping[str, object] = field(default_factory=dict)

    def build_generator(self, shape: Shape) -> Any:  # noqa: ANN401 - a keras.Model
        """A new keras.Model, (n, shape.inputs) to (n, image_size, image_size, channels) tanh."""
        return self._module.build_generator(shape)

    def build_discriminator(self, shape: Shape) -> Any:  # noqa: ANN401 - a keras.Model
        """A new keras.Model, pictures in [-1, 1] to (n, 1) logits, above 0 for real.

        Its inputs are a list: pictures, and where classes can be asked for, their one-hots.
        """
        return self._module.build_discriminator(shape)

    @property
    def _module(self) -> ModuleType:
        return import_module(self.module)


FAMILIES = {
    "dcgan": Family(
        "training.gan.dcgan",
        "unconditional, 64 px colour (Radford et al. 2016)",
        sizes=(64,),
        latent_size=100,
        channels=3,
    ),
    "vanilla": Family(
        "training.gan.vanilla",
        "the small grey GAN for digits, 28 px (Goodfellow et al. 2014)",
        sizes=(28,),
        latent_size=100,
        channels=1,
        recipe={"real_label": 1.0},
    ),
    "wgan_gp": Family(
        "training.gan.wgan_gp",
        "Wasserstein critic with gradient penalty (Gulrajani et al. 2017)",
        sizes=(64, 128),
        latent_size=128,
        channels=3,
        recipe={
            "loss": "wasserstein",
            "learning_rate": 1e-4,
            "beta_1": 0.0,
            "beta_2": 0.9,
            "discriminator_steps": 5,
            "gradient_penalty": 10.0,
            "ema": 0.999,
        },
    ),
    "conditional": Family(
        "training.gan.conditional",
        "can be asked for a class; projection, hinge, attention (Miyato & Koyama 2018)",
        sizes=(64, 128, 256),
        latent_size=128,
        channels=3,
        conditional=True,
        recipe={
            "loss": "hinge",
            "learning_rate": 3e-4,
            "beta_1": 0.0,
            "beta_2": 0.99,
            "ema": 0.999,
            "augment": ("colour", "translation"),
            "balanced": True,
        },
    ),
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


def families_help() -> str:
    """One line a family: what it is, its sizes, and where its settings depart; for --help."""
    lines = []
    for name, family in FAMILIES.items():
        sizes = ", ".join(map(str, family.sizes))
        own = ", ".join(f"{key}={_shown(value)}" for key, value in family.recipe.items())
        lines.append(f"family={name}  {family.about}; image_size {sizes}; {own}".rstrip("; "))
    return "\n\n".join(lines)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
