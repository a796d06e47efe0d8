"""A DCGAN training step of LeafGate against the same networks in PyTorch, on the same cores.

Both sides take turns, step by step, with as many threads, on the processor alone; an idle side
waits. PyTorch runs in processes of its own (`benchmarks.dcgan_torch`), in every way that may be its
quickest: either memory layout, and with --compile under torch.compile. `one pass` is LeafGate's
way of updating both networks, written in PyTorch: what is left against it is due to the engine.
LeafGate's step also converts its pictures and measures losses and gradients; PyTorch's does not.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
import tensorflow as tf

from benchmarks.machine import ROUNDS, hardware, median_seconds, parser_for, run_script
from leafgate.errors import UserError
from leafgate.progress import progress
from training.gan.config import GanConfig
from training.gan.networks import build_gan
from training.gan.step import compiled_step

OURS = "LeafGate"
STANDARD = {
    "PyTorch": ("--update", "standard"),
    "PyTorch, channels last": ("--update", "standard", "--layout", "channels_last"),
}
ONE_PASS = {"PyTorch, one pass": ("--update", "one_pass", "--layout", "channels_last")}
COMPILED = {f"{name}, compiled": (*how, "--compile") for name, how in STANDARD.items()}
SOURCE = Path(__file__).with_name("dcgan_torch.py")


class Side(NamedTuple):
    """step: runs one and waits for it. parameters: how many are trained. version: the engine's."""

    step: Callable[[], object]
    parameters: int
    version: str


def leafgate_side(batch_size: int, precision: str) -> Side:
    """The job's own networks and step, on one batch of noise."""
    config = GanConfig.model_validate(
        {"family": "dcgan", "batch_size": batch_size, "precision": precision, "xla": "off"}
    )
    gan = build_gan(config, classes=1)
    shape = (batch_size, config.image_size, config.image_size, config.channels)
    pictures = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    labels, place = tf.zeros((batch_size, gan.shape.classes)), tf.constant([1, 0])
    step = compiled_step(gan, config)
    networks = (gan.generator, gan.discriminator)
    weights = [one for network in networks for one in network.trainable_variables]
    return Side(
        lambda: np.asarray(step(pictures, labels, place)),
        sum(int(np.prod(weight.shape)) for weight in weights),
        f"TensorFlow {tf.__version__}",
    )


@contextmanager
def torch_side(python: Path, how: tuple[str, ...]) -> Iterator[Side]:
    """PyTorch in a process of its own for as long as the block lasts; how: its options."""
    command = [str(python), "-P", str(SOURCE), *how]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        ask, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)

        def answer() -> str:
            if line := answers.readline():
                return line
            raise UserError(
                f"PyTorch ended without an answer: {' '.join(command)}",
                "what it wrote is above; --compile needs a C compiler and Python's headers",
            )

        def step() -> None:
            ask.write("step\n")
            answer()

        version, parameters = answer().split()
        yield Side(step, int(parameters), f"PyTorch {version}")


def require_torch(python: Path) -> None:
    """Raise UserError where that interpreter cannot import torch."""
    check = [str(python), "-P", "-c", "import torch"]
    try:
        subprocess.run(check, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise UserError(
            f"{python} has no PyTorch, which is no part of LeafGate",
            "make an environment that has it: python3.11 -m venv ENV && "
            "ENV/bin/pip install torch numpy; then give --torch-python ENV/bin/python",
        ) from None


def sides(stack: ExitStack, args: argparse.Namespace, precision: str) -> dict[str, Side]:
    """What is timed, by name; ours first. Raises RuntimeError where the networks differ."""
    found = {OURS: leafgate_side(args.batch_size, precision)}
    common = ("--threads", str(args.threads), "--batch-size", str(args.batch_size))
    for name, how in {**STANDARD, **ONE_PASS, **(COMPILED if args.compile else {})}.items():
        options = (*common, "--precision", precision, *how)
        found[name] = stack.enter_context(torch_side(args.torch_python, options))
        if found[name].parameters != found[OURS].parameters:
            counts = {name: side.parameters for name, side in found.items()}
            raise RuntimeError(f"the networks differ in their trainable parameters: {counts}")
    return found


def speeds(found: dict[str, Side], batch_size: int, runs: int) -> dict[str, float]:
    """Images a second of each side's median step."""
    with progress("timing", len(found) * ROUNDS) as advance:
        steps = {name: side.step for name, side in found.items()}
        seconds = median_seconds(steps, runs, advance)
    return {name: batch_size / spent for name, spent in seconds.items()}


def table(found: dict[str, float], precision: str) -> str:
    """One line a side, then ours to the quickest standard step of PyTorch's."""
    lines = [f"{precision:32s} {'images/s':>9s} {'LeafGate to it':>15s}"]
    for name, speed in found.items():
        lines.append(f"{name:32s} {speed:9.1f} {found[OURS] / speed:14.2f}x")
    best = max((name for name in found if name in STANDARD | COMPILED), key=found.__getitem__)
    ratio = found[OURS] / found[best]
    return "\n".join((*lines, f"{ratio:.2f} times as fast as the quickest standard step ({best})"))


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add("--torch-python", type=Path, default=Path(sys.executable), metavar="PROGRAM",
        help="an interpreter that has torch; else this one")  # fmt: skip
    add("--batch-size", type=int, default=64)
    add("--precision", nargs="+", choices=("float32", "bfloat16"), default=["float32"])
    add("--compile", action="store_true", help="time torch.compile too; needs a C compiler")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each side")
    add("--runs", type=int, default=8, help="steps timed in each of 3 rounds")
    return parser.parse_args()


def main() -> None:
    """Print one table a precision."""
    args = options()
    require_torch(args.torch_python)
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    for precision in args.precision:
        with ExitStack() as stack:
            found = sides(stack, args, precision)
            speed = speeds(found, args.batch_size, args.runs)
        if precision == args.precision[0]:
            versions = " against ".join(dict.fromkeys(side.version for side in found.values()))
            print("DCGAN training step, 64 px, median of steps taken in turn")
            print(f"network  {found[OURS].parameters} trainable parameters on either side")
            print(f"engines  {versions}, {args.threads} threads each, batches of {args.batch_size}")
            print(f"machine  {hardware()}")
        print(table(speed, precision))


if __name__ == "__main__":
    run_script(main)
