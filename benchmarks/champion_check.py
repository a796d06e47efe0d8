"""Is the gate's champion check as strict as it says, and does it find what can be found?

Pairs of classifiers are simulated and put to `leafgate.metrics.paired.compare` at alpha 0.05. Every
image has a difficulty that both models feel (`overlap`: how much of their luck it makes up); half
of the wrong answers are the image's look-alike, the same for both, the rest any other class. Shots
of one leaf share its class and most of its difficulty and luck.

Equal skill: how often the check says `better` or `worse` all the same; 5 % is nominal. Where the
answers differ in a dozen leaves or images it is meant to err on the side of silence. A true gap:
how often it says `worse`, beside the power of McNemar's test alone at 5 %, exact for independent
images. The check tests accuracy and macro F1, so either has to pass a stricter level.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.machine import hardware, parser_for, run_script
from leafgate.metrics.paired import compare, mcnemar_power

ALPHA = 0.05
PARTS = 20  # of the pairs of one setting: what a seed gives does not depend on the cores
OF_A_LEAF = 0.8  # the share of difficulty and of luck that the shots of a leaf have in common
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Test images and two models.

    rarest: images of the first class to one of the last. right: the champion's accuracy in the
    first and in the last class. gap: what the candidate has less. leaning: what it has more in
    every other class, and less in the rest. overlap: of errors, 0 to 1.
    """

    name: str
    images: int = 1000
    classes: int = 6
    rarest: float = 1.0
    right: tuple[float, float] = (0.85, 0.85)
    gap: float = 0.0
    leaning: float = 0.0
    shots: int = 1
    overlap: float = 0.6


EQUAL = (
    Setting("1000 images, 6 classes"),
    Setting("300 images", images=300),
    Setting("rarest class 1 to 20, harder", rarest=20, right=(0.9, 0.7)),
    Setting("333 leaves of 3 shots", images=999, shots=3),
    Setting("each better at other classes", leaning=0.05),
)
FEW = (  # answers that differ: some 15 leaves, or images
    Setting("30 leaves of 10 shots", images=300, shots=10),
    Setting("300 images, 97 % right", images=300, right=(0.97, 0.97)),
)
APART = tuple(
    Setting(f"overlap of errors {overlap}", right=(0.87, 0.87), gap=0.03, overlap=overlap)
    for overlap in (0.3, 0.6, 0.9)
)


class Answer(NamedTuple):
    """What the check said of one pair. by_mcnemar: accuracy alone, at 5 %, would be `worse`."""

    worse: bool
    better: bool
    by_mcnemar: bool
    level: float


Asked = Callable[[Setting], list[Answer]]


def shares(setting: Setting) -> Floats:
    """(classes,) how many of the images each class has."""
    falls = setting.rarest ** -np.linspace(0, 1, setting.classes)
    return falls / falls.sum()


def accuracies(setting: Setting) -> tuple[Floats, Floats]:
    """(classes,) the candidate's and the champion's true accuracy in each class."""
    champion = np.linspace(*setting.right, setting.classes)
    leaning = np.where(np.arange(setting.classes) % 2, -setting.leaning, setting.leaning)
    return champion - setting.gap + leaning, champion - leaning


def pair(setting: Setting, rng: np.random.Generator) -> tuple[list[Labels], list[str]]:
    """Truth, the candidate's and the champion's answers, and the leaf of each image."""
    size, classes = setting.images, setting.classes
    leaf = np.arange(size) // setting.shots
    truth = rng.choice(classes, leaf[-1] + 1, p=shares(setting))[leaf]

    def normal() -> Floats:
        own = rng.standard_normal(size)
        if setting.shots == 1:
            return own
        common = rng.standard_normal(leaf[-1] + 1)[leaf]
        return np.sqrt(OF_A_LEAF) * common + np.sqrt(1 - OF_A_LEAF) * own

    ease, look_alike = normal(), (truth + rng.integers(1, classes, size)) % classes
    answers = [truth]
    for right in accuracies(setting):
        luck = np.sqrt(setting.overlap) * ease + np.sqrt(1 - setting.overlap) * normal()
        other = (truth + rng.integers(1, classes, size)) % classes
        wrong = np.where(rng.random(size) < 0.5, look_alike, other)
        answers.append(np.where(stats.norm.ppf(right)[truth] + luck > 0, truth, wrong))
    return answers, [str(name) for name in leaf]


