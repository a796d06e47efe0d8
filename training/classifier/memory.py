"""Where a classifier's training stands, on disk after every epoch: weights, optimizer, figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.files import whole
from leafgate.strict_json import as_number, dump_json, load_json
from training.unfinished import UnfinishedJob

Row = dict[str, float | str]
Arrays = Sequence[Any]


@dataclass(frozen=True)
class Position:
    """Epochs done of the stage under way, and what decides when it ends.

    best, begin: lowest validation loss, and that before the stage's first epoch; since_best,
    since_cut: epochs without progress, and since the learning rate was cut.
    """

    stage: int = 0
    epoch: int = 0
    best: float = inf
    since_best: int = 0
    since_cut: int = 0
    rows: tuple[Row, ...] = field(default_factory=tuple)
    begin: float = inf

    def after(self, row: Row, loss: float) -> "Position":
        """One epoch on, with validation loss `loss`."""
        better = loss < self.best
        return replace(
            self,
            epoch=self.epoch + 1,
            best=loss if better else self.best,
            since_best=0 if better else self.since_best + 1,
            since_cut=0 if better else self.since_cut + 1,
            rows=(*self.rows, row),
        )

    def cut(self) -> "Position":
        """The learning rate was cut just now."""
        return replace(self, since_cut=0)

    def next_stage(self) -> "Position":
        """At the start of the next stage."""
        return Position(stage=self.stage + 1, rows=self.rows)


class TrainingMemory(UnfinishedJob):
    """The folder of a classifier's training."""

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def _best(self) -> Path:
        return self.folder / "best.npz"

    def load(self) -> tuple[Position, Arrays, Arrays] | None:
        """Position, the variables that its stage changes, and the optimizer's.

        Between stages: all of the network's, and none of an optimizer.
        """
        if not self._checkpoint.is_file():
            return None
        with np.load(self._checkpoint) as stored:
            values = load_json(str(stored["position"]))
            variables = [stored[f"variable{i}"] for i in range(int(stored["variables"]))]
            optimizer = [stored[f"optimizer{i}"] for i in range(int(stored["optimizers"]))]
        return _position(values), variables, optimizer

    def save(self, position: Position, variables: Arrays, optimizer: Arrays) -> None:
        """Replace the checkpoint as a whole."""
        arrays = {f"variable{i}": np.asarray(value) for i, value in enumerate(variables)}
        arrays |= {f"optimizer{i}": np.asarray(value) for i, value in enumerate(optimizer)}
        told = dump_json(asdict(position))
        self._write(
            self._checkpoint,
            position=told,
            variables=len(variables),
            optimizers=len(optimizer),
            **arrays,
        )

    def save_best(self, variables: Arrays) -> None:
        """Replace the variables of this stage's best epoch."""
        self._write(self._best, **{f"variable{i}": np.asarray(v) for i, v in enumerate(variables)})

    def load_best(self) -> Arrays:
        """The variables at the best epoch of this stage."""
        with np.load(self._best) as stored:
            return [stored[f"variable{i}"] for i in range(len(stored.files))]

    def _write(self, file: Path, **arrays: Any) -> None:  # noqa: ANN401 - arrays and numbers
        with whole(file) as beside, beside.open("wb") as stream:
            np.savez(stream, **arrays)


def _position(values: dict[str, Any]) -> Position:
    """As it was: JSON has no figure for the best loss before the first epoch, nor for NaN."""
    losses = {name: values.get(name) for name in ("best", "begin")}
    losses = {name: inf if value is None else value for name, value in losses.items()}
    rows = (
        {name: as_number(value) if value is None else value for name, value in row.items()}
        for row in values["rows"]
    )
    return Position(**{**values, **losses, "rows": tuple(rows)})
