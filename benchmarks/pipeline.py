"""How fast the input pipeline feeds, against how fast the training step eats.

Feeds: `training.data.pipeline.epoch_batches`, iterated with nothing behind it, from images in
memory and from files decoded whenever they are due (files that the operating system has read
before: no disk is waited for). Step: forward, backward and update on one fixed batch, with its
views, which the step draws itself. At last both together, as in training, where feed and step share
the processor.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.images import add_data_options, data_of
from benchmarks.machine import ROUNDS, hardware, median_seconds, parser_for, run_script
from benchmarks.networks import build, source_size
from leafgate.manifest import Manifest
from leafgate.progress import progress
from training.classifier.config import ClassifierConfig
from training.classifier.learner import Learner, learning_loss
from training.classifier.recipe import recipe
from training.classifier.stages import stages
from training.data.pipeline import (
    LabelledImages,
    epoch_batches,
    epoch_order,
    steps_an_epoch,
    training_images,
    untuned,
)
from training.devices import precision_for, precision_policy

FEEDS = {"memory": 64.0, "files": 0.0}  # GiB of decoded images that may be kept
STEP = "step alone"


def learner(config: ClassifierConfig, train: LabelledImages, classes: int) -> keras.Model:
    """The job's network, ready to learn from scratch."""
    built = build(config, classes)
    config = recipe(config, built.backbone, len(train))
    stage = next(stages(config, built.backbone, built.network.get_layer("head"), False))
    counts = np.bincount(train.labels, minlength=classes)
    with precision_for(built.policy):
        model: keras.Model = Learner(built.network, config)
        optimizer, loss = stage.optimizer(1000), learning_loss(config, counts)
        model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], jit_compile=False)
    return model


def feed(config: ClassifierConfig, train: LabelledImages) -> Any:  # noqa: ANN401 - tf.data.Dataset
    """The batches of one epoch, as the job makes them."""
    order = epoch_order(train.labels, config.seed, epoch=0, balanced=False)
    return epoch_batches(train, order, config.scratch_batch_size, config.image_size, epoch=0)


def ways(config: ClassifierConfig, manifest: Manifest) -> dict[str, Callable[[], object]]:
    """What is timed, an epoch each: the feeds alone, the step alone, the step on each feed."""
    classes, size = len(manifest.classes), source_size(config)
    sides = {name: training_images(manifest, size, gib) for name, gib in FEEDS.items()}
    model = learner(config, sides["memory"], classes)
    batches = feed(config, sides["memory"])
    same = tf.data.Dataset.from_tensors(next(iter(batches))).repeat(batches.cardinality())
    same = same.with_options(untuned())

    def learn(side: LabelledImages | None) -> None:
        batches = same if side is None else feed(config, side)
        model.fit(batches, epochs=1, verbose=0, shuffle=False)

    def drain(side: LabelledImages) -> None:
        for _ in feed(config, side):
            pass

    return {
        STEP: lambda: learn(None),
        **{f"feed from {name}": partial(drain, side) for name, side in sides.items()},
        **{f"step fed from {name}": partial(learn, side) for name, side in sides.items()},
    }


def speeds(config: ClassifierConfig, manifest: Manifest, runs: int) -> dict[str, float]:
    """Images a second of each way."""
    timed = ways(config, manifest)
    count, batch = len(manifest.side("train")), config.scratch_batch_size
    images = steps_an_epoch(count, batch) * min(batch, count)
    with progress("timing", len(timed) * ROUNDS) as advance:
        seconds = median_seconds(timed, runs, advance)
    return {name: images / spent for name, spent in seconds.items()}


def table(found: dict[str, float]) -> str:
    """One line a way, beside the step alone."""
    lines = [f"{'way':22s} {'images/s':>9s} {'to step alone':>13s}"]
    for name, speed in found.items():
        lines.append(f"{name:22s} {speed:9.0f} {speed / found[STEP]:12.2f}x")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_data_options(parser, images=600, drawn_size=256)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3, help="epochs timed in each of 3 rounds")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = options()
    config = ClassifierConfig(
        backbone=args.backbone,
        weights="none",
        image_size=args.image_size,
        scratch_batch_size=args.batch_size,
        scratch_small_epochs=0,
    )
    with data_of(args) as data:
        found = speeds(config, data.manifest, args.runs)
    print("Input pipeline against training step, median epoch")
    print(
        f"network  {args.backbone}, {args.image_size} px, {precision_policy('auto')}, "
        f"batches of {args.batch_size}, seed 0"
    )
    print(f"data     {data.line}; kept at {source_size(config)} px")
    print(f"machine  {hardware()}")
    print(table(found))


if __name__ == "__main__":
    run_script(main)
