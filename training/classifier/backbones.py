"""The networks below the head: a table of builders. A new one is a line here.

ResNet50: He et al. 2016, arXiv 1512.03385, in the form and with the weights of Keras.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras

from leafgate.errors import UserError
from registry.efficientnet_lite import LITES, MEAN, SPREAD
from training.classifier.efficientnet_lite import efficientnet_lite
from training.classifier.resnet18 import resnet18

Network = Any  # keras.Model; Keras has no type information
Shape = tuple[int | None, int | None, int]
WeightsKind = Literal["imagenet", "file", "none"]


@dataclass(frozen=True)
class Backbone:
    """build: Keras application; prepare: RGB in [0, 255] to what the weights were trained on.

    last_in_branch: how the names of the normalisations end that close a residual branch; imagenet:
    whether Keras offers weights.
    """

    build: Callable[..., Network]
    prepare: Callable[[Any], Any]
    last_in_branch: str = ""
    imagenet: bool = True


def _as_torch(pixels: Any) -> Any:  # noqa: ANN401 - a Keras tensor
    """About zero mean and unit spread, in every channel alike."""
    return keras.layers.Rescaling(1 / 58.0, offset=-2.0)(pixels)


def _as_lite(pixels: Any) -> Any:  # noqa: ANN401 - a Keras tensor
    """As EfficientNet-Lite was trained."""
    return keras.layers.Rescaling(1 / SPREAD, offset=-MEAN / SPREAD)(pixels)


def _as_is(pixels: Any) -> Any:  # noqa: ANN401 - a Keras tensor
    """Preparation is part of the network already."""
    return pixels


APPLICATIONS = keras.applications

BACKBONES: dict[str, Backbone] = {
    "resnet50": Backbone(
        APPLICATIONS.ResNet50, APPLICATIONS.resnet50.preprocess_input, last_in_branch="_3_bn"
    ),
    "resnet18": Backbone(resnet18, _as_torch, last_in_branch="_2_bn", imagenet=False),
    "resnet152": Backbone(
        APPLICATIONS.ResNet152, APPLICATIONS.resnet50.preprocess_input, last_in_branch="_3_bn"
    ),
    "efficientnetv2b0": Backbone(APPLICATIONS.EfficientNetV2B0, _as_is),
    "mobilenetv3small": Backbone(APPLICATIONS.MobileNetV3Small, _as_is),
    **{name: Backbone(efficientnet_lite(name), _as_lite) for name in LITES},
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


def load_backbone(name: str, weights: str) -> LoadedBackbone:
    """Build the backbone, for pictures of any size, with ImageNet weights, a file's, or none.

    weights: `imagenet`, `none`, `auto` (ImageNet where it can be had, else none) or a path.
    Raises UserError where the weights cannot be downloaded or read.
    """
    backbone = find_backbone(name)
    build, shape = backbone.build, (None, None, 3)
    if weights == "none":
        return LoadedBackbone(build(include_top=False, weights=None, input_shape=shape), "none", "")
    if weights not in ("imagenet", "auto"):
        return LoadedBackbone(_from_file(build, shape, Path(weights)), "file", "")
    if not backbone.imagenet:
        return _without_imagenet(name, weights, build, shape)
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


def _without_imagenet(
    name: str, weights: str, build: Callable[..., Network], shape: Shape
) -> LoadedBackbone:
    if weights == "imagenet":
        raise UserError(
            f"there are no ImageNet weights for {name}",
            "train it from scratch with weights=none, or use backbone=resnet50",
            code="no_weights",
        )
    network = build(include_top=False, weights=None, input_shape=shape)
    return LoadedBackbone(network, "none", f"there are no ImageNet weights for {name}")


def _from_file(build: Callable[..., Network], shape: Shape, file: Path) -> Network:
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
