"""Images/s of a stored ResNet50: Keras `predict`, TensorFlow's graph, and OpenVINO.

`make bench` runs it. All three run the same stored network (random weights: the time is the same)
on the same images, one after the other, so that ratios hold where absolute figures do not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from registry.engine import OpenVinoEngine, TensorFlowEngine, store_network

REPEATS = 20


def network(size: int) -> keras.Model:
    """ResNet50 with a softmax of ten classes, untrained."""
    base = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(size, size, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(10, activation="softmax")(pooled))


def images_per_second(run: Callable[[np.ndarray], object], batch: np.ndarray) -> float:
    """The median of single runs, after one to warm up."""
    run(batch)
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run(batch)
        times.append(time.perf_counter() - started)
    return len(batch) / float(np.median(times))


def main() -> None:
    """Print a table: way of running, batch size, images/s, ratio to Keras's predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224, help="pixels, square")
    size = parser.parse_args().size
    model = network(size)
    with tempfile.TemporaryDirectory() as folder:
        store_network(model, Path(folder))
        ways: dict[str, Callable[[np.ndarray], object]] = {
            "keras predict": lambda batch: model.predict(batch, verbose=0),
            "tensorflow": TensorFlowEngine(Path(folder)).run,
            "openvino fp32": OpenVinoEngine(Path(folder)).run,
        }
        print(f"ResNet50, {size} px, median of {REPEATS} runs")
        print(f"{'way':15s} {'batch':>5s} {'images/s':>9s} {'ratio':>6s}")
        for count in (1, 8):
            batch = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3))
            batch = batch.astype(np.float32)
            speeds = {name: images_per_second(run, batch) for name, run in ways.items()}
            for name, speed in speeds.items():
                ratio = speed / speeds["keras predict"]
                print(f"{name:15s} {count:5d} {speed:9.1f} {ratio:5.1f}x")


if __name__ == "__main__":
    main()
