"""Stage 1 of training: features of K views computed once, against views drawn anew every epoch.

Both are the job's own code (`training.classifier.fit.fit_stages`) on the same images with the same
seed and the same number of epochs; the backbone is frozen in both. An epoch is measured as the job
runs it, learning, validation and checkpoint; the median after the first counts. `once` is what
the first takes longer: the building of graphs and, with cached features, their computation.
Accuracy is that of the epoch whose weights the stage keeps (lowest validation loss, calibrated).
"""

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.images import add_data_options, data_of
from benchmarks.machine import hardware, parser_for, run_script
from benchmarks.networks import fit
from benchmarks.weights import DRAWN, LEAVES, RANDOM, SEED, backbone_weights
from leafgate.manifest import Manifest
from training.classifier.config import ClassifierConfig
from training.classifier.memory import Row
from training.devices import precision_policy

TOLD = {
    LEAVES: f"learnt before from {DRAWN} other drawn leaves (seed {SEED})",
    RANDOM: "random, so that its features are too: accuracies are near luck",
}


class Course(NamedTuple):
    """How one stage went. once, epoch: seconds; accuracy: on the validation side."""

    once: float
    epoch: float
    accuracy: float


def course(manifest: Manifest, config: ClassifierConfig) -> Course:
    """Run stage 1 and time it. The images are read before the clock starts."""
    times: list[float] = []
    rows: list[Row] = []

    def note(row: Row) -> None:
        times.append(time.perf_counter())
        rows.append(row)

    def begin() -> None:
        times.append(time.perf_counter())

    fit(config, manifest, note, begin)
    seconds = np.diff(times)
    epoch = float(np.median(seconds[1:]))
    kept = min(rows, key=lambda row: float(row["val_calibrated_loss"]))
    return Course(float(seconds[0]) - epoch, epoch, float(kept["val_accuracy"]))


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_data_options(parser, images=900)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument(
        "--weights",
        default=LEAVES,
        help=f"{LEAVES} (learnt first from other drawn leaves), {RANDOM}, imagenet, a weights "
        "file, or the folder of a stored classifier",
    )
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10, help="two at least")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    return parser.parse_args()


def configured(args: argparse.Namespace, weights: str, views: int, seed: int) -> ClassifierConfig:
    """Stage 1 alone, never ended early."""
    return ClassifierConfig(
        backbone=args.backbone,
        weights=weights,
        image_size=args.image_size,
        stage1_views=views,
        stage1_epochs=args.epochs,
        stage2_epochs=0,
        patience=args.epochs,
        seed=seed,
    )


def table(cached: Sequence[Course], anew: Sequence[Course], seeds: Sequence[int]) -> str:
    """One line a run, then the ratio of an epoch and where the cache starts to pay."""
    lines = [f"{'stage 1':15s} {'seed':>4s} {'once s':>7s} {'epoch s':>8s} {'val. accuracy':>13s}"]
    for name, runs in (("cached features", cached), ("drawn anew", anew)):
        for seed, run in zip(seeds, runs, strict=True):
            figures = f"{run.once:7.1f} {run.epoch:8.3f} {run.accuracy:13.3f}"
            lines.append(f"{name:15s} {seed:4d} {figures}")
    ahead, behind = (np.mean(np.array(runs), axis=0) for runs in (cached, anew))
    pays = math.ceil((ahead[0] - behind[0]) / max(behind[1] - ahead[1], 1e-9))
    return "\n".join(
        (
            *lines,
            f"an epoch on cached features: {behind[1] / ahead[1]:.1f}x as fast; "
            f"ahead in all from epoch {max(pays, 1)}",
            f"accuracy, cached less anew, mean of the seeds: {100 * (ahead[2] - behind[2]):+.1f} "
            "points",
        )
    )


def main() -> None:
    """Print the table."""
    args = options()
    with TemporaryDirectory() as folder, data_of(args) as data:
        weights = backbone_weights(args.backbone, args.weights, Path(folder), args.image_size)
        runs = {
            views: [course(data.manifest, configured(args, weights, views, s)) for s in args.seeds]
            for views in (args.views, 0)
        }
    print(f"Stage 1: {args.views} cached views against views drawn anew, {args.epochs} epochs each")
    print(f"network  {args.backbone}, {args.image_size} px, {precision_policy('auto')}")
    print(f"weights  {TOLD.get(args.weights, args.weights)}")
    print(f"data     {data.line}")
    print(f"machine  {hardware()}")
    print(table(runs[args.views], runs[0], args.seeds))


if __name__ == "__main__":
    run_script(main)
