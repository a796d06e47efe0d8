"""Whatever is killed half-way, aliases end in the old state or the new, and the audit is whole."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leafgate.audit import AuditEntry, from_json, to_json
from leafgate.audit_key import trusted_keys
from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.gating import look_at, open_ledger
from leafgate.settings import Settings
from registry import (
    ModelStore,
    aliases_astray,
    audit_problems,
    force,
    hold,
    require_vouched,
    restore,
    rollback,
    settle,
)
from registry.promotion import ProductionChanged
from registry.recording import record_registration
from sql import open_database
from tests.models import register_tiny_classifier
from tests.moves import NAME, move_to, settings_in

VERSIONS = 12


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """Twelve versions, of which version 2 is in production and version 1 was before."""
    settings = settings_in(tmp_path_factory.mktemp("registered") / "var")
    shutil.copytree(empty_store, settings.var_dir)
    made = register_tiny_classifier(settings, alias=None)
    ledger = open_ledger(settings)
    client, digest = ledger.store.client, made.tags["artifact.digest"]
    for _ in range(VERSIONS - 1):  # the same artefact again: only aliases matter here
        source = client.get_model_version(NAME, "1").source
        tags = {"artifact.digest": digest}
        again = client.create_model_version(NAME, source, made.run_id, tags=tags)
        record_registration(ledger, ledger.store.get(NAME, int(again.version)), digest)
    assert int(again.version) == VERSIONS
    for number in (1, 2):
        force(ledger, ledger.store.get(NAME, number), "to begin with")
    return settings.var_dir


@pytest.fixture
def settings(registered: Path, tmp_path: Path) -> Settings:
    return settings_in(Path(shutil.copytree(registered, tmp_path / "var")))


def aliases(settings: Settings) -> tuple[int, int]:
    """(production, previous)."""
    store = ModelStore(settings)
    return store.get(NAME, "production").version, store.get(NAME, "previous").version


def problems(settings: Settings) -> tuple[str, ...]:
    ledger = open_ledger(settings)
    return audit_problems(ledger.store, NAME, ledger.records(NAME), trusted_keys(settings))


def run_moves(*arguments: object) -> None:
    command = [sys.executable, "-m", "tests.moves", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=240, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(("act", "after"), [("promotion", (3, 2)), ("rollback", (1, 2))])
def test_a_move_killed_at_any_point_ends_in_the_old_state_or_in_the_new_one(
    act: str, after: tuple[int, int], registered: Path, tmp_path: Path
) -> None:
    run_moves(act, registered, tmp_path)
    left_behind = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    seen = set()
    for folder in left_behind:
        settings = settings_in(folder)
        assert ModelStore(settings).get(NAME, "production").version in (2, after[0])
        settle(open_ledger(settings), NAME)  # as every command does first

        found = aliases(settings)
        seen.add(found)
        assert found in ((2, 1), after)
        assert problems(settings) == ()
        last = open_ledger(settings).records(NAME)[-1]
        assert last.action in (("moved",) if found == after else ("moved", "abandoned"))
    assert seen == {(2, 1), after}
    assert len(left_behind) > 10


def test_ten_at_once_leave_one_in_production_and_every_move_on_record(settings: Settings) -> None:
    run_moves("contend", settings.var_dir)

    moves = [r for r in open_ledger(settings).records(NAME) if r.action == "moved"]
    assert sorted(move.to_version or 0 for move in moves) == list(range(1, 13))
    assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]
    assert aliases(settings) == (moves[-1].to_version, moves[-1].from_version)
    assert problems(settings) == ()


def test_a_candidate_compared_with_a_former_champion_is_not_promoted(settings: Settings) -> None:
    ledger = open_ledger(settings)
    with pytest.raises(ProductionChanged):
        move_to(ledger, 3, champion=1)
    assert aliases(settings) == (2, 1)
    assert problems(settings) == ()


def test_a_registry_that_stops_answering_half_way_is_told_and_mended_by_the_next_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(settings)

    def silent(*_: object) -> None:
        raise UserError("MLflow does not answer", "wait", code="registry_error")

    with monkeypatch.context() as patched:
        patched.setattr(ModelStore, "set_alias", silent)
        with pytest.raises(UserError, match="does not answer"):
            move_to(ledger, 3, champion=2)
    assert "nobody has finished" in problems(settings)[0]

    monkeypatch.setattr("registry.promotion.PATIENCE_SECONDS", 0.0)
    settle(ledger, NAME)
    assert aliases(settings) == (2, 1)
    assert problems(settings) == ()
    assert ledger.records(NAME)[-1].action == "abandoned"


def test_a_move_that_others_took_for_dead_gives_way_to_what_they_wrote(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(settings)
    set_alias, slow = ModelStore.set_alias, [True]

    def slowly(store: ModelStore, name: str, alias: str, version: int | None) -> None:
        if slow.pop() if slow else False:
            monkeypatch.setattr("registry.promotion.PATIENCE_SECONDS", 0.0)
            move_to(open_ledger(settings), 4, champion=2)
        set_alias(store, name, alias, version)

    monkeypatch.setattr(ModelStore, "set_alias", slowly)
    with pytest.raises(UserError, match="version 4 is in production"):
        move_to(ledger, 3, champion=2)
    assert aliases(settings) == (4, 2)
    assert problems(settings) == ()


def test_a_rollback_swaps_in_one_step_and_back(settings: Settings) -> None:
    ledger = open_ledger(settings)
    rollback(ledger, NAME, "complaints from the field")
    assert aliases(settings) == (1, 2)
    assert ledger.records(NAME)[-1].reason == "complaints from the field"
    rollback(ledger, NAME)
    assert aliases(settings) == (2, 1)
    assert problems(settings) == ()


def test_force_needs_a_reason_and_is_on_record_for_ever(settings: Settings) -> None:
    ledger = open_ledger(settings)
    with pytest.raises(UserError, match="without a reason"):
        force(ledger, ledger.store.get(NAME, 5), "  ")
    force(ledger, ledger.store.get(NAME, 5), "the champion is broken")
    assert aliases(settings) == (5, 2)
    last = ledger.records(NAME)[-1]
    assert (last.by, last.reason) == ("force", "the champion is broken")
    assert problems(settings) == ()


def test_a_cut_that_left_no_tags_is_found_by_the_host_that_has_seen_the_records(
    settings: Settings,
) -> None:
    ledger = open_ledger(settings)
    move_to(ledger, 3, champion=2)  # records 17 and 18
    kept = ledger.records(NAME)
    cut(settings, 16)
    ledger.store.set_alias(NAME, "production", 2)
    assert "it ends at record 16, and this host has seen record 18" in problems(settings)[0]
    for act in (
        lambda: move_to(ledger, 5, champion=2),
        lambda: rollback(ledger, NAME),
        lambda: hold(ledger, ledger.store.get(NAME, 7), "not yet"),
        lambda: ledger.write(entry_about(7)),
    ):
        with pytest.raises(UserError, match="this host has seen record 18"):
            act()

    copies = [from_json(to_json(record)) for record in kept]
    restored = restore(ledger.store, ledger.trail, NAME, trusted_keys(settings), copies)
    assert restored == kept[16:]
    settle(ledger, NAME)
    for astray in aliases_astray(ledger.store, NAME, ledger.records(NAME)):
        astray.put_back(ledger.store)
    assert aliases(settings) == (3, 2)
    assert problems(settings) == ()


def cut(settings: Settings, last: int) -> None:
    """Remove what was written after that record from the database, and from the tags."""
    with open_database(settings.database).begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM audit WHERE number > {last}")
    store = ModelStore(settings)
    for version in store.versions(NAME):
        for tag in version.tags:
            if tag.startswith("audit.") and int(tag.removeprefix("audit.")) > last:
                store.client.delete_model_version_tag(NAME, str(version.version), tag)


def entry_about(number: int) -> AuditEntry:
    return AuditEntry(model=NAME, action="verdict", by="gate", to_version=number)


def test_the_command_line_restores_accepts_and_tells_which_is_which(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["models", "audit", NAME, *arguments])
        return f"{done.output}{done.exception or ''}"

    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(settings.var_dir))
    store = ModelStore(settings)
    store.set_alias(NAME, "production", None)
    assert "the alias 'production' is on version none" in said("--verify")
    assert "is on version 2 again" in said("--restore")
    assert "tags and aliases agree" in said("--verify")
    copy = tmp_path / "audit.jsonl"
    copy.write_text(said("--json"))

    cut(settings, 14)
    store.set_alias(NAME, "production", 1)
    told = said("--verify")
    assert "NOT SOUND  it was shortened: it ends at record 14" in told
    assert "this host has seen record 16" in told
    assert "0 records put back" in said("--restore")
    assert aliases(settings) == (1, 1), "what a refused audit says is not put back"
    assert "2 records put back" in said("--restore", "--from", str(copy))
    assert "tags and aliases agree" in said("--verify")
    assert aliases(settings) == (2, 1)

    cut(settings, 14)
    store.set_alias(NAME, "production", 1)
    told = said("--accept-shorter")
    assert "remembered record 16" in told and "the audit that ends at record 14" in told
    assert "tags and aliases agree" in said("--verify")
    assert "--from without --restore" in said("--from", str(copy))
    copy.write_text("{}\n")
    assert "line 1 of" in said("--restore", "--from", str(copy))


@pytest.mark.parametrize("tampering", ["alias", "row", "tag", "cut"])
def test_what_is_changed_behind_the_audits_back_is_found(
    settings: Settings, tampering: str
) -> None:
    ledger = open_ledger(settings)
    if tampering == "alias":
        ledger.store.set_alias(NAME, "production", 7)
    elif tampering == "tag":
        ledger.store.set_tag(NAME, 2, "audit.000016", "{}")
    else:
        statement = {
            "row": "UPDATE audit SET reason = 'all is well' WHERE number = 2",
            "cut": "DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)",
        }[tampering]
        with open_database(settings.database).begin() as connection:
            connection.exec_driver_sql(statement)
    told = {
        "alias": "'production' is on version 7, the audit has 2",
        "tag": "record 16 differs from the tag of version 2",
        "row": "record 2: its contents do not fit its hash",
        "cut": "record 16 is a tag of a version, and missing from the database",
    }
    assert any(told[tampering] in problem for problem in problems(settings))


def test_tags_that_somebody_made_up_stop_no_move_and_no_restoring(settings: Settings) -> None:
    """Whoever may write to MLflow may write tags: what is missing is what a trusted key signed."""
    ledger = open_ledger(settings)
    before = ledger.records(NAME)
    ledger.store.set_tag(NAME, 3, "audit.000099", "{}")
    ledger.store.set_tag(NAME, 3, "audit.000017", to_json(replace(before[-1], number=17)))
    ledger.store.set_tag(NAME, 3, "audit.000016", to_json(replace(before[-1], who="eve")))
    assert [p for p in problems(settings) if "no trusted key signed: delete it" in p] == [
        f"version 3 has a tag audit.{number:06d} that no trusted key signed: delete it"
        for number in (16, 17, 99)
    ]
    rollback(ledger, NAME)
    assert aliases(settings) == (1, 2)
    with open_database(settings.database).begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE number > 3")
    restore(ledger.store, ledger.trail, NAME, trusted_keys(settings))
    assert ledger.records(NAME)[: len(before)] == before


def test_a_tag_that_was_overwritten_is_written_again_by_the_next_command(
    settings: Settings,
) -> None:
    ledger = open_ledger(settings)
    ledger.store.set_tag(NAME, 2, "audit.000016", "{}")
    settle(ledger, NAME)
    assert problems(settings) == ()


def test_versions_beyond_one_page_of_mlflows_list_are_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else many made-up versions hide those that are on record, and their aliases are removed."""
    monkeypatch.setattr("registry.store.PAGE", 5)
    ledger = open_ledger(settings)
    assert [version.version for version in ledger.store.versions(NAME)] == list(range(12, 0, -1))
    assert aliases_astray(ledger.store, NAME, ledger.records(NAME)) == ()


