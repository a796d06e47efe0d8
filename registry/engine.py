"""How a stored model is run: TensorFlow on a GPU that it sees, OpenVINO on a CPU.

OpenVINO picks bf16 by itself where the processor has it, which moves probabilities by up to 0.04;
the precision is therefore always asked for by name, and what is gated is what is served.

For a service the same network is compiled twice: once with every core on one picture, which is the
quickest answer while nothing else runs, and once with a core a stream, which loses nothing to
threads that wait for one another and makes the most pictures a second.
"""

import os
import queue
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError
from registry import gpu
from registry.openvino_library import load_openvino

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
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of a processor
ISAS_WITHOUT_BF16 = {  # as oneDNN names them
    *("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"),
}
MOST_LANES = 8  # each keeps its own intermediate results in memory
HINTS: dict[Form, str] = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}


Picked = TypeVar("Picked")
Pick = Callable[[Sequence[Batch]], Picked]


class Engine(Protocol):
    """A loaded network. Arrays are float32 and their first axis is the batch.

    lanes: how many batches it runs side by side. reason: why this engine was picked.
    """

    name: str
    lanes: int
    reason: str

    def run(self, batch: Batch) -> Batch:
        """The first output for `batch`; safe to call from several threads."""

    def run_all(self, batch: Batch) -> tuple[Batch, ...]:
        """Every output for `batch`."""

    def run_for(self, batch: Batch, pick: "Pick[Picked]") -> Picked:
        """What `pick` makes of the outputs; it must copy what it keeps."""

    def warm(self, batch: Batch) -> Batch:
        """Run a shape before anybody waits for it: the first time takes far longer."""


class PlainEngine(ABC):
    """What every engine makes of its `run_for`; alone it takes one batch at a time."""

    name, lanes, reason = "", 1, ""

    def warm(self, batch: Batch) -> Batch:
        """See Engine."""
        return self.run(batch)

    def run(self, batch: Batch) -> Batch:
        """See Engine."""
        return self.run_for(batch, lambda found: np.array(found[0], np.float32))

    def run_all(self, batch: Batch) -> tuple[Batch, ...]:
        """See Engine."""
        return self.run_for(batch, lambda found: tuple(np.array(o, np.float32) for o in found))

    @abstractmethod
    def run_for(self, batch: Batch, pick: "Pick[Picked]") -> Picked:
        """See Engine."""


class OpenVinoEngine(PlainEngine):
    """A stored OpenVINO form on the CPU. bf16 is the fp32 form, computed in bf16.

    lanes: streams that run side by side, the threads divided among them; threads: 0 means as many
    as this process may use cores; network: read already, so that its weights are in memory once.
    """

    def __init__(
        self,
        folder: Path,
        form: Form = "fp32",
        lanes: int = 1,
        threads: int = 0,
        network: Any = None,  # noqa: ANN401 - an openvino.Model
    ) -> None:
        openvino = load_openvino()
        self._tensor = openvino.Tensor
        options = {
            "INFERENCE_PRECISION_HINT": "f32" if _leaves_bf16_out() else HINTS[form],
            "NUM_STREAMS": lanes,
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
        }
        self.name, self.lanes = f"openvino-{form}", lanes
        read = network or read_network(folder, form)
        compiled = openvino.Core().compile_model(read, "CPU", options)
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(lanes):
            self._free.put(compiled.create_infer_request())

    def run_for(self, batch: Batch, pick: "Pick[Picked]") -> Picked:
        """See Engine; waits while every lane is taken."""
        request = self._free.get()
        try:
            request.set_input_tensor(self._tensor(batch, shared_memory=True))
            request.infer()
            return pick([tensor.data for tensor in request.output_tensors])
        finally:
            self._free.put(request)


class ServingEngine(PlainEngine):
    """An OpenVINO form for many callers: a lone picture gets every core, else a core a batch."""

    def __init__(self, folder: Path, form: Form, threads: int = 0) -> None:
        one_blas_thread()
        cores = threads or usable_cores()
        self.lanes = min(cores, MOST_LANES)
        network = read_network(folder, form)
        self._many = OpenVinoEngine(folder, form, self.lanes, cores, network)
        self._alone = self._many
        if self.lanes > 1:
            self._alone = OpenVinoEngine(folder, form, 1, cores, network)
        self.name = self._many.name
        self._running, self._count = 0, threading.Lock()

    def run_for(self, batch: Batch, pick: "Pick[Picked]") -> Picked:
        """See Engine."""
        with self._count:
            alone = self._running == 0 and len(batch) == 1
            self._running += 1
        try:
            return (self._alone if alone else self._many).run_for(batch, pick)
        finally:
            with self._count:
                self._running -= 1

    def warm(self, batch: Batch) -> Batch:
        """See Engine; side by side, since whichever lane is free takes the next batch."""
        if len(batch) == 1:
            self._alone.run(batch)
        with ThreadPoolExecutor(self.lanes) as pool:
            found = list(pool.map(self._many.run, [batch] * self.lanes))
        return found[0]


