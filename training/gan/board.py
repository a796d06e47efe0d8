"""The same figures as in MLflow, live for TensorBoard: `tensorboard --logdir var/training`."""

from dataclasses import asdict
from math import isfinite
from pathlib import Path

import tensorflow as tf

from training.gan.unfinished import Epoch


class Board:
    """Event files in `folder`. done: epochs of an earlier time; later ones are done again."""

    def __init__(self, folder: Path, done: int) -> None:
        self._writer = tf.summary.create_file_writer(str(folder), filename_suffix=f".from_{done}")

    def write(self, epoch: Epoch) -> None:
        """Add an epoch's figures."""
        with self._writer.as_default(step=epoch.epoch):
            for name, value in asdict(epoch).items():
                if name != "epoch" and isfinite(value):
                    tf.summary.scalar(name, value)
        self._writer.flush()
