"""The networks below the head: a table of builders. A new one is a line here.

ResNet50: He et al. 2016, arXiv 1512.03385, in the form and with the weights of Keras.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras

from leafgate.errors import UserError

Network = Any  # keras.Model; Keras has no type information
WeightsKind = Literal["imagenet", "file", "none"]


@dataclass(frozen=True)
class Backbone:
    """build: Keras application; prepare: RGB in [0, 255] to what the weights were trained on."""

    build: Callable[..., Network]
    prepare: Callable[[Any], Any]


BACKBONES: dict[str, Backbone] = {
    "resnet50": Backbone(keras.applications.ResNet50, keras.applications.resnet50.preprocess_input),
}


class LoadedBackbone(NamedTuple):
    """A backbone without top, and where its weights come from. note: why, if not as asked."""

    network: Network
    weights: WeightsKind
    note: str


def find_backbone(name: str) -> Backbone:
    """The table's entry. Raises UserError that lists the known ones."""
    if name not in BACKBONES:
        raise UserError(f"unknown backbone {name!r}", f"known are: {', '.join(BACKBONES)}")
    return BACKBONES[name]


def load_backbone(name: str, weights: str, image_size: int) -> LoadedBackbone:
    """Build the backbone with ImageNet weights, those of a file, or none.

    weights: `imagenet`, `none`, `auto` (ImageNet where it can be had, else none) or a path.
    Raises UserError where the weights cannot be downloaded or read.
    """
    build = find_backbone(name).build
    shape = (image_size, image_size, 3)
    if weights == "none":
        return LoadedBackbone(build(include_top=False, weights=None, input_shape=shape), "none", "")
    if weights not in ("imagenet", "auto"):
        return LoadedBackbone(_from_file(build, shape, Path(weights)), "file", "")
    try:
        network = build(include_top=False, weights="imagenet", input_shape=shape)
        return LoadedBackbone(network, "imagenet", "")
    except Exception as error:
        if weights == "auto":
            note = f"ImageNet weights could not be downloaded ({_first_line(error)})"
            network = build(include_top=False, weights=None, input_shape=shape)
            return LoadedBackbone(network, "none", note)
        raise UserError(
            f"ImageNet weights for {name} could not be downloaded ({_first_line(error)})",
            "connect to the network, give a file with weights=PATH, or train without: weights=none",
            code="no_weights",
        ) from error


def _from_file(build: Callable[..., Network], shape: tuple[int, int, int], file: Path) -> Network:
    if not file.is_file():
        raise UserError(
            f"no weights file {file}", "use imagenet, none, auto or the path of a Keras .h5 file"
        )
    network = build(include_top=False, weights=None, input_shape=shape)
    try:
        network.load_weights(file)
    except Exception as error:  # h5py, Keras and zipfile each raise their own
        raise UserError(
            f"{file} does not hold weights of this backbone ({_first_line(error)})",
            "save them from the same Keras application, built with include_top=False",
        ) from error
    return network


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