def read_network(folder: Path, form: Form) -> Any:  # noqa: ANN401 - an openvino.Model
    """The stored network of that form, not compiled yet."""
    return load_openvino().Core().read_model(str(folder / FILES[form]))


class TensorFlowEngine(PlainEngine):
    """The stored Keras model, compiled once for each batch size."""

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        for card in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(card, True)
        import keras

        model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
        flat = keras.Model(model.inputs, model.outputs)  # outputs in order, whatever their names
        self._call = tf.function(lambda batch: flat(batch, training=False))

    def run_for(self, batch: Batch, pick: "Pick[Picked]") -> Picked:
        """See Engine."""
        found = self._call(batch)
        values = found if isinstance(found, (list, tuple)) else [found]
        return pick([np.asarray(value, np.float32) for value in values])


def load_engine(
    folder: Path, choice: EngineChoice = "auto", preferred: Form = "fp32", serving_threads: int = 0
) -> Engine:
    """Load the network stored in `folder`.

    preferred: the form that `auto` and `openvino` mean on a CPU; serving_threads: with any, for
    many callers at a time on so many cores. Raises UserError where its files are missing.
    """
    picked, reason = pick_engine(choice, preferred)
    file, load = ENGINES[picked]
    if not (folder / file).is_file():
        raise UserError(
            f"the stored model has no {file}",
            "train it again, or choose another LEAFGATE_ENGINE",
            code="artifact_missing",
        )
    form = FORM_OF.get(picked)
    if serving_threads and form is not None:
        engine: Engine = ServingEngine(folder, form, serving_threads)
    else:
        engine = load(folder)
    engine.reason = reason
    return engine


def pick_engine(choice: EngineChoice, preferred: Form) -> tuple[EngineChoice, str]:
    """Which engine a choice comes to on this machine, and why, in words."""
    if choice == "auto" and _gpu_is_there():
        return "tensorflow", "TensorFlow sees a GPU"
    if choice not in ("auto", "openvino"):
        return choice, "LEAFGATE_ENGINE asks for it"
    if preferred == "bf16" and not computes_bf16():
        return "openvino-fp32", "the model prefers bf16, which this processor does not compute"
    form = f"{preferred} is the form that the model prefers"
    if choice == "openvino":
        return OPENVINO_CHOICES[preferred], f"LEAFGATE_ENGINE asks for OpenVINO; {form}"
    no_gpu = f"TensorFlow sees no GPU ({gpu.HOW})" if gpu.driver_is_there() else "no GPU"
    return OPENVINO_CHOICES[preferred], f"{no_gpu}; {form}"


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


FORM_OF: dict[EngineChoice, Form] = {choice: form for form, choice in OPENVINO_CHOICES.items()}


def one_blas_thread() -> None:
    """Keep NumPy's matrix products to the calling thread, in this process, from now on.

    OpenBLAS's own threads go on spinning after a product, for longer than a picture takes: beside
    an engine that uses every core they cost half as much again as the network.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def computes_bf16() -> bool:
    """Whether the processor has bf16 in hardware and may use it; else it is emulated slowly."""
    if _leaves_bf16_out():
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool(BF16_FLAGS & set(flags.split()))


def _leaves_bf16_out() -> bool:
    """Whether oneDNN, below TensorFlow and OpenVINO, was asked to do without such instructions."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in ISAS_WITHOUT_BF16


def _gpu_is_there() -> bool:
    return gpu.driver_is_there() and gpu.tensorflow_sees_gpu()


def store_network(network: "object", folder: Path) -> None:
    """Write a Keras model into `folder` in every stored form: Keras, OpenVINO fp32.

    network: a keras.Model with one float32 input.
    """
    file = folder / FILES["fp32"]
    file.parent.mkdir(parents=True, exist_ok=True)
    load_openvino()  # before Keras does
    network.save(folder / KERAS_FILE)  # type: ignore[attr-defined]
    network.export(str(file), format="openvino", verbose=False)  # type: ignore[attr-defined]


def engine_of(network: "object", form: Form) -> OpenVinoEngine:
    """A Keras model as OpenVINO runs it here and now; nothing is kept on disk.

    network: a keras.Model with one float32 input.
    """
    library = load_openvino()  # before Keras does
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.xml"
        network.export(str(file), format="openvino", verbose=False)  # type: ignore[attr-defined]
        return OpenVinoEngine(Path(folder), form, network=library.Core().read_model(str(file)))


def store_int8(folder: Path, images: Batch) -> None:
    """Add an int8 form, its ranges measured by NNCF on `images`, (n, ...) inputs from training."""
    import logging
    import sys
    from contextlib import redirect_stdout

    openvino = load_openvino()
    import nncf

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
