"""A stored classifier in each of its forms: images/s, and accuracy where there are images.

All forms are of one network and take turns on the same batches, so that ratios hold where absolute
figures do not. `keras predict` is what one writes first: `model.predict` of the stored Keras model.
Without --model the network is untrained, which takes the same time but has no accuracy to lose.
Accuracy is of the classifier as it is served, test-time views included, on the test side of
--manifest or else of the split that the classifier job makes when it is given none.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from benchmarks.machine import ROUNDS, hardware, median_seconds, parser_for, run_script
from benchmarks.networks import noise, store_untrained
from leafgate.errors import UserError
from leafgate.manifest import Manifest
from leafgate.metrics.classification import accuracy
from leafgate.progress import progress
from registry import Classifier, ClassifierDescription, EngineChoice
from registry.description import read_description
from registry.engine import ENGINES, KERAS_FILE, Batch, load_engine
from training.classifier.finished import Side, judge_all, load_side_for
from training.data.folder import read_folder
from training.data.split import split

PREDICT = "keras predict"
REFERENCE: EngineChoice = "openvino-fp32"


@contextmanager
def stored_model(args: argparse.Namespace) -> Iterator[Path]:
    """The folder given, or one with an untrained network in every form."""
    with TemporaryDirectory() as folder:
        if args.model is None:
            store_untrained(args.backbone, args.image_size, Path(folder))
        yield args.model or Path(folder)


def forms_in(folder: Path) -> list[EngineChoice]:
    """Those that are stored: an int8 form that loses too much accuracy is not."""
    return [choice for choice, (file, _) in ENGINES.items() if (folder / file).is_file()]


def runners(folder: Path) -> dict[str, Callable[[Batch], object]]:
    """Each way of running the stored network."""
    model = keras.saving.load_model(folder / KERAS_FILE, compile=False)
    engines = {str(choice): load_engine(folder, choice).run_all for choice in forms_in(folder)}
    return {PREDICT: lambda batch: model.predict(batch, verbose=0), **engines}


def speed_table(folder: Path, size: int, batches: list[int], runs: int) -> str:
    """One line a way and batch size."""
    ways = runners(folder)
    lines = [f"{'form':15s} {'batch':>5s} {'images/s':>9s} {'to tensorflow':>13s}"]
    with progress("timing", len(batches) * len(ways) * ROUNDS) as advance:
        for count in batches:
            batch = noise(count, size)
            calls = {name: partial(run, batch) for name, run in ways.items()}
            seconds = median_seconds(calls, runs, advance)
            for name, spent in seconds.items():
                ratio = seconds["tensorflow"] / spent
                lines.append(f"{name:15s} {count:5d} {count / spent:9.1f} {ratio:12.2f}x")
    return "\n".join(lines)


def accuracy_table(folder: Path, side: Side) -> str:
    """One line a form. The loss is against OpenVINO in fp32, in points of a hundred."""
    found: dict[EngineChoice, float] = {}
    for choice in forms_in(folder):
        predicted = judge_all(Classifier.load(folder, choice), side.images).logits.argmax(axis=1)
        found[choice] = accuracy(side.truth, predicted)
    lines = [f"{'form':15s} {'accuracy':>9s} {'points lost':>11s}"]
    for choice, value in found.items():
        lost = 100 * (found[REFERENCE] - value)
        lines.append(f"{choice:15s} {value:9.4f} {lost:11.2f}")
    return "\n".join(lines)


def test_side(args: argparse.Namespace, described: ClassifierDescription) -> Side:
    """Raises UserError where the images are of other classes than the model's."""
    if args.manifest:
        manifest = Manifest.load(args.manifest, args.data)
    else:
        manifest = split(read_folder(args.data))
    if manifest.classes != described.labels:
        raise UserError(
            f"{args.data} has other classes than the model", "give the images it learnt from"
        )
    return load_side_for(manifest, manifest.side("test"), described.image_size)


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add("--model", type=Path, metavar="FOLDER", help="a stored classifier; else one untrained")
    add("--data", type=Path, metavar="FOLDER", help="class folders; for accuracy, with --model")
    add("--manifest", type=Path, metavar="CSV", help="the split the model was trained with")
    add("--backbone", default="resnet50", help="of the untrained one")
    add("--image-size", type=int, default=224, help="of the untrained one")
    add("--batches", type=int, nargs="+", default=[1, 8, 32])
    add("--runs", type=int, default=5, help="timed in each of 3 rounds")
    return parser.parse_args()


def main() -> None:
    """Print both tables, or the first and why there is no second."""
    args = options()
    with stored_model(args) as folder:
        described = read_description(folder, ClassifierDescription)
        size, source = described.image_size, f"from {args.model}" if args.model else "untrained"
        print("Forms of a stored classifier, median run")
        print(f"network  {described.backbone}, {size} px, {source}")
        print(f"machine  {hardware()}")
        print(speed_table(folder, size, args.batches, args.runs))
        if args.model and args.data:
            side = test_side(args, described)
            print(f"data     {args.data.name}, test side, {len(side.truth)} images")
            print(accuracy_table(folder, side))
        else:
            print("accuracy not measured: it takes --model and --data")


if __name__ == "__main__":
    run_script(main)
