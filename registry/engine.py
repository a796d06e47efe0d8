"""How a stored model is run: TensorFlow on a GPU, OpenVINO on a CPU.

OpenVINO picks bf16 by itself where the processor has it, which moves probabilities by up to 0.04;
the precision is therefore always asked for by name, and what is gated is what is served.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError

EngineChoice = Literal["auto", "openvino", "tensorflow"]
Batch = NDArray[np.float32]

KERAS_FILE = "model.keras"
OPENVINO_FILE = "openvino/fp32.xml"


class Engine(Protocol):
    """A loaded network. `run` takes and returns float32 arrays whose first axis is the batch."""

    name: str

    def run(self, batch: Batch) -> Batch:
        """Outputs for `batch`; safe to call from several threads."""


class OpenVinoEngine:
    """The stored OpenVINO form on the CPU, in fp32."""

    name = "openvino-fp32"

    def __init__(self, folder: Path) -> None:
        import openvino

        core = openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        self._compiled = core.compile_model(str(folder / OPENVINO_FILE), "CPU", options)
        self._lock = threading.Lock()

    def run(self, batch: Batch) -> Batch:
        """Outputs for `batch`, one call at a time."""
        with self._lock:
            return np.array(self._compiled(batch)[0], np.float32)


class TensorFlowEngine:
    """The stored Keras model, compiled once for each batch size."""

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        import keras

        model = keras.saving.load_model(folder / KERAS_FILE, compile=False)
        self._call = tf.function(lambda batch: model(batch, training=False))

    def run(self, batch: Batch) -> Batch:
        """Outputs for `batch`."""
        return np.asarray(self._call(batch), np.float32)


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "openvino": OpenVinoEngine,
    "tensorflow": TensorFlowEngine,
}


def load_engine(folder: Path, choice: EngineChoice = "auto") -> Engine:
    """Load the network stored in `folder`. Raises UserError where its files are missing."""
    picked = ("tensorflow" if _gpu_is_there() else "openvino") if choice == "auto" else choice
    needed = {"openvino": OPENVINO_FILE, "tensorflow": KERAS_FILE}[picked]
    if not (folder / needed).is_file():
        raise UserError(
            f"the stored model has no {needed}",
            "train it again, or choose another LEAFGATE_ENGINE",
            code="artifact_missing",
        )
    return ENGINES[picked](folder)


def _gpu_is_there() -> bool:
    return Path("/dev/nvidiactl").exists()


def store_network(network: "object", folder: Path) -> None:
    """Write a Keras model into `folder` in every stored form: Keras, OpenVINO fp32.

    network: a keras.Model with one float32 input and one output.
    """
    (folder / OPENVINO_FILE).parent.mkdir(parents=True, exist_ok=True)
    network.save(folder / KERAS_FILE)  # type: ignore[attr-defined]
    network.export(  # type: ignore[attr-defined]
        str(folder / OPENVINO_FILE), format="openvino", verbose=False
    )
