"""Generator families at equal time: kernel distance, coverage and recognised classes over minutes.

Families take turns of a few minutes on the same cores, each on a clock of its own that counts its
training steps (the first one, with its compilation, included) and not the looks between, so that
none has the machine's good minutes to itself. Every one keeps its own recipe. A look draws pictures
of one seed and compares them with the test side, which nothing was learnt from or chosen on; what
the kernel distance is called says with which features. One seed: no interval over seeds is claimed.

Features are of a classifier trained on the same split (`leafgate train classifier` first, in the
same LEAFGATE_VAR_DIR), or plain pixels where there is none.
"""

import argparse
import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.images import add_data_options, data_of
from benchmarks.machine import hardware, parser_for, run_script
from leafgate.images import Pixels
from leafgate.manifest import Manifest
from leafgate.metrics.kernel import kernel_distance
from leafgate.metrics.labels import class_fidelity
from leafgate.metrics.manifold import density_coverage
from leafgate.progress import progress
from leafgate.settings import load_settings
from registry import FeatureExtractor, Generator, find_extractor
from training.data.pipeline import LabelledImages, load_side, training_images
from training.gan.config import GanConfig
from training.gan.evaluation.figures import named
from training.gan.loop import train_epoch
from training.gan.networks import Gan, build_gan, live_generator, policy_of
from training.gan.pictures import sample_grid
from training.gan.step import Step, compiled_step
from training.gan.train import describe

LOOK_SEED = 20_190_426  # of the pictures drawn for a look
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


class Look(NamedTuple):
    """What a family had come to after `minutes` of its own training."""

    family: str
    minutes: float
    epochs: int
    kernel: float
    coverage: float
    density: float
    fidelity: float


class Real(NamedTuple):
    """The test side: its features (n, d), and what compares with them."""

    extractor: FeatureExtractor
    features: np.ndarray
    samples: int


@dataclass
class Contestant:
    """A family in training. seconds: of its steps so far."""

    config: GanConfig
    gan: Gan
    live: Generator
    step: Step
    data: LabelledImages
    seconds: float = 0.0
    epochs: int = 0
    looks: list[Look] = field(default_factory=list)

    @classmethod
    def of(cls, config: GanConfig, manifest: Manifest, data: LabelledImages) -> "Contestant":
        """A new one."""
        gan = build_gan(config, len(manifest.classes))
        live = live_generator(gan, describe(config, gan, manifest.classes))
        return cls(config, gan, live, compiled_step(gan, config), data)

    def train_until(self, seconds: float) -> None:
        """Whole epochs, until its own clock is there."""
        while self.seconds < seconds:
            epoch = train_epoch(self.step, self.data, self.config, self.epochs + 1)
            self.seconds, self.epochs = self.seconds + epoch.seconds, self.epochs + 1

    def look(self, real: Real) -> None:
        """Draw and measure."""
        drawn = self.live.draw(range(real.samples), LOOK_SEED)
        features = real.extractor.features(drawn.images)
        density, coverage = density_coverage(real.features, features)
        self.looks.append(
            Look(
                self.config.family,
                self.seconds / 60,
                self.epochs,
                kernel_distance(real.features, features).value,
                coverage,
                density,
                _fidelity(self.live, real.extractor, drawn.images, drawn.class_names),
            )
        )


def _fidelity(
    live: Generator, extractor: FeatureExtractor, images: Pixels, asked: tuple[str | None, ...]
) -> float:
    """Share recognised as the class asked for; NaN where none can be asked for or recognised."""
    answers = extractor.probabilities(images)
    if answers is None or not live.description.conditional:
        return math.nan
    wanted = np.array([extractor.labels.index(str(name)) for name in asked])
    return class_fidelity(wanted, answers.argmax(axis=1))


def compete(contestants: list[Contestant], real: Real, args: argparse.Namespace) -> None:
    """Turn by turn, to the end of everyone's time."""
    turns = math.ceil(args.minutes / args.turn)
    with progress("training in turns", turns * len(contestants)) as advance:
        for turn in range(1, turns + 1):
            for one in contestants:
                one.train_until(60 * min(turn * args.turn, args.minutes))
                one.look(real)
                last = one.looks[-1]
                advance(f"{last.family} {last.minutes:.1f} min, {last.kernel:.4f}")


