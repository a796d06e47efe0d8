"""The training loop of every family, read from top to bottom.

The order of the images, the latents and the changes follow from the seed, the epoch and the step,
so a resumed run goes on as if it had never stopped.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.progress import progress
from registry import Generator, Run
from training.data.pipeline import LabelledImages, epoch_order
from training.gan.board import Board
from training.gan.checkpoints import Checkpoints
from training.gan.config import GanConfig
from training.gan.health import require_finite, require_healthy
from training.gan.networks import Gan
from training.gan.pictures import sample_grid
from training.gan.step import MEASURED, Step, compiled_step
from training.gan.unfinished import Epoch, UnfinishedRun
from training.gan.validation import Validation

Labels = NDArray[np.float32]


def train(
    gan: Gan,
    live: Generator,
    data: LabelledImages,
    validation: Validation,
    config: GanConfig,
    run: Run,
    unfinished: UnfinishedRun,
) -> None:
    """Train `gan` on `data`, from the last checkpoint on; in the end it holds its best epoch.

    live: draws from `gan`. Raises UserError where a loss or a weight stops being finite, the
    discriminator is never wrong any more, or all pictures are alike; the last checkpoint stays.
    """
    step = compiled_step(gan, config)
    checkpoints = Checkpoints(gan, unfinished)
    done = checkpoints.restore(config)
    unfinished.forget_after(done)
    epochs = unfinished.epochs()
    board = Board(unfinished.board, done)
    steps = steps_an_epoch(len(data), config)
    note = ""
    with progress("train generator", config.epochs * steps, done * steps) as advance:
        for number in range(done + 1, config.epochs + 1):
            if time_is_up(epochs, config):  # a run that was killed after its last epoch
                break
            epoch = train_epoch(step, data, config, number, partial(advance, note))
            require_finite(gan, epoch, config, checkpoints)
            last = number == config.epochs or time_is_up([*epochs, epoch], config)
            if last or number % config.evaluate_every == 0:
                epoch = validation.look(live, epoch)
                checkpoints.keep_if_best(epoch)
            epochs.append(epoch)
            unfinished.append(epoch)
            board.write(epoch)
            run.log_metrics(validation.named(epoch), step=number)
            if last or number % config.sample_every == 0:
                picture = sample_grid(live, config.seed)
                unfinished.keep_sample(number, picture)
                run.log_picture(picture, f"samples/epoch_{number:04d}.png")
            require_healthy(epochs, config, checkpoints)
            if last or number % config.checkpoint_every == 0:
                checkpoints.save(number)
            note = str(epoch)
            if last:
                break
    checkpoints.load_best()


def train_epoch(
    step: Step,
    data: LabelledImages,
    config: GanConfig,
    number: int,
    advance: Callable[..., object] = lambda: None,
) -> Epoch:
    """Every step of one epoch; the means of what was measured."""
    started, rows, images = time.perf_counter(), [], 0
    for index, (pictures, labels) in enumerate(batches(data, config, number)):
        place = tf.constant([number, index])
        rows.append(step(tf.constant(pictures), tf.constant(labels), place))
        images += len(pictures)
        advance()
    means = np.asarray(rows, np.float64).mean(0)  # waits for a GPU: read the clock after
    seconds = time.perf_counter() - started
    measured = dict(zip(MEASURED, map(float, means), strict=True))
    return Epoch(number, **measured, images_per_second=images / seconds, seconds=seconds)


def time_is_up(epochs: Sequence[Epoch], config: GanConfig) -> bool:
    """Whether the epochs' own seconds have reached `config.minutes`."""
    return bool(config.minutes) and sum(e.seconds for e in epochs) >= 60 * config.minutes


def batches(data: LabelledImages, config: GanConfig, epoch: int) -> Iterator[tuple[Pixels, Labels]]:
    """Whole batches in the epoch's own order; what is left over waits for another epoch.

    Pictures (discriminator_steps * n, size, size, channels) uint8 and one-hots (…, classes); no
    columns where the family cannot be asked for a class.
    """
    order = epoch_order(data.labels, config.seed, epoch, config.balanced)
    columns = data.classes if config.architecture.conditional else 0
    one_hots = np.eye(data.classes, columns, dtype=np.float32)
    width = images_a_step(len(data), config)
    for start in range(0, len(order) - width + 1, width):
        chosen = order[start : start + width]
        yield data.read(chosen), one_hots[data.labels[chosen]]


def images_a_step(count: int, config: GanConfig) -> int:
    """What one step takes: a batch for each update of the discriminator, fewer of a small set."""
    parts = config.discriminator_steps
    return parts * max(min(config.batch_size, count // parts), 1)


def steps_an_epoch(count: int, config: GanConfig) -> int:
    """Whole batches in `count` images."""
    return count // images_a_step(count, config)
