"""The audit chain: whoever changes it without the key is seen, and two never write one number."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from leafgate.audit import AuditEntry, AuditRecord, from_json, problems, sign, to_json
from leafgate.audit_key import SigningKey
from leafgate.errors import UserError
from sql import SqlAuditTrail, open_database

KEY = SigningKey(bytes(range(32)))
STRANGER = SigningKey(bytes(range(1, 33)))
TRUSTED = {KEY.id: KEY.public}
NAME = "Blätter-分類器 🍂"


def entry(number: int = 1, model: str = NAME) -> AuditEntry:
    return AuditEntry(model=model, action="moved", by="gate", to_version=number, reason="sound")


def chain(length: int, key: SigningKey = KEY, model: str = NAME) -> list[AuditRecord]:
    made: list[AuditRecord] = []
    for number in range(1, length + 1):
        made.append(sign(entry(number, model), made[-1] if made else None, key))
    return made


@pytest.fixture
def trail(database: sa.Engine) -> SqlAuditTrail:
    return SqlAuditTrail(database)


def test_a_chain_of_several_records_verifies() -> None:
    made = chain(5)
    assert problems(made, TRUSTED) == ()
    assert problems([], TRUSTED) == ()
    assert [record.number for record in made] == [1, 2, 3, 4, 5]
    assert made[0].previous_hash == ""
    assert made[4].previous_hash == made[3].hash
    assert made[0].at_utc.endswith("Z") and len(made[0].at_utc) == len("2026-01-31T12:00:00.000Z")


def _resigned(made: list[AuditRecord], place: int, key: SigningKey, **changes: object) -> None:
    changed = replace(made[place], **changes)  # type: ignore[arg-type]
    made[place] = sign(changed, made[place - 1] if place else None, key)


def _change_a_field(made: list[AuditRecord]) -> None:
    made[2] = replace(made[2], to_version=9)


def _delete_one(made: list[AuditRecord]) -> None:
    del made[2]


def _reorder(made: list[AuditRecord]) -> None:
    made[2], made[3] = made[3], made[2]


def _double(made: list[AuditRecord]) -> None:
    made.insert(3, made[2])


def _sign_by_a_stranger(made: list[AuditRecord]) -> None:
    _resigned(made, 4, STRANGER, to_version=9)


def _forge_the_signature(made: list[AuditRecord]) -> None:
    _resigned(made, 4, STRANGER, to_version=9)
    honest = sign(replace(made[4], to_version=9), made[3], KEY)
    made[4] = replace(honest, signature=made[4].signature)


def _spoil_the_signature(made: list[AuditRecord]) -> None:
    made[4] = replace(made[4], signature="no hex")


def _link_elsewhere(made: list[AuditRecord]) -> None:
    made[4] = sign(made[4], replace(made[3], hash="0" * 64), KEY)


def _rewrite_with_the_key(made: list[AuditRecord]) -> None:
    _resigned(made, 2, KEY, to_version=9)


def _cut_the_head(made: list[AuditRecord]) -> None:
    del made[0]


def _put_another_models_record(made: list[AuditRecord]) -> None:
    made[4] = chain(5, model="other")[4]


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (_change_a_field, ["record 3: its contents do not fit its hash"]),
        (_delete_one, ["record 4: record 3 should stand before it and is missing"]),
        (_cut_the_head, ["record 2: record 1 should stand before it and is missing"]),
        (_reorder, ["record 4: record 3", "record 3: it is out of order", "record 5: record 4"]),
        (_double, ["record 3: it is there twice"]),
        (_sign_by_a_stranger, [f"record 5: it is signed by the unknown key '{STRANGER.id}'"]),
        (_forge_the_signature, [f"record 5: its signature by the key {KEY.id} does not verify"]),
        (_spoil_the_signature, [f"record 5: its signature by the key {KEY.id} does not verify"]),
        (_link_elsewhere, ["record 5: it does not link to the record before it"]),
        (_rewrite_with_the_key, ["record 4: it does not link to the record before it"]),
        (_put_another_models_record, ["record 5: it is of the model 'other'", "record 5: it does"]),
    ],
)
def test_tampering_is_found_and_named(
    tamper: Callable[[list[AuditRecord]], None], told: list[str]
) -> None:
    made = chain(5)
    tamper(made)
    found = problems(made, TRUSTED)
    assert len(found) == len(told), found
    assert all(sentence.startswith(start) for sentence, start in zip(found, told, strict=True))


def test_every_field_is_part_of_what_is_signed() -> None:
    first, record = chain(2)
    for name, value in vars(record).items():
        other = 77 if isinstance(value, int) or value is None else f"{value}x"
        changed = replace(record, **{name: other})  # type: ignore[arg-type]
        assert problems([first, changed], TRUSTED), name


def test_a_record_never_follows_another_models() -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        sign(entry(model="other"), chain(1)[0], KEY)


def test_json_brings_back_the_record_and_refuses_what_is_none() -> None:
    record = chain(2)[1]
    text = to_json(record)
    assert from_json(text) == record
    assert ": " not in text and NAME in text
    for wrong in (
        "",
        "{",
        "[]",
        "{}",
        text.replace('"number":2', '"number":"2"'),
        text.replace('"moved"', '"flown"'),
        text.replace('"outcome":"",', ""),
        text.replace("{", '{"more":1,', 1),
    ):
        with pytest.raises(ValueError, match=r"(?s)."):
            from_json(wrong)


def test_the_database_brings_back_what_was_put_in(trail: SqlAuditTrail) -> None:
    first = sign(AuditEntry(model=NAME, action="verdict", by="gate", who="Zoë"), None, KEY)
    odd = replace(entry(), reason="é\u0301 “so” \n\t " + "x" * 20_000, report="\0 \udcff", who="名")
    second = sign(replace(odd, from_version=3, previous_version=2), first, KEY)
    assert second.report == "\N{REPLACEMENT CHARACTER} ?", "what PostgreSQL would refuse"
    assert trail.last(NAME) is None and trail.records(NAME) == ()
    assert trail.append(first) and trail.append(second)
    assert trail.append(chain(1, model="other")[0])
    assert trail.records(NAME) == (first, second)
    assert trail.last(NAME) == second
    assert problems(trail.records(NAME), TRUSTED) == ()


@pytest.mark.parametrize("column", ["number", "to_version", "signature", "reason", "hash"])
def test_a_row_of_other_types_is_named_and_no_crash(
    migrated_file: Path, tmp_path: Path, column: str
) -> None:
    file = shutil.copy(migrated_file, tmp_path / "audit.db")
    engine = open_database(f"sqlite:///{file}")
    trail = SqlAuditTrail(engine)
    for record in chain(2):
        trail.append(record)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE audit SET {column} = x'00ff' WHERE number = 2")
    with pytest.raises(UserError, match=f"{column} of record") as refused:
        trail.records(NAME)
    assert refused.value.code == "audit_unsound"


def test_of_twenty_that_append_one_number_exactly_one_wins(trail: SqlAuditTrail) -> None:
    start = threading.Barrier(20)
    rivals = [sign(replace(entry(), holder=f"host:{pid}"), None, KEY) for pid in range(20)]

    def append(record: AuditRecord) -> bool:
        start.wait()
        return trail.append(record)

    with ThreadPoolExecutor(20) as threads:
        won = list(threads.map(append, rivals))
    assert sum(won) == 1
    assert trail.records(NAME) == (rivals[won.index(True)],)


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    trail = SqlAuditTrail(open_database("postgresql+psycopg://ada:hunter2@127.0.0.1:1/x"))
    for ask in (lambda: trail.append(chain(1)[0]), lambda: trail.records(NAME)):
        with pytest.raises(UserError, match="does not answer") as raised:
            ask()
        assert raised.value.code == "audit_unreachable"
        assert "hunter2" not in str(raised.value)
