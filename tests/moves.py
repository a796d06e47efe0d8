"""Moves of `production` in processes that are killed, or that contend; forked by `python -m`.

A process of its own, since one that has run TensorFlow or OpenVINO has threads and must not fork.
"""

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - once, before forking

from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import Ledger, rollback
from registry.promotion import Grounds, ProductionChanged, promote

NAME = "leaf-classifier"
FORK = multiprocessing.get_context("fork")
CHANGES = ("set_alias", "set_tag", "set_tags", "append")


def settings_in(var_dir: Path) -> Settings:
    return Settings(_env_file=None, var_dir=var_dir)  # type: ignore[call-arg]


def move_to(ledger: Ledger, number: int, champion: int) -> None:
    promote(ledger, ledger.store.get(NAME, number), Grounds("gate", "it passed"), champion)


ACTS: dict[str, Callable[[Ledger], object]] = {
    "promotion": lambda ledger: move_to(ledger, 3, champion=2),
    "rollback": lambda ledger: rollback(ledger, NAME),
}


class Killed:
    """Counts the calls that change something, and dies of SIGKILL before or after one of them."""

    def __init__(self, target: Any, counter: list[int], at: int) -> None:
        self.target, self.counter, self.at = target, counter, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if name not in CHANGES:
            return found

        def call(*arguments: Any) -> Any:
            self._step()
            answer = found(*arguments)
            self._step()
            return answer

        return call

    def _step(self) -> None:
        self.counter[0] += 1
        if self.counter[0] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at_every_point(act: str, registered: Path, into: Path) -> None:
    """Copies of `registered` as `into/1`, `into/2`, …, each left by a move killed one step later;
    the last by one that came to its end.
    """
    for at in range(1, 100):
        settings = settings_in(Path(shutil.copytree(registered, into / str(at))))
        process = FORK.Process(target=_die, args=(settings, act, at))
        process.start()
        process.join()
        if process.exitcode == 0:
            return
        assert process.exitcode == -signal.SIGKILL


def _die(settings: Settings, act: str, at: int) -> None:
    ledger, counter = open_ledger(settings), [0]
    store, trail = (Killed(part, counter, at) for part in (ledger.store, ledger.trail))
    ACTS[act](Ledger(store, trail, ledger.key))  # type: ignore[arg-type]


def contend(var_dir: Path, numbers: range) -> None:
    """One process for each version, all of which want to be in production."""
    processes = [FORK.Process(target=_insist, args=(var_dir, number)) for number in numbers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(numbers)


def _insist(var_dir: Path, number: int) -> None:
    ledger = open_ledger(settings_in(var_dir))
    while True:
        champion = ledger.store.get(NAME, "production").version
        try:
            return move_to(ledger, number, champion)
        except ProductionChanged:
            continue


if __name__ == "__main__":
    if sys.argv[1] == "contend":
        contend(Path(sys.argv[2]), range(3, 13))
    else:
        kill_at_every_point(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
