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

EngineChoice = Literal[
    "auto", "openvino", "tensorflow", "openvino-fp32", "openvino-bf16", "openvino-int8"
]
Form = Literal["fp32", "bf16", "int8"]
Batch = NDArray[np.float32]

KERAS_FILE = "model.keras"
FILES: dict[Form, str] = {
    "fp32": "openvino/fp32.xml",
    "bf16": "openvino/fp32.xml",
    "int8": "openvino/int8.xml",
}
HINTS: dict[Form, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


class Engine(Protocol):
    """A loaded network. Arrays are float32 and their first axis is the batch."""

    name: str

    def run(self, batch: Batch) -> Batch:
        """The first output for `batch`; safe to call from several threads."""

    def run_all(self, batch: Batch) -> tuple[Batch, ...]:
        """Every output for `batch`."""


class OpenVinoEngine:
    """A stored OpenVINO form on the CPU. bf16 is the fp32 form, computed in bf16."""

    def __init__(self, folder: Path, form: Form = "fp32") -> None:
        import openvino

        core = openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": HINTS[form], "PERFORMANCE_HINT": "LATENCY"}
        self.name = f"openvino-{form}"
        self._compiled = core.compile_model(str(folder / FILES[form]), "CPU", options)
        self._lock = threading.Lock()

    def run(self, batch: Batch) -> Batch:
        """See Engine; one call at a time."""
        with self._lock:
            return np.array(self._compiled(batch, share_outputs=True)[0], np.float32)

    def run_all(self, batch: Batch) -> tuple[Batch, ...]:
        """See Engine; one call at a time."""
        with self._lock:
            found = self._compiled(batch, share_outputs=True)
            return tuple(np.array(found[i], np.float32) for i in range(len(found)))


class TensorFlowEngine:
    """The stored Keras model, compiled once for each batch size."""

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        import keras

        model = keras.saving.load_model(folder / KERAS_FILE, compile=False)
        flat = keras.Model(model.inputs, model.outputs)  # outputs in order, whatever their names
        self._call = tf.function(lambda batch: flat(batch, training=False))

    def run(self, batch: Batch) -> Batch:
        """See Engine."""
        return self.run_all(batch)[0]

    def run_all(self, batch: Batch) -> tuple[Batch, ...]:
        """See Engine."""
        found = self._call(batch)
        values = found if isinstance(found, (list, tuple)) else [found]
        return tuple(np.asarray(value, np.float32) for value in values)


def load_engine(folder: Path, choice: EngineChoice = "auto", preferred: Form = "fp32") -> Engine:
    """Load the network stored in `folder`.

    preferred: the form that `auto` and `openvino` mean on a CPU. Raises UserError where its files
    are missing.
    """
    on_this_machine: EngineChoice = "tensorflow" if _gpu_is_there() else "openvino"
    picked = on_this_machine if choice == "auto" else choice
    if picked == "openvino":
        picked = OPENVINO_CHOICES[preferred]
    file, load = ENGINES[picked]
    if not (folder / file).is_file():
        raise UserError(
            f"the stored model has no {file}",
            "train it again, or choose another LEAFGATE_ENGINE",
            code="artifact_missing",
        )
    return load(folder)


OPENVINO_CHOICES: dict[Form, EngineChoice] = {
    "fp32": "openvino-fp32",
    "bf16": "openvino-bf16",
    "int8": "openvino-int8",
}
ENGINES: dict[EngineChoice, tuple[str, Callable[[Path], Engine]]] = {
    "tensorflow": (KERAS_FILE, TensorFlowEngine),
    "openvino-fp32": (FILES["fp32"], lambda folder: OpenVinoEngine(folder, "fp32")),
    "openvino-bf16": (FILES["bf16"], lambda folder: OpenVinoEngine(folder, "bf16")),
    "openvino-int8": (FILES["int8"], lambda folder: OpenVinoEngine(folder, "int8")),
}


def _gpu_is_there() -> bool:
    return Path("/dev/nvidiactl").exists()


def store_network(network: "object", folder: Path) -> None:
    """Write a Keras model into `folder` in every stored form: Keras, OpenVINO fp32.

    network: a keras.Model with one float32 input.
    """
    file = folder / FILES["fp32"]
    file.parent.mkdir(parents=True, exist_ok=True)
    network.save(folder / KERAS_FILE)  # type: ignore[attr-defined]
    network.export(str(file), format="openvino", verbose=False)  # type: ignore[attr-defined]


def store_int8(folder: Path, images: Batch) -> None:
    """Add an int8 form, its ranges measured by NNCF on `images`, (n, ...) inputs from training."""
    import logging
    import sys
    from contextlib import redirect_stdout

    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    network = openvino.Core().read_model(folder / FILES["fp32"])
    data = nncf.Dataset([image[None] for image in images])
    with redirect_stdout(sys.stderr):  # its progress bar
        quantised = nncf.quantize(network, data, subset_size=len(images))
    openvino.save_model(quantised, folder / FILES["int8"])


def drop_int8(folder: Path) -> None:
    """Remove the int8 form, where there is one."""
    file = folder / FILES["int8"]
    for part in (file, file.with_suffix(".bin")):
        part.unlink(missing_ok=True)