def table(contestants: list[Contestant], kernel_name: str) -> str:
    """The last looks, and how the first family compares with each."""
    lines = [
        f"{'family':12s} {'minutes':>8s} {'epochs':>6s} {'images/s':>8s} {kernel_name:>15s} "
        f"{'coverage':>8s} {'density':>8s} {'as asked':>8s}"
    ]
    for one in contestants:
        last = one.looks[-1]
        speed = last.epochs * len(one.data) / one.seconds
        lines.append(
            f"{last.family:12s} {last.minutes:8.1f} {last.epochs:6d} {speed:8.0f} "
            f"{last.kernel:15.4f} {last.coverage:8.3f} {last.density:8.3f} {last.fidelity:8.3f}"
        )
    return "\n".join(lines)


def curves(contestants: list[Contestant], kernel_name: str, file: Path) -> None:
    """Both figures over minutes."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for one, colour in zip(contestants, COLOURS, strict=False):
        minutes = [look.minutes for look in one.looks]
        for axis, name in ((left, "kernel"), (right, "coverage")):
            values = [getattr(look, name) for look in one.looks]
            axis.plot(minutes, values, color=colour, marker="o", label=one.config.family)
    left.set(xlabel="minutes of training", ylabel=f"{kernel_name} (lower is better)", yscale="log")
    right.set(xlabel="minutes of training", ylabel="coverage (higher is better)", ylim=(0, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(file, dpi=110)


def save(contestants: list[Contestant], kernel_name: str, folder: Path) -> None:
    """Curves, every look as CSV, and what each family draws in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    curves(contestants, kernel_name, folder / "curves.png")
    with (folder / "looks.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(Look._fields)
        writer.writerows(look for one in contestants for look in one.looks)
    for one in contestants:
        (folder / f"{one.config.family}.png").write_bytes(sample_grid(one.live, LOOK_SEED))


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add_data_options(parser, images=1500, drawn_size=64)
    add = parser.add_argument
    add("--families", nargs="+", default=["dcgan", "conditional"])
    add("--image-size", type=int, default=64)
    add("--minutes", type=float, default=30, help="of training, each family")
    add("--turn", type=float, default=2.5, help="minutes between two looks")
    add("--samples", type=int, default=1024, help="pictures drawn for a look")
    add("--features", default="classifier", help="lite0, classifier, inception, pixels or auto")
    add("--precision", default="auto")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=Path("generators"), help="curves.png, looks.csv, samples")
    return parser.parse_args()


def main() -> None:
    """Print the table and save the curves."""
    args = options()
    with data_of(args) as data:
        manifest = data.manifest
        extractor = find_extractor(load_settings(), args.features, manifest.classes)
        images, labels = load_side(manifest, "test", args.image_size)
        real = Real(extractor, extractor.features(images), args.samples)
        train = training_images(manifest, args.image_size, cache_gib=8)
        configs = [
            GanConfig(
                family=family,
                image_size=args.image_size,
                precision=args.precision,
                seed=args.seed,
            )
            for family in args.families
        ]
        contestants = [Contestant.of(config, manifest, train) for config in configs]
        compete(contestants, real, args)
    kernel_name = named("kd", extractor.name)
    save(contestants, kernel_name, args.out)
    print(f"Generators at equal time, {args.image_size} px, seed {args.seed}")
    print(f"data      {data.line}")
    print(f"features  {extractor.about}")
    print(f"compared  {args.samples} pictures with {len(labels)} test images")
    print(f"precision {', '.join(f'{c.family} {policy_of(c)}' for c in configs)}")
    print(f"machine   {hardware()}")
    print(table(contestants, kernel_name))
    print(f"as asked: pictures recognised as the class asked for; chance {1 / train.classes:.3f}")
    answers = extractor.probabilities(images)
    if answers is not None:
        right = class_fidelity(labels, answers.argmax(axis=1))
        print(f"          real test images at the same size are recognised to {right:.3f}")
    print(f"curves    {args.out / 'curves.png'}")


if __name__ == "__main__":
    run_script(main)