def test_only_the_artefact_that_was_promoted_is_vouched_for(settings: Settings) -> None:
    ledger = open_ledger(settings)
    production, staged = (ledger.store.get(NAME, number) for number in (2, 7))
    keys = trusted_keys(settings)
    require_vouched(production, ledger.records(NAME), keys)
    with pytest.raises(UserError, match="the audit has version 2 in production"):
        require_vouched(staged, ledger.records(NAME), keys)
    swapped = replace(production, tags={**production.tags, "artifact.digest": "0" * 64})
    with pytest.raises(UserError, match="promoted with other files than it has now"):
        require_vouched(swapped, ledger.records(NAME), keys)
    with pytest.raises(UserError, match=r"the audit is not sound: .*unknown key"):
        require_vouched(production, ledger.records(NAME), {})


def test_a_version_whose_files_were_swapped_is_not_rolled_back_to(settings: Settings) -> None:
    ledger = open_ledger(settings)
    ledger.store.set_tag(NAME, 1, "artifact.digest", "0" * 64)
    with pytest.raises(UserError, match="version 1 has other files than when it was promoted"):
        rollback(ledger, NAME)
    ledger.store.set_alias(NAME, "previous", 9)  # by hand: what the audit has there counts
    with pytest.raises(UserError, match="version 1 has other files than when it was promoted"):
        rollback(ledger, NAME)
    assert aliases(settings) == (2, 1)


