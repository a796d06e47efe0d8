"""Four ways with a class imbalance, on a training side thinned out to a long tail.

The classes, in an order drawn by the seed, keep exponentially fewer training images, down to one in
--imbalance of the most, as far as they have them; the test side is cut to as many of every class.
Each seed draws tail, weights and views; all ways get the same of these and as many steps, so the
gain over `none` is taken seed by seed. ± is the standard deviation over seeds.
"""

import argparse
from typing import NamedTuple, get_args

import numpy as np

from benchmarks.images import add_data_options, data_of
from benchmarks.long_tail import balanced_test, counts_of, long_tail
from benchmarks.machine import hardware, parser_for, run_script
from benchmarks.networks import fit
from leafgate.manifest import Manifest
from leafgate.metrics.classification import accuracy, class_scores, confusion
from training.classifier.config import ClassifierConfig, Imbalance
from training.classifier.finished import Side
from training.devices import precision_policy

WAYS: tuple[Imbalance, ...] = get_args(Imbalance)
RATIOS = (0.55, 0.10, 0.35)  # a large test side, since it is cut to its rarest class


class Score(NamedTuple):
    """On the balanced test side. rare_f1: mean F1 of the rarest third of the classes."""

    accuracy: float
    macro_f1: float
    rare_f1: float


def score(config: ClassifierConfig, manifest: Manifest, test: Side) -> Score:
    """Train with this configuration and ask the network as it came out."""
    network = fit(config, manifest).network
    pixels = test.images.astype(np.float32)
    predicted = network.predict(pixels, batch_size=64, verbose=0)["logits"].argmax(axis=1)
    scores = class_scores(confusion(test.truth, predicted, len(manifest.classes)))
    f1 = np.array([one.f1 for one in scores])
    learnt_from = list(counts_of(manifest, "train").values())
    rare = np.argsort(learnt_from, kind="stable")[: max(len(f1) // 3, 1)]
    return Score(accuracy(test.truth, predicted), float(f1.mean()), float(f1[rare].mean()))


def table(results: dict[Imbalance, list[Score]]) -> str:
    """One line a way: mean and, after ±, the standard deviation over seeds."""
    columns = ("accuracy", "macro F1", "F1 of rare", "gain macro F1", "gain rare")
    lines = [f"{'way':18s} " + " ".join(f"{name:>13s}" for name in columns)]
    base = np.array(results["none"])
    for way, scores in results.items():
        found = np.array(scores)
        values = np.hstack([found, (found - base)[:, 1:]])
        cells = zip(values.mean(axis=0), values.std(axis=0, ddof=int(len(values) > 1)), strict=True)
        lines.append(f"{way:18s} " + " ".join(f"{m:7.3f} ±{s:.3f}" for m, s in cells))
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_data_options(parser, images=1600, drawn_size=64)
    add = parser.add_argument
    add("--imbalance", type=float, default=20.0, help="images of the first class to the last's")
    add("--seeds", type=int, nargs="+", default=[0, 1])
    add("--backbone", default="resnet18")
    add("--image-size", type=int, default=48)
    add("--epochs", type=int, default=25)
    add("--batch-size", type=int, default=32)
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    args = options()
    results: dict[Imbalance, list[Score]] = {way: [] for way in WAYS}
    with data_of(args, RATIOS) as data:
        test = balanced_test(data.manifest, args.image_size)
        tails = {seed: long_tail(data.manifest, args.imbalance, seed) for seed in args.seeds}
        for seed, tail in tails.items():
            for way in WAYS:
                config = configured(args, way, seed)
                results[way].append(score(config, tail, test))
    print(f"Class imbalance, seeds {' '.join(map(str, args.seeds))}, {args.epochs} epochs each")
    print(f"network  {args.backbone}, {args.image_size} px, scratch, {precision_policy('auto')}")
    print(f"data     {data.line}")
    for seed, tail in tails.items():
        kept = sorted(counts_of(tail, "train").values(), reverse=True)
        print(f"         seed {seed} learns from {sum(kept)}: {' '.join(map(str, kept))}")
    print(f"         tested on {len(test.truth)}, as many of each class")
    print(f"machine  {hardware()}")
    print(table(results))


def configured(args: argparse.Namespace, way: Imbalance, seed: int) -> ClassifierConfig:
    """From scratch, the last epoch's weights: nothing is chosen on the validation side."""
    return ClassifierConfig(
        backbone=args.backbone,
        weights="none",
        image_size=args.image_size,
        scratch_epochs=args.epochs,
        scratch_batch_size=args.batch_size,
        imbalance=way,
        seed=seed,
    )


if __name__ == "__main__":
    run_script(main)
