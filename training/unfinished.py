"""What survives a kill: the folder of a training job that has not reached its end.

Its name comes from the job (configuration, data, MLflow store), so the same command finds it again;
a job that ends well removes it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Self

from leafgate.files import whole
from leafgate.settings import Settings
from leafgate.sqlite_url import sqlite_file
from leafgate.strict_json import dump_json

NEWER = {
    "conflicts": "exclude",
    "resplit": False,
}  # settings that older versions lack, with their defaults


def _names_of_store(settings: Settings) -> list[str]:
    """Return names of the MLflow store: the first for new jobs, the others to find older ones.

    A store in the state folder is named relative to it: a project may be moved before a job is
    finished.
    """
    uri, file = settings.tracking_uri, sqlite_file(settings.tracking_uri)
    if file is None or not file.is_relative_to(settings.var_dir):
        return [uri]
    return [file.relative_to(settings.var_dir).as_posix(), uri, f"sqlite:///{file}"]


def _configurations(config: Mapping[str, object]) -> list[dict[str, object]]:
    """Return forms of the configuration: the first for new jobs, the other to find jobs of older
    versions, where all settings that they lack have their defaults.
    """
    newer = {name for name, usual in NEWER.items() if config.get(name) == usual}
    older = {name: value for name, value in config.items() if name not in newer}
    return [dict(config), older] if newer == set(NEWER) else [dict(config)]


@dataclass(frozen=True)
class UnfinishedJob:
    """The folder; it need not exist yet."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings, kind: str, config: Mapping[str, object], data: str) -> Self:
        """Where this job, in this MLflow store, keeps what it has done. data: manifest digest."""
        folders = []
        for known, store in product(_configurations(config), _names_of_store(settings)):
            job = {"config": known, "data": data, "store": [store, settings.experiment]}
            told = dump_json(job, sort_keys=True, ensure_ascii=True)
            digest = hashlib.sha256(told.encode()).hexdigest()
            folders.append(settings.var_dir / "training" / kind / digest[:16])
        return cls(next(filter(Path.is_dir, folders), folders[0]))

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run to go on with; None for a new job."""
        file = self.folder / "run.json"
        return str(json.loads(file.read_text())["run_id"]) if file.is_file() else None

    def begin(self, run_id: str) -> None:
        """Start over under the id of a new run."""
        self.remove()
        self.folder.mkdir(parents=True)
        with whole(self.folder / "run.json") as file:
            file.write_text(dump_json({"run_id": run_id}), encoding="utf-8")

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
