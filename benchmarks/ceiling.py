"""The ceiling of a service: decoding, network and answer in one process, with no HTTP around it.

Every way of keeping the cores busy is tried with the stored classifier's own code: batches of 1 to
8, one caller or about as many as cores (one decodes while another's batch runs), one request over
all cores or one request on each core, with a shape left open or fixed. The best is the ceiling.
Prints images/s and CPU ms an image, by way, as JSON.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import parser_for, run_script
from leafgate.images import decode
from leafgate.strict_json import dump_json
from registry import Classifier, EngineChoice, Form, PlainEngine, one_blas_thread
from registry.engine import FILES, HINTS, OPENVINO_CHOICES, Batch, Pick, Picked

CORES = len(os.sched_getaffinity(0))
WARM_SECONDS = 0.5


class Way(NamedTuple):
    """streams: requests that run at a time, sharing the cores; fixed: compiled for its batch."""

    batch: int
    callers: int
    streams: int = 1
    fixed: bool = False

    def __str__(self) -> str:
        shape = "fixed" if self.fixed else "open"
        return f"batch {self.batch}, {self.callers} callers, {self.streams} streams, {shape} shape"


SEVERAL = max(2, CORES)
WAYS = (
    *(Way(batch, callers) for batch in (1, 4, 8) for callers in (1, SEVERAL)),
    *(Way(batch, SEVERAL, 1, fixed=True) for batch in (1, 4, 8)),
    *(
        Way(batch, callers, CORES, fixed)
        for batch in (1, 2, 4, 8)
        for callers in (CORES, CORES + 1)
        for fixed in (False, True)
        if CORES > 1
    ),
)


class StreamsEngine(PlainEngine):
    """An OpenVINO form with several requests at a time, one for each calling thread."""

    def __init__(self, folder: Path, form: Form, way: Way) -> None:
        import openvino

        core = openvino.Core()
        network = core.read_model(folder / FILES[form])
        if way.fixed:
            shape = network.input(0).partial_shape
            shape[0] = way.batch
            network.reshape(shape)
        hint = "LATENCY" if way.streams == 1 else "THROUGHPUT"
        options: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": HINTS[form],
            "PERFORMANCE_HINT": hint,
        }
        if way.streams > 1:
            options |= {"NUM_STREAMS": way.streams, "INFERENCE_NUM_THREADS": CORES}
        self.name = f"openvino-{form}"
        self._compiled = core.compile_model(network, "CPU", options)
        self._own = threading.local()

    def run_for(self, batch: Batch, pick: Pick[Picked]) -> Picked:
        """See registry.engine.Engine; as many at a time as there are threads that call."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        found = self._own.request.infer(batch, share_inputs=True, share_outputs=True)
        return pick([found[i] for i in range(len(found))])


def load(folder: Path, form: Form, way: Way) -> Classifier:
    """The stored classifier, run in that way."""
    stored = Classifier.load(folder, OPENVINO_CHOICES[form])
    if not way.fixed and way.streams == 1:
        return stored
    engine = StreamsEngine(folder, form, way)
    return Classifier(stored.description, engine, stored.head, stored.outliers)


class Pace(NamedTuple):
    """cpu_ms: of the whole process, for each image."""

    images_per_second: float
    cpu_ms: float


def measure(classifier: Classifier, jpegs: Sequence[bytes], way: Way, seconds: float) -> Pace:
    """From bytes to answers, by as many threads as the way has callers."""
    rates, images, used = [0.0] * way.callers, [0] * way.callers, time.process_time()
    begin, size = time.perf_counter() + WARM_SECONDS, classifier.description.image_size

    def call(caller: int) -> None:
        at, done, since = caller * len(jpegs) // way.callers, 0, 0.0
        while not done or time.perf_counter() < since + seconds:
            if not since and time.perf_counter() >= begin:
                since = time.perf_counter()
            taken = [jpegs[(at + i) % len(jpegs)] for i in range(way.batch)]
            classifier.predict([decode(data, wanted_size=size) for data in taken])
            at, images[caller] = at + way.batch, images[caller] + way.batch
            done += way.batch if since else 0
        rates[caller] = done / (time.perf_counter() - since)

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(way.callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Pace(sum(rates), 1000 * (time.process_time() - used) / sum(images))


def main() -> None:
    """Try the ways given, or all."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="FOLDER")
    add("--images", type=Path, required=True, metavar="FOLDER", help="JPEG files")
    add("--form", choices=tuple(FILES), help="else the one the model prefers")
    add("--seconds", type=float, default=3.0, help="for each way")
    add("--ways", type=int, nargs="+", default=range(len(WAYS)), help="by number; else all")
    args = parser.parse_args()
    one_blas_thread()
    jpegs = [file.read_bytes() for file in sorted(args.images.iterdir())]
    choice: EngineChoice = OPENVINO_CHOICES[args.form] if args.form else "openvino"
    form: Form = args.form or Classifier.load(args.model, choice).description.form
    found = {}
    for number in args.ways:
        way = WAYS[number]
        classifier = load(args.model, form, way)
        found[number] = measure(classifier, jpegs, way, args.seconds)
    sys.stdout.write(dump_json(found))


if __name__ == "__main__":
    run_script(main)
