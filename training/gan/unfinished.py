"""What survives a kill: the folder of a training run that has not reached its end.

It holds the MLflow run's id, the figures of every epoch as CSV, the checkpoints, the best epoch,
sample grids and TensorBoard's events. Its name comes from the job, so the same command finds it
again; a run that ends well removes it.
"""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from math import isnan, nan
from pathlib import Path
from typing import Self

from leafgate.files import whole
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from training.gan.config import GanConfig
from training.unfinished import UnfinishedJob

NOT_PART_OF_THE_JOB = {  # may differ on resuming
    "epochs",
    "minutes",
    "checkpoint_every",
    "sample_every",
    "evaluate_every",
    "test_samples",
    "cache_gib",
}


@dataclass(frozen=True)
class Epoch:
    """Means over one epoch; NaN where nothing was measured.

    d_real, d_fake: the discriminator's probability of being real, or the critic's value;
    d_gradient, g_gradient: norms; seconds: of its steps; distance: kernel distance from the
    validation images; diversity: differences between pictures, over those between real images.
    """

    epoch: int
    d_loss: float
    g_loss: float
    d_real: float
    d_fake: float
    d_gradient: float = nan
    g_gradient: float = nan
    images_per_second: float = nan
    seconds: float = nan
    distance: float = nan
    diversity: float = nan

    def __str__(self) -> str:
        looked = "" if isnan(self.distance) else f", distance {self.distance:.4f}"
        return f"epoch {self.epoch}: d_loss {self.d_loss:.3f}, g_loss {self.g_loss:.3f}{looked}"

    @property
    def metrics(self) -> dict[str, float]:
        """All that was measured, but for the epoch, by name."""
        values = {name: value for name, value in asdict(self).items() if name != "epoch"}
        return {name: value for name, value in values.items() if not isnan(value)}


COLUMNS = tuple(field.name for field in fields(Epoch))


@dataclass(frozen=True)
class UnfinishedRun(UnfinishedJob):
    """The folder of a generator's training; it need not exist yet."""

    @classmethod
    def for_generator(cls, settings: Settings, config: GanConfig, manifest: Manifest) -> Self:
        """Where this job, in this MLflow store, keeps what it has done so far."""
        named = config.model_dump(exclude=NOT_PART_OF_THE_JOB)
        return cls.of(settings, "generator", named, manifest.digest)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def board(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.folder / "tensorboard"

    @property
    def samples(self) -> list[Path]:
        """The sample grids so far, oldest first."""
        return sorted((self.folder / "samples").glob("epoch_*.png"))

    def keep_sample(self, epoch: int, png: bytes) -> None:
        """Keep a sample grid, for the moving picture at the end."""
        file = self.folder / "samples" / f"epoch_{epoch:06d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as beside:
            beside.write_bytes(png)

    @property
    def epochs_file(self) -> Path:
        """One line an epoch."""
        return self.folder / "epochs.csv"

    def epochs(self) -> list[Epoch]:
        """The epochs done so far; a last line that a kill cut short is left out."""
        if not self.epochs_file.is_file():
            return []
        with self.epochs_file.open(newline="", encoding="utf-8") as stream:
            lines = [line for line in stream if line.endswith("\n")]
        return [
            Epoch(int(row["epoch"]), *(float(row[name]) for name in COLUMNS[1:]))
            for row in csv.DictReader(lines)
        ]

    def forget_after(self, epoch: int) -> None:
        """Drop the figures of epochs that no checkpoint holds: they are about to be done again."""
        kept = [row for row in self.epochs() if row.epoch <= epoch]
        with whole(self.epochs_file) as file:
            text = _csv([COLUMNS, *(_cells(row) for row in kept)])
            file.write_text(text, encoding="utf-8")

    def append(self, epoch: Epoch) -> None:
        """Add an epoch's line."""
        with self.epochs_file.open("a", newline="", encoding="utf-8") as stream:
            stream.write(_csv([_cells(epoch)]))


def _cells(epoch: Epoch) -> tuple[str, ...]:
    return tuple(str(value) for value in asdict(epoch).values())


def _csv(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(",".join(row) + "\n" for row in rows)
