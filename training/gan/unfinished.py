"""What survives a kill: the folder of a training run that has not reached its end.

It holds the MLflow run's id, the losses of every epoch as CSV, and the checkpoints. Its name comes
from the job, so the same command finds it again; a run that ends well removes it.
"""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from leafgate.files import whole
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from training.gan.config import GanConfig
from training.unfinished import UnfinishedJob

NOT_PART_OF_THE_JOB = {"epochs", "checkpoint_every", "sample_every"}  # may differ on resuming


@dataclass(frozen=True)
class EpochLosses:
    """Means over one epoch. d_real, d_fake: the discriminator's probability of being real."""

    epoch: int
    d_loss: float
    g_loss: float
    d_real: float
    d_fake: float
    images_per_second: float

    @property
    def metrics(self) -> dict[str, float]:
        """All but the epoch, by name."""
        return {name: value for name, value in asdict(self).items() if name != "epoch"}


COLUMNS = tuple(field.name for field in fields(EpochLosses))


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
    def losses_file(self) -> Path:
        """One line an epoch."""
        return self.folder / "losses.csv"

    def losses(self) -> list[EpochLosses]:
        """The epochs done so far; a last line that a kill cut short is left out."""
        if not self.losses_file.is_file():
            return []
        with self.losses_file.open(newline="", encoding="utf-8") as stream:
            lines = [line for line in stream if line.endswith("\n")]
        return [
            EpochLosses(int(row["epoch"]), *(float(row[name]) for name in COLUMNS[1:]))
            for row in csv.DictReader(lines)
        ]

    def forget_after(self, epoch: int) -> None:
        """Drop the losses of epochs that no checkpoint holds: they are about to be done again."""
        kept = [losses for losses in self.losses() if losses.epoch <= epoch]
        with whole(self.losses_file) as file:
            text = _csv([COLUMNS, *(_cells(losses) for losses in kept)])
            file.write_text(text, encoding="utf-8")

    def append(self, losses: EpochLosses) -> None:
        """Add an epoch's line."""
        with self.losses_file.open("a", newline="", encoding="utf-8") as stream:
            stream.write(_csv([_cells(losses)]))


def _cells(losses: EpochLosses) -> tuple[str, ...]:
    return tuple(str(value) for value in asdict(losses).values())


def _csv(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(",".join(row) + "\n" for row in rows)
