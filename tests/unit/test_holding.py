"""A version on hold: neither gate nor rollback puts it into production, and the audit says why."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leafgate.audit_key import trusted_keys
from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import (
    Ledger,
    ModelStore,
    ModelVersion,
    Move,
    audit_problems,
    carry_out,
    force,
    hold,
    release,
    rollback,
    standing,
)
from registry.promotion import Grounds, OnHold, promote
from registry.recording import record_registration
from tests.models import write_stored_model

NAME = "leaf-classifier"
GATE = Grounds("gate", "all checks passed")


@pytest.fixture(scope="module")
def three_versions(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """Of next to no files: version 2 is in production, version 1 was before."""
    var_dir = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("holding") / "var"))
    ledger = open_ledger(_settings(var_dir))
    client = ledger.store.client
    client.create_registered_model(NAME)
    digest = write_stored_model(var_dir / "stored")
    for number in (1, 2, 3):
        tags = {"artifact.digest": digest}
        client.create_model_version(NAME, str(var_dir / "stored"), tags=tags)
        record_registration(ledger, version(ledger, number), digest)
    for number in (1, 2):
        force(ledger, version(ledger, number), "to begin with")
    return var_dir


@pytest.fixture
def ledger(three_versions: Path, tmp_path: Path) -> Ledger:
    return open_ledger(_settings(Path(shutil.copytree(three_versions, tmp_path / "var"))))


def _settings(var_dir: Path) -> Settings:
    return Settings(_env_file=None, var_dir=var_dir)  # type: ignore[call-arg]


def version(ledger: Ledger, number: int) -> ModelVersion:
    return ledger.store.get(NAME, number)


def aliases(ledger: Ledger) -> tuple[int, int]:
    """(production, previous)."""
    return version(ledger, "production").version, version(ledger, "previous").version  # type: ignore[arg-type]


def held(ledger: Ledger) -> set[int]:
    return set(standing(ledger.records(NAME)).held)


def problems(ledger: Ledger) -> tuple[str, ...]:
    trusted = trusted_keys(ledger.store.settings)
    return audit_problems(ledger.store, NAME, ledger.records(NAME), trusted)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as refused:
        act()
    return refused.value.code


def test_what_is_held_is_not_promoted_until_it_is_released(ledger: Ledger) -> None:
    third = version(ledger, 3)
    written = hold(ledger, third, "it was trained on wrong labels", "ada")
    assert (written.action, written.by, written.who) == ("held", "person", "ada")
    assert (written.to_version, written.artifact_digest) == (3, third.tags["artifact.digest"])
    with pytest.raises(OnHold, match="ada says: it was trained on wrong labels"):
        promote(ledger, third, GATE, champion=2)
    assert (aliases(ledger), held(ledger)) == ((2, 1), {3})
    assert problems(ledger) == ()

    release(ledger, third, "the labels were right")
    assert held(ledger) == set()
    promote(ledger, third, GATE, champion=2)
    assert aliases(ledger) == (3, 2)
    assert problems(ledger) == ()


def test_nothing_rolls_back_to_what_is_held(ledger: Ledger) -> None:
    hold(ledger, version(ledger, 1), "it confuses rust\nand scab")
    with pytest.raises(OnHold, match="it confuses rust and scab"):
        rollback(ledger, NAME)
    assert aliases(ledger) == (2, 1)
    release(ledger, version(ledger, 1), "better than nothing")
    rollback(ledger, NAME)
    assert aliases(ledger) == (1, 2)


def test_force_goes_ahead_and_ends_the_hold(ledger: Ledger) -> None:
    third = version(ledger, 3)
    hold(ledger, third, "not yet")
    force(ledger, third, "now")
    assert (aliases(ledger), held(ledger)) == ((3, 2), set())
    rollback(ledger, NAME)
    rollback(ledger, NAME)
    assert aliases(ledger) == (3, 2)
    assert problems(ledger) == ()


def test_what_is_refused_says_why_and_writes_nothing(ledger: Ledger) -> None:
    first, second, third = (version(ledger, number) for number in (1, 2, 3))
    hold(ledger, third, "not yet")
    before = ledger.records(NAME)
    refused = {
        "no_reason": [
            lambda: hold(ledger, first, " \n"),
            lambda: release(ledger, third, ""),
        ],
        "in_production": [lambda: hold(ledger, second, "bad")],
        "held_already": [lambda: hold(ledger, third, "again")],
        "not_held": [lambda: release(ledger, first, "go"), lambda: release(ledger, second, "go")],
    }
    for code, acts in refused.items():
        assert [code_of(act) for act in acts] == [code] * len(acts)
    assert ledger.records(NAME) == before


def test_an_alias_that_was_moved_by_hand_neither_prevents_a_hold_nor_allows_one(
    ledger: Ledger,
) -> None:
    ledger.store.set_alias(NAME, "production", 3)
    assert code_of(lambda: hold(ledger, version(ledger, 2), "bad")) == "in_production"
    hold(ledger, version(ledger, 3), "it was not judged")
    assert held(ledger) == {3}


def test_a_rollback_goes_to_what_the_audit_has_and_puts_the_aliases_back(ledger: Ledger) -> None:
    hold(ledger, version(ledger, 3), "not yet")
    ledger.store.set_alias(NAME, "production", 3)
    ledger.store.set_alias(NAME, "previous", 2)
    rollback(ledger, NAME)
    assert aliases(ledger) == (1, 2)
    assert problems(ledger) == ()
    ledger.store.set_alias(NAME, "production", None)
    rollback(ledger, NAME)
    assert aliases(ledger) == (2, 1)
    assert problems(ledger) == ()


def test_a_hold_that_comes_at_the_last_moment_keeps_the_version_out(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    third, find, late = version(ledger, 3), ModelStore.find, [True]

    def overtaken(store: ModelStore, name: str, alias: str) -> ModelVersion | None:
        if late and late.pop():  # after the promotion has looked for holds
            hold(open_ledger(store.settings), third, "stop")
        return find(store, name, alias)

    monkeypatch.setattr(ModelStore, "find", overtaken)
    with pytest.raises(OnHold):
        promote(ledger, third, GATE, champion=2)
    assert (aliases(ledger), held(ledger)) == ((2, 1), {3})
    assert [record.action for record in ledger.records(NAME)][-1] == "held"


def test_a_promotion_that_comes_first_is_not_held(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    third, append, late = version(ledger, 3), Ledger.write_after, [True]

    def overtaken(self: Ledger, *arguments: object) -> object:
        if late and late.pop():
            force(open_ledger(self.store.settings), third, "faster")
        return append(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "write_after", overtaken)
    assert code_of(lambda: hold(ledger, third, "stop")) == "in_production"
    assert problems(ledger) == ()


def test_the_command_line_holds_and_releases_and_shows_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(ledger.store.settings.var_dir))

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["models", *arguments])
        return f"{done.output}{done.exception or ''}"

    assert "is on hold" in said("hold", NAME, "--version", "3", "--reason", "two\nlines")
    assert "is on hold already" in said("hold", NAME, "--version", "3", "--reason", "again")
    assert "     3  not judged  held" in said("list", NAME)
    assert "held by" in said("show", NAME, "3")
    assert said("audit", NAME, "--verify").count("held by person: two lines\n") == 1
    assert "a release without a reason" in said("release", NAME, "--version", "3")
    assert "no longer on hold" in said("release", NAME, "--version", "3", "--reason", "done")
    assert "     3  not judged\n" in said("list", NAME)


def test_a_move_is_told_in_one_sentence_with_what_the_gate_had_said(ledger: Ledger) -> None:
    move = Move("promote", NAME, 3, "the field needs it", "ada (signed in at the service)")
    hold(ledger, version(ledger, 3), "not yet")
    moved = carry_out(ledger, move)
    assert (moved.version, moved.before, moved.who) == (3, 2, move.who)
    assert moved.told == (
        "leaf-classifier version 3 is in production in place of version 2, by force, which ends "
        "its hold; the gate has not judged it"
    )
    assert "already" in carry_out(ledger, move).told
    assert code_of(lambda: carry_out(ledger, replace(move, version=9))) == "no_such_version"
    back = carry_out(ledger, replace(move, how="rollback", version=3))
    assert (back.version, back.before) == (2, 3)
    for how in ("hold", "release"):
        assert carry_out(ledger, replace(move, how=how)).version == 2
    written = ledger.records(NAME)[-6:]
    assert {record.who for record in written} == {move.who}
    assert version(ledger, 3).tags["promoted.by"] == move.who
