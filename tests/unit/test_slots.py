"""A slot follows what should answer; whatever is wrong with a new version, the old one stays."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leafgate.errors import UserError
from registry import ModelVersion, Wanted
from serving.bake import Bounds
from serving.metrics import Metrics
from serving.slots import Slot, Sources
from serving.tally import Tally

BOUNDS = Bounds(10, 20, error_points=1, unknown_points=10, latency_ratio=2)
NAME = "leaf-classifier"


def version(number: int) -> ModelVersion:
    return ModelVersion(NAME, number, "run", (), {"artifact.digest": f"{number:064x}"}, 0)


@dataclass
class Started:
    """What stands for a loaded model."""

    version: ModelVersion
    tally: Tally = field(default_factory=Tally)
    closed: bool = False

    @property
    def batcher(self) -> Any:
        return SimpleNamespace(close=lambda: setattr(self, "closed", True))

    @property
    def model(self) -> Any:
        return SimpleNamespace(engine=SimpleNamespace(name="openvino-fp32", reason="a test"))


@dataclass
class World:
    """The registry, the audit and the disk as a slot sees them."""

    production: ModelVersion | None = None
    problem: str | None = None
    away: bool = False
    unfit: set[int] = field(default_factory=set)
    remembered: ModelVersion | None = None
    started: list[Started] = field(default_factory=list)

    def look(self, live: ModelVersion | None) -> Wanted:
        if self.away:
            known = live or self.remembered
            return Wanted(known, f"{'serving the last; ' if known else ''}MLflow does not answer")
        if self.production is None:
            return Wanted(None, "no version has the alias", is_vacant=True)
        return Wanted(self.production, self.problem)

    def folder(self, wanted: ModelVersion) -> Path:
        if wanted.version in self.unfit:
            raise UserError(f"version {wanted.version} has other files", "train it again")
        return Path("/nowhere")

    def remember(self, alias: str, served: ModelVersion) -> None:
        self.remembered = served

    def prune(self, keep: object) -> None:
        """Nothing lies here."""

    def start(self, wanted: ModelVersion, folder: Path) -> Started:
        self.started.append(Started(wanted))
        return self.started[-1]

    def slot(self) -> Slot[Any]:
        sources: Any = Sources(self, self, self.start)  # type: ignore[arg-type]
        return Slot(NAME, "production", sources, Metrics(), BOUNDS)

    def promote(self, slot: Slot[Any], number: int) -> None:
        self.production = version(number)
        slot.refresh()


def served(slot: Slot[Any]) -> int:
    return int(slot.require().version.version)


def test_a_promotion_is_followed_and_a_rollback_needs_no_loading() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    world.promote(slot, 2)
    assert (served(slot), slot.problem) == (2, None)
    world.promote(slot, 1)
    assert served(slot) == 1
    assert [each.version.version for each in world.started] == [1, 2]
    assert not any(each.closed for each in world.started)


def test_two_versions_stay_warm_and_the_third_is_let_go() -> None:
    world = World()
    slot = world.slot()
    for number in (1, 2, 3):
        world.promote(slot, number)
    assert [each.closed for each in world.started] == [True, False, False]


def test_an_unfit_version_leaves_the_old_one_serving_and_is_named() -> None:
    world = World(unfit={2})
    slot = world.slot()
    world.promote(slot, 1)
    world.promote(slot, 2)
    assert served(slot) == 1
    assert "version 2 has other files" in str(slot.problem)
    world.unfit.clear()
    slot.refresh()
    assert (served(slot), slot.problem) == (2, None)


def test_while_the_registry_is_away_what_answers_goes_on_and_says_so() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    world.away = True
    slot.refresh()
    assert served(slot) == 1
    assert str(slot.problem) == "serving the last; MLflow does not answer"
    world.away = False
    world.promote(slot, 2)
    assert (served(slot), slot.problem) == (2, None)


def test_with_the_registry_away_at_start_the_last_version_served_comes_up() -> None:
    world = World(away=True, remembered=version(7))
    slot = world.slot()
    slot.refresh()
    assert served(slot) == 7
    assert str(slot.problem) == "serving the last; MLflow does not answer"


def test_with_the_registry_away_and_nothing_remembered_the_reason_is_told() -> None:
    slot = World(away=True).slot()
    slot.refresh()
    with pytest.raises(UserError, match="MLflow does not answer") as raised:
        slot.require()
    assert raised.value.code == "no_production_model"


def test_what_is_wrong_with_the_registry_is_told_of_a_version_that_answers_all_the_same() -> None:
    world = World(problem="the alias is missing", unfit={2})
    slot = world.slot()
    world.promote(slot, 1)
    assert served(slot) == 1
    assert str(slot.problem) == "the alias is missing"
    world.promote(slot, 2)
    assert served(slot) == 1
    assert "version 2 has other files" in str(slot.problem)
    assert "the alias is missing" in str(slot.problem)


def test_where_nothing_should_answer_any_more_the_serving_ends() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    world.production = None
    slot.refresh()
    assert slot.live is None
    assert world.started[0].closed


def vacant(slot: Slot[Any]) -> bool:
    slot.refresh()
    return slot.vacant


def test_a_slot_is_vacant_only_once_the_registry_said_so_and_until_a_version_answers() -> None:
    world = World(away=True, unfit={1})
    slot = world.slot()
    assert not vacant(slot)  # what is in production could not be asked
    world.away = False
    assert vacant(slot)
    world.away = True
    assert vacant(slot)  # a registry that restarts does not change what it said
    world.away = False
    world.production = version(1)
    assert vacant(slot)  # the first version is no reason to stop what goes on without one
    world.unfit.clear()
    assert not vacant(slot)


def test_a_slot_whose_first_version_cannot_be_loaded_is_not_vacant() -> None:
    world = World(production=version(1), unfit={1})
    slot = world.slot()
    assert not vacant(slot)
    assert slot.live is None


def fail(started: Started, images: int) -> None:
    for _ in range(images):
        started.tally.failed()


def do_well(started: Started, images: int) -> None:
    for _ in range(images):
        started.tally.answered(unknown=False)


def test_a_version_that_fails_in_its_bake_time_goes_back_by_itself_and_stays_back() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    do_well(world.started[0], 100)
    world.promote(slot, 2)
    assert slot.judge() is None
    fail(world.started[1], 30)
    found = slot.judge()
    assert found is not None
    assert found[0].version == 2
    assert "100.0% of 30 images" in found[1].reason
    assert served(slot) == 1
    slot.refresh()  # the alias has not been moved back yet
    assert served(slot) == 1
    assert "version 2 was taken back" in str(slot.problem)


def test_once_the_alias_has_moved_on_a_version_taken_back_can_be_promoted_again() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    world.promote(slot, 2)
    fail(world.started[1], 30)
    assert slot.judge() is not None
    world.promote(slot, 1)
    assert (served(slot), slot.problem) == (1, None)
    world.promote(slot, 2)
    assert served(slot) == 2


def test_going_back_by_hand_is_no_promotion_under_watch_for_what_it_did_before() -> None:
    world = World()
    slot = world.slot()
    world.promote(slot, 1)
    fail(world.started[0], 30)  # it did badly long ago
    world.promote(slot, 2)
    do_well(world.started[1], 30)
    world.promote(slot, 1)
    assert slot.judge() is None
    assert served(slot) == 1