def test_a_host_with_the_public_key_alone_sees_and_verifies_but_cannot_move(
    settings: Settings,
) -> None:
    key = open_ledger(settings).key
    elsewhere = settings.model_copy(
        update={"database_url": settings.database, "audit_public_keys": key.public_key_hex}
    )
    store, records = look_at(elsewhere, NAME)
    assert audit_problems(store, NAME, records, trusted_keys(elsewhere)) == ()
    assert [record.action for record in records] == ["staged"] * 12 + ["moving", "moved"] * 2
    with pytest.raises(UserError, match="LEAFGATE_AUDIT_KEY is not set"):
        open_ledger(elsewhere)


def test_a_lost_database_is_restored_from_the_tags_and_nothing_moves_before(
    settings: Settings,
) -> None:
    ledger = open_ledger(settings)
    before = ledger.records(NAME)
    with open_database(settings.database).begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
    for act in (
        lambda: move_to(ledger, 3, champion=2),
        lambda: rollback(ledger, NAME),
        lambda: force(ledger, ledger.store.get(NAME, 5), "now"),
    ):
        with pytest.raises(UserError, match="record 1 is missing, the versions' tags have it"):
            act()
    assert look_at(settings, NAME)[1] == ()  # looking is possible all the same

    keys = trusted_keys(settings)
    assert restore(ledger.store, ledger.trail, NAME, keys) == before
    assert problems(settings) == ()
    assert restore(ledger.store, ledger.trail, NAME, keys) == ()


