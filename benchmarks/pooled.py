"""Images of the data sets in the folder of real data, and EfficientNet-Lite0's pooled features of
them, kept in a folder so that one benchmark need not compute what another has.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels, load_images
from leafgate.strangers import make_strangers
from registry.efficientnet_lite import LITES, LiteName, load_weights, openvino_network
from registry.openvino_library import load_openvino
from training.data import folder
from training.data.folder import FolderScan
from training.data.procedural import CLASSES, draw_leaf

Floats = NDArray[np.float32]
SIZE = LITES["efficientnet_lite0"].size
LITE0: LiteName = "efficientnet_lite0"
BATCH = 32
FOREIGN = 300  # images of each foreign set


class Lite0:
    """The network in fp32. keep: folder of features that were computed before."""

    def __init__(self, keep: Path | None) -> None:
        self._keep, self._network = keep, None

    def of(self, name: str, images: Callable[[], Pixels]) -> Floats:
        """(n, 1280) of `images()`, or what is kept under `name`."""
        file = self._keep / f"{name}.npy" if self._keep else None
        if file and file.is_file():
            return np.asarray(np.load(file), np.float32)
        found = self.pooled(images())
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, found)
        return found

    def pooled(self, images: Pixels) -> Floats:
        """(n, 1280) for (n, 224, 224, 3) uint8."""
        run = self._compiled()
        parts = (images[at : at + BATCH] for at in range(0, len(images), BATCH))
        return np.concatenate([np.array(run(part.astype(np.float32))[0]) for part in parts])

    def _compiled(self) -> Any:  # noqa: ANN401 - OpenVINO's
        if self._network is None:
            network = openvino_network(LITE0, load_weights(LITE0))
            hint = {"INFERENCE_PRECISION_HINT": "f32"}
            self._network = load_openvino().Core().compile_model(network, "CPU", hint)
        return self._network


@dataclass(frozen=True)
class Known:
    """A folder of classes. groups: (n,) the leaf or lesion that each image shows, by number."""

    name: str
    scan: FolderScan
    labels: NDArray[np.str_]

    @property
    def paths(self) -> list[Path]:
        """Of all images, in the order of the labels."""
        return [self.scan.root / image.path for image in self.scan.images]

    def images(self, rows: Sequence[int] | NDArray[np.integer] | None = None) -> Pixels:
        """(n, 224, 224, 3)."""
        paths = self.paths
        chosen = paths if rows is None else [paths[row] for row in rows]
        return load_images(chosen, SIZE)


def known(data: Path, name: str) -> Known:
    """A data set by the name of its folder."""
    scan = folder.read_folder(data / name)
    return Known(name, scan, np.array([image.class_name for image in scan.images]))


def foreign_sets(data: Path) -> dict[str, Callable[[], Pixels]]:
    """FOREIGN pictures of each kind, by name, read or drawn when asked for."""

    def spread(folder: Path, pattern: str) -> Pixels:
        files = sorted(folder.glob(pattern))
        return load_images(files[:: max(len(files) // FOREIGN, 1)][:FOREIGN], SIZE)

    def drawn() -> Pixels:
        rng = np.random.default_rng(0)
        leaves = (draw_leaf(CLASSES[n % len(CLASSES)], rng, SIZE) for n in range(FOREIGN))
        return np.stack(list(leaves))

    return {
        "mnist": lambda: spread(data / "mnist", "*/*"),
        "plantpathology2021": lambda: spread(data / "plantpathology2021", "images/*"),
        "drawn leaves": drawn,
        "strangers": lambda: make_strangers(FOREIGN, SIZE)[0],
    }


def arguments(description: str) -> argparse.ArgumentParser:
    """With `--data` and `--keep`."""
    parser = argparse.ArgumentParser(description=description)
    told = "folder of the real data sets"
    parser.add_argument("--data", type=Path, required=True, help=told)
    parser.add_argument("--keep", type=Path, help="folder to keep features in between runs")
    return parser