def ask(setting: Setting, seed: Sequence[int], pairs: int) -> list[Answer]:
    """What the check says of as many pairs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(pairs):
        (truth, candidate, champion), leaves = pair(setting, rng)
        draw = int(rng.integers(2**31))
        told = compare(truth, candidate, champion, setting.classes, leaves, ALPHA, seed=draw)
        alone = told.p_accuracy < ALPHA and told.accuracy.value < 0
        outcome = told.outcome
        found.append(Answer(outcome == "worse", outcome == "better", alone, told.level))
    return found


def power(setting: Setting) -> float:
    """McNemar's, of the true shares of images that one of the models alone is right on."""
    candidate, champion = (float(shares(setting) @ right) for right in accuracies(setting))
    overlap = [[1, setting.overlap], [setting.overlap, 1]]
    both = stats.multivariate_normal([0, 0], overlap).cdf(stats.norm.ppf([candidate, champion]))
    return mcnemar_power(candidate - both, champion - both, setting.images, ALPHA)


def percent(hits: Sequence[bool]) -> str:
    """A share with its exact 95 % interval (Clopper and Pearson 1934)."""
    found = stats.binomtest(sum(hits), len(hits))
    low, high = found.proportion_ci(0.95)
    return f"{100 * found.statistic:5.1f} % ({100 * low:4.1f} to {100 * high:4.1f})"


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add("--draws", type=int, default=2000, help="pairs of classifiers in each setting")
    add("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.draws < PARTS:
        parser.error(f"--draws is {args.draws}: at least {PARTS} are needed")
    return args


def main() -> None:
    """Print the three tables."""
    args = options()
    started = time.perf_counter()
    # Forked workers, one BLAS thread each: the matrices are too small to share out.
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("fork"), threadpool_limits, (1,)) as pool:

        def asked(setting: Setting) -> list[Answer]:
            sizes = [len(part) for part in np.array_split(np.arange(args.draws), PARTS)]
            number = (*EQUAL, *FEW, *APART).index(setting)
            seeds = [(args.seed, number, part) for part in range(PARTS)]
            parts = pool.map(ask, [setting] * PARTS, seeds, sizes)
            return [answer for part in parts for answer in part]

        print(f"Champion check, {args.draws} pairs in each setting, seed {args.seed}")
        print_false_alarms("equal skill", EQUAL, asked)
        print_false_alarms("equal skill, few differ", FEW, asked)
        print_found(asked)
    print(f"\nmachine  {hardware()}; {time.perf_counter() - started:.0f} s")


def print_false_alarms(title: str, settings: Sequence[Setting], asked: Asked) -> None:
    """How often models of equal skill are told apart."""
    print(f"\n{title:30s} {'better or worse':>22s}  nominal  level of each test")
    for setting in settings:
        told = asked(setting)
        alarms = percent([answer.worse or answer.better for answer in told])
        level = np.mean([answer.level for answer in told])
        print(f"{setting.name:30s} {alarms}  {100 * ALPHA:5.1f} %  {level:.3f}", flush=True)


def print_found(asked: Asked) -> None:
    """How often a worse candidate is found to be worse."""
    print(f"\n{'3 points worse, 1000 images':30s} {'found':>22s}", end="")
    print(f"  {'McNemar alone at 5 %':>22s}  McNemar's power")
    for setting in APART:
        told = asked(setting)
        found = percent([answer.worse for answer in told])
        alone = percent([answer.by_mcnemar for answer in told])
        expected = 100 * power(setting)
        print(f"{setting.name:30s} {found}  {alone}  {expected:13.1f} %", flush=True)


if __name__ == "__main__":
    run_script(main)