def test_a_row_that_was_changed_stops_every_move_until_it_is_deleted_and_restored(
    settings: Settings,
) -> None:
    ledger = open_ledger(settings)
    database, keys = open_database(settings.database), trusted_keys(settings)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET reason = 'all is well' WHERE number = 2")
    with pytest.raises(UserError, match="record 2: its contents do not fit its hash"):
        rollback(ledger, NAME)
    with pytest.raises(UserError, match="do not mend its audit: record 2"):
        restore(ledger.store, ledger.trail, NAME, keys)

    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE number = 2")
    assert [record.number for record in restore(ledger.store, ledger.trail, NAME, keys)] == [2]
    rollback(ledger, NAME)
    assert problems(settings) == ()


def test_an_alias_that_was_moved_by_hand_is_put_on_record_with_what_was_before(
    settings: Settings,
) -> None:
    ledger = open_ledger(settings)
    ledger.store.set_alias(NAME, "production", 7)
    force(ledger, ledger.store.get(NAME, 7), "it was moved by hand")
    assert aliases(settings) == (7, 2)
    assert problems(settings) == ()
    rollback(ledger, NAME)
    assert aliases(settings) == (2, 7)
    assert problems(settings) == ()


def test_a_tag_that_only_looks_like_a_record_disturbs_nothing(settings: Settings) -> None:
    ledger = open_ledger(settings)
    ledger.store.set_tag(NAME, 2, "audit.note", "seen by Ada")
    rollback(ledger, NAME)
    assert problems(settings) == ()
