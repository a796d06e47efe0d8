"""The networks below the head: a table of builders. A new one is a line here.

ResNet50: He et al. 2016, arXiv 1512.03385, in the form and with the weights of Keras.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from leafgate.errors import UserError
from leafgate.manifest import file_digest
from leafgate.progress import tell
from registry.efficientnet_lite import LITES, MEAN, SPREAD, LiteName, find_weights
from registry.keras_files import FileUnavailableError, KerasFile, fetch_keras_file
from training.classifier.efficientnet_lite import efficientnet_lite
from training.classifier.resnet18 import resnet18

Network = Any  # keras.Model; Keras has no type information
WeightsKind = Literal["imagenet", "file", "none"]

FALLBACK: LiteName = "efficientnet_lite0"  # where nothing was asked for that can be had
VARIABLE = "LEAFGATE_BACKBONE_WEIGHTS"
AUTO, NEVER = "auto", "none"  # values of it that are no path
SHAPE = (None, None, 3)  # pictures of any size
REMEDY = (
    f"connect to the network, set {VARIABLE} to a file or folder with them, take "
    f"backbone={FALLBACK}, or train from scratch with weights=none"
)
FILES_FOR_WEIGHTS = "give the path of a Keras .h5 file, or imagenet, none, auto"
FILES_FOR_SETTING = "give the path of a Keras .h5 file or of a folder with some, or auto, or none"
KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications"
RESNET = f"{KERAS_URL}/resnet/{{}}_weights_tf_dim_ordering_tf_kernels_notop.h5"


@dataclass(frozen=True)
class Backbone:
    """build: Keras application; prepare: RGB in [0, 255] to what the weights were trained on.

    last_in_branch: how the names of the normalisations end that close a residual branch; imagenet:
    where ImageNet weights come from, a file of Keras or a package; None where there are none.
    tuned_layers, tuning_rate: of stage 2, where the user does not say; depthwise: whether most of
    its convolutions are, which a processor computes slower in bfloat16 than in float32.
    """

    build: Callable[..., Network]
    prepare: Callable[[Any], Any]
    last_in_branch: str = ""
    imagenet: KerasFile | LiteName | None = None
    tuned_layers: int = 50
    tuning_rate: float = 1e-4
    depthwise: bool = False


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
        APPLICATIONS.ResNet50,
        APPLICATIONS.resnet50.preprocess_input,
        last_in_branch="_3_bn",
        imagenet=KerasFile(RESNET.format("resnet50"), "4d473c1dd8becc155b73f8504c6f6626"),
    ),
    "resnet18": Backbone(resnet18, _as_torch, last_in_branch="_2_bn"),
    "resnet152": Backbone(
        APPLICATIONS.ResNet152,
        APPLICATIONS.resnet50.preprocess_input,
        last_in_branch="_3_bn",
        imagenet=KerasFile(RESNET.format("resnet152"), "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    ),
    "efficientnetv2b0": Backbone(
        APPLICATIONS.EfficientNetV2B0,
        _as_is,
        depthwise=True,
        imagenet=KerasFile(
            f"{KERAS_URL}/efficientnet_v2/efficientnetv2-b0_notop.h5",
            "893217f2bb855e2983157299931e43ff",
        ),
    ),
    "mobilenetv3small": Backbone(
        APPLICATIONS.MobileNetV3Small,
        _as_is,
        depthwise=True,
        imagenet=KerasFile(
            f"{KERAS_URL}/mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            "d3e8ec802a04aa4fc771ee12a9a9b836",
        ),
    ),
    **{
        name: Backbone(
            efficientnet_lite(name),
            _as_lite,
            imagenet=name,
            tuned_layers=46 if name == "efficientnet_lite0" else 55,  # from block6a on
            tuning_rate=5e-4,
            depthwise=True,
        )
        for name in LITES
    },
}


class LoadedBackbone(NamedTuple):
    """A backbone without top, and where its weights come from, which `note` says in a sentence.

    name: of the network that is used, which need not be the one asked for; file: with the weights,
    and sha256 of it; both empty without weights.
    """

    network: Network
    weights: WeightsKind
    note: str
    name: str = ""
    file: str = ""
    sha256: str = ""


class _UnavailableError(Exception):
    """Why there are no ImageNet weights for a backbone. fix: what helps, where that is known."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


def find_backbone(name: str) -> Backbone:
    """The table's entry. Raises UserError that lists the known ones."""
    if name not in BACKBONES:
        raise UserError(f"unknown backbone {name!r}", f"known are: {', '.join(BACKBONES)}")
    return BACKBONES[name]


def choose_backbone(name: str, named: bool, weights: str, setting: str = AUTO) -> LoadedBackbone:
    """`load_backbone`, or another network where that is better; says in a sentence what is used.

    named: whether the user chose the backbone. Where not, and with weights `auto`, a network whose
    ImageNet weights came with the installation is used in place of one whose cannot be had.
    """
    loaded = _choose(name, named, weights, setting)
    tell(loaded.note)
    return loaded


