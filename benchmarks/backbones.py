"""One table of backbones: what each gives for its minutes, and what it costs to serve.

Every row is the classifier job's own code on the same split and seed: it learns by its recipe, is
stored in every form, and its preferred form is measured on the test side. `minutes` is from the
first step of the job to the stored model, on this machine. `linear` rows stop at the linear model
on frozen features. A backbone whose ImageNet weights cannot be had has no accuracy: its network is
timed untrained, which takes as long. int8 images/s: the stored int8 form, batches of 8.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.images import add_data_options, data_of
from benchmarks.machine import hardware, median_seconds, parser_for, run_script
from benchmarks.networks import fit, noise, store_untrained
from leafgate.manifest import Manifest
from leafgate.metrics.classification import accuracy, macro_f1
from leafgate.metrics.statistics import Interval, bootstrap
from registry import Classifier
from registry.engine import load_engine
from training.classifier.backbones import BACKBONES, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.finished import FormTable, judge_all, load_side_for, store_finished

BATCH, RUNS = 8, 5
ROWS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "resnet50")


class Row(NamedTuple):
    """accuracy, macro_f1: on the test side, None where nothing was learnt."""

    backbone: str
    weights: str
    minutes: float
    accuracy: Interval | None
    macro_f1: Interval | None
    forms: FormTable | None
    int8_images: float
    megabytes: float


def learnt(manifest: Manifest, config: ClassifierConfig, label: str) -> Row:
    """Learn, store and measure one row."""
    began = time.perf_counter()
    built = fit(config, manifest)
    size = config.image_size
    validation, test = (
        load_side_for(manifest, manifest.side(side), size) for side in ("validation", "test")
    )
    with TemporaryDirectory() as folder:
        forms = store_finished(
            built.network, config, built.backbone, manifest, validation, test, Path(folder)
        )
        minutes = (time.perf_counter() - began) / 60
        classifier = Classifier.load(Path(folder), "openvino")
        predicted = judge_all(classifier, test.images).logits.argmax(axis=1)
        groups = list(test.groups)
        classes = len(manifest.classes)
        return Row(
            label,
            built.backbone.weights,
            minutes,
            bootstrap(lambda rows: accuracy(test.truth[rows], predicted[rows]), groups),
            bootstrap(lambda rows: macro_f1(test.truth[rows], predicted[rows], classes), groups),
            forms,
            *speed_and_size(Path(folder), size),
        )


def untrained(backbone: str, size: int) -> Row:
    """What it costs to serve, where it could not learn from ImageNet's weights."""
    with TemporaryDirectory() as folder:
        store_untrained(backbone, size, Path(folder))
        return Row(backbone, "none", 0.0, None, None, None, *speed_and_size(Path(folder), size))


def speed_and_size(folder: Path, size: int) -> tuple[float, float]:
    """Images/s and MB of the int8 form; NaN where none was kept."""
    file = folder / "openvino/int8.bin"
    if not file.is_file():
        return float("nan"), float("nan")
    run, batch = load_engine(folder, "openvino-int8").run_all, noise(BATCH, size)
    seconds = median_seconds({"int8": lambda: run(batch)}, RUNS)["int8"]
    return BATCH / seconds, file.stat().st_size / 1e6


def rows(args: argparse.Namespace, manifest: Manifest) -> Iterator[Row]:
    """One by one: a network's memory is given back before the next is built."""
    for name in args.backbones:
        config = ClassifierConfig(backbone=name, image_size=args.image_size, seed=args.seed)
        if load_backbone(name, "auto").weights == "none" and name not in args.scratch:
            yield untrained(name, args.image_size)
            continue
        if args.linear:
            alone = {"stage1_epochs": 0, "stage2_epochs": 0}
            yield learnt(manifest, config.model_copy(update=alone), f"{name}, linear")
        yield learnt(manifest, config, name)


def line(row: Row) -> str:
    """Of the table."""

    def interval(figure: Interval | None) -> str:
        return "-" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"

    lost = "-"
    if row.forms:
        lost = f"{100 * (row.forms.test['fp32'] - row.forms.test['int8']):+.1f}"
    minutes = f"{row.minutes:.1f}" if row.accuracy else "-"
    return (
        f"{row.backbone:28s} {row.weights:8s} {minutes:>7s} {interval(row.accuracy):>21s} "
        f"{interval(row.macro_f1):>21s} {lost:>11s} {row.int8_images:13.1f} {row.megabytes:7.1f}"
    )


HEADER = (
    f"{'backbone':28s} {'weights':8s} {'minutes':>7s} {'accuracy':>21s} {'macro F1':>21s} "
    f"{'int8 loses':>11s} {'int8 images/s':>13s} {'int8 MB':>7s}"
)


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_data_options(parser, images=900)
    add = parser.add_argument
    add("--backbones", nargs="+", default=list(ROWS), choices=list(BACKBONES))
    add("--scratch", nargs="*", default=[], help="those that learn without ImageNet's weights, too")
    add("--linear", action="store_true", help="also what the linear model alone gives")
    add("--image-size", type=int, default=224)
    add("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Print each row when it is there."""
    args = options()
    with data_of(args) as data:
        print(f"data     {data.line}; seed {args.seed}; {args.image_size} px")
        print(f"machine  {hardware()}")
        print(f"intervals are 95 %, bootstrapped over leaf groups\n{HEADER}", flush=True)
        for row in rows(args, data.manifest):
            print(line(row), flush=True)


if __name__ == "__main__":
    run_script(main)
