"""What is kept of a training on disk: the last epochs to go on from, and the best one to store."""

import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from leafgate.errors import UserError
from leafgate.files import whole
from leafgate.strict_json import as_number, dump_json, load_json
from training.gan.config import GanConfig
from training.gan.networks import Gan
from training.gan.unfinished import Epoch, UnfinishedRun

KEPT = 2


class Checkpoints:
    """Both networks, both optimisers and the average, in files numbered by epoch; and the best.

    Random state needs none: it follows from the seed, the epoch and the step.
    """

    def __init__(self, gan: Gan, unfinished: UnfinishedRun) -> None:
        self.gan, self.unfinished = gan, unfinished
        parts = {name: value for name, value in vars(gan).items() if name != "shape"}
        checkpoint = tf.train.Checkpoint(**parts)
        folder = str(unfinished.checkpoints)
        self._manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=KEPT)

    def restore(self, config: GanConfig) -> int:
        """Restore the newest checkpoint and return its epoch; 0 where there is none.

        Raises UserError where it has been trained for longer than is now asked.
        """
        path = self._manager.restore_or_initialize()
        done = int(path.rsplit("-", 1)[1]) if path else 0
        if done > config.epochs:
            raise UserError(
                f"an unfinished run of this job has done {done} epochs, "
                f"epochs={config.epochs} asked",
                f"ask for at least {done}, or delete {self.unfinished.folder} to start over",
                code="already_trained_longer",
            )
        return done

    def save(self, epoch: int) -> None:
        """Add a checkpoint, and drop the oldest."""
        self._manager.save(checkpoint_number=epoch)

    @property
    def last_good(self) -> str:
        """A sentence's end that names what is kept; empty where nothing is."""
        best = self.best
        kept = [str(self._manager.latest_checkpoint)] if self._manager.latest_checkpoint else []
        kept += [f"{self._best_file} (epoch {best[0]}, the best)"] if best else []
        return f"; the last good checkpoint is {' and '.join(kept)}" if kept else ""

    @property
    def best(self) -> tuple[int, float] | None:
        """Epoch and figure of the best look so far; None before the first."""
        if not self._best_file.is_file():
            return None
        with np.load(self._best_file) as stored:
            epoch, figure = load_json(str(stored["told"]))
        return int(epoch), as_number(figure)

    def keep_if_best(self, epoch: Epoch) -> None:
        """Keep what pictures are drawn from where its validation figure is the lowest so far."""
        best = self.best
        if (best and not epoch.distance < best[1]) or math.isnan(epoch.distance):
            return
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self.gan.averaged.variables)}
        self._best_file.parent.mkdir(parents=True, exist_ok=True)
        with whole(self._best_file) as beside, beside.open("wb") as stream:
            told = np.array(dump_json([epoch.epoch, epoch.distance]))
            np.savez(stream, told=told, **arrays)  # type: ignore[arg-type]

    def load_best(self) -> None:
        """Give the generator that is drawn from its variables at the best epoch, if any."""
        if not self._best_file.is_file():
            return
        with np.load(self._best_file) as stored:
            for index, variable in enumerate(self.gan.averaged.variables):
                variable.assign(stored[f"variable{index}"])

    @property
    def _best_file(self) -> Path:
        return self.unfinished.folder / "best.npz"