def computing_in(policy: str, backbone: LoadedBackbone) -> LoadedBackbone:
    """The same in the precision of Keras's policy, which counts when layers are made."""
    if policy == "float32":
        return backbone
    same = load_backbone(backbone.name, "none").network
    same.set_weights(backbone.network.get_weights())
    return backbone._replace(network=same)


def load_backbone(name: str, weights: str, setting: str = AUTO) -> LoadedBackbone:
    """Build this backbone, for pictures of any size, with ImageNet weights, a file's, or none.

    weights: `imagenet`, `none`, `auto` (ImageNet where it can be had, else none) or a path.
    setting: that of `backbone_weights`: a file or folder to look into first, `auto`, or `none` for
    no download. Raises UserError where weights that are asked for cannot be had or read.
    """
    return _choose(name, True, weights, setting)


def _choose(name: str, named: bool, weights: str, setting: str) -> LoadedBackbone:
    find_backbone(name)
    if weights == "none":
        return _from_scratch(name, f"{name} learns from scratch, as weights=none asks")
    if weights not in ("imagenet", "auto"):
        return _from_file(name, Path(weights).expanduser(), "file", f"weights={weights}")
    try:
        return _with_imagenet(name, setting)
    except _UnavailableError as error:
        problem, fix = f"ImageNet weights of {name} cannot be had ({error})", error.fix
    if weights == "imagenet":
        raise UserError(problem, fix or REMEDY, code="no_weights")
    if not named and name != FALLBACK:
        try:
            found = _with_imagenet(FALLBACK, setting)
            reason = f"{FALLBACK} is used, whose weights came with the installation"
            return found._replace(note=f"{problem}: {reason}")
        except _UnavailableError as error:
            problem = f"{problem}, nor those of {FALLBACK} ({error})"
    return _from_scratch(name, f"{problem}: {name} learns from scratch")


def _from_scratch(name: str, note: str) -> LoadedBackbone:
    network = BACKBONES[name].build(include_top=False, weights=None, input_shape=SHAPE)
    return LoadedBackbone(network, "none", note, name)


def _with_imagenet(name: str, setting: str) -> LoadedBackbone:
    """Raises _UnavailableError where there are none, UserError where a file is damaged."""
    source = BACKBONES[name].imagenet
    if isinstance(source, str):
        return _from_package(source)
    missing = ""
    if setting not in (AUTO, NEVER, ""):
        given = Path(setting).expanduser()
        if not _is_folder(given):
            return _from_file(name, given, "file", f"{VARIABLE}={setting}")
        if source is not None:
            if (given / source.name).exists():
                return _from_folder(name, given / source.name, source)
            missing = f"{given} has no {source.name}; "
    if source is None:
        raise _UnavailableError("nobody offers any")
    try:
        file = fetch_keras_file(source, may_download=setting != NEVER)
    except FileUnavailableError as error:
        raise _UnavailableError(f"{missing}{error}") from error
    return _from_file(name, file, "imagenet", "Keras's cache")


def _from_package(name: LiteName) -> LoadedBackbone:
    try:
        file = find_weights(name)
    except UserError as error:
        if error.code == "no_weights":  # else it is there, and damaged
            raise _UnavailableError(error.problem, error.fix) from error
        raise
    network = BACKBONES[name].build(include_top=False, weights="imagenet", input_shape=SHAPE)
    note = f"{name} starts from ImageNet weights, which came with the installation"
    return LoadedBackbone(network, "imagenet", note, name, str(file), LITES[name].sha256)


def _from_folder(name: str, file: Path, source: KerasFile) -> LoadedBackbone:
    """One of a folder's files that are named as in Keras's cache."""
    if not source.is_same(file):
        raise UserError(
            f"{file} is not the file that Keras offers under this name",
            f"copy it again from {source.url}, or set {VARIABLE} to a file for weights of your own",
            code="damaged_weights",
        )
    return _from_file(name, file, "imagenet", f"the folder of {VARIABLE}")


def _from_file(name: str, file: Path, kind: WeightsKind, origin: str) -> LoadedBackbone:
    """origin: what names the file, for errors and for the note."""
    try:
        sha256 = file_digest(file)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else _words(error)
        raise UserError(
            f"{origin}: no weights can be read from {file} ({reason})",
            FILES_FOR_SETTING if origin.startswith(VARIABLE) else FILES_FOR_WEIGHTS,
            code="no_weights",
        ) from error
    network = BACKBONES[name].build(include_top=False, weights=None, input_shape=SHAPE)
    try:
        network.load_weights(file)
    except Exception as error:  # h5py, Keras and zipfile each raise their own
        raise UserError(
            f"{origin}: {file} does not hold weights of {name} ({_words(error)})",
            f"save them from {name} as Keras builds it, with include_top=False, or name another "
            "backbone",
            code="damaged_weights",
        ) from error
    if not all(np.isfinite(each).all() for each in network.get_weights()):
        raise UserError(
            f"{origin}: {file} holds weights that are no numbers",
            "save them once more, from a network that has not diverged",
            code="damaged_weights",
        )
    words = "ImageNet weights" if kind == "imagenet" else "the weights of a file"
    return LoadedBackbone(
        network, kind, f"{name} starts from {words}: {origin}, {file}", name, str(file), sha256
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no rights, or too long a name: it is said where it is read
        return False


def _words(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
