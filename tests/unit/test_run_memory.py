"""What is read of a run: curves thinned for a page, and finished runs asked for once."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.run_memory import RUNS, RunMemory
from registry.store import ModelVersion
from registry.versions import MOST_POINTS, Curve, RunRecord, curve_of


def test_of_several_values_for_a_step_the_newest_is_told_and_steps_are_in_order() -> None:
    rows = [(2, 30, 0.2), (1, 20, 0.1), (1, 10, 0.9), (2, 40, math.nan), (3, 50, math.inf)]
    assert curve_of(rows) == ((1, 0.1), (2, 0.2))


def test_a_long_curve_is_thinned_evenly_and_keeps_its_ends() -> None:
    curve = curve_of((step, 0, float(step)) for step in range(1, 12_346))
    assert len(curve) == MOST_POINTS
    assert (curve[0], curve[-1]) == ((1, 1.0), (12_345, 12_345.0))
    gaps = [after[0] - before[0] for before, after in itertools.pairwise(curve)]
    assert {24, 25} >= set(gaps)


@dataclass
class Counting:
    """Runs of one status, and how often each was asked for."""

    status: str
    asked: Counter[str] = field(default_factory=Counter)

    def versions(self, name: str, most: int) -> tuple[ModelVersion, ...]:
        return ()

    def version(self, name: str, number: int) -> ModelVersion | None:
        return None

    def run(self, run_id: str) -> RunRecord | None:
        self.asked[run_id] += 1
        metrics = [("loss", 0.1, 3), ("system/cpu", 50.0, 3), ("test", 0.9, 0)]
        return RunRecord.of(run_id, self.status, {}, {"mlflow.user": "ada", "job": "x"}, metrics)

    def curves(self, run_id: str, metrics: Iterable[str]) -> dict[str, Curve]:
        self.asked[f"curves of {run_id}"] += 1
        return dict.fromkeys(metrics, ((1, 0.5), (3, 0.1)))

    def files(self, run_id: str, folder: str) -> dict[str, int]:
        return {}

    def artifact(self, run_id: str, path: str, most_bytes: int) -> bytes | None:
        return None


def look(memory: RunMemory, run_id: str = "a") -> Iterable[str]:
    run = memory.run(run_id)
    assert run is not None and run.tags == {"job": "x"}
    return memory.details(run).curves


def test_a_finished_run_is_asked_for_once_in_ten_minutes() -> None:
    reader, now = Counting("FINISHED"), [0.0]
    memory = RunMemory(reader, lambda: now[0])
    assert list(look(memory)) == list(look(memory)) == ["loss"]
    assert reader.asked == {"a": 1, "curves of a": 1}
    now[0] = 601
    look(memory)
    assert reader.asked == {"a": 2, "curves of a": 2}


def test_a_run_that_goes_on_is_asked_for_every_time() -> None:
    reader = Counting("RUNNING")
    memory = RunMemory(reader)
    look(memory)
    look(memory)
    assert reader.asked == {"a": 2, "curves of a": 2}


def test_of_many_runs_those_last_looked_at_are_remembered() -> None:
    reader = Counting("FINISHED")
    memory = RunMemory(reader)
    for number in range(RUNS):
        memory.run(str(number))
    memory.run("0")
    memory.run("one more")
    memory.run("0")
    memory.run("1")
    assert (reader.asked["0"], reader.asked["1"]) == (1, 2)
