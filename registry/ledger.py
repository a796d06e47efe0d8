"""The audit of one registry: signed records, appended one after the other, mirrored on versions.

The database's trail decides, since it can compare and set; each record is also a tag of the version
it is about, so that a lost or cut database is noticed and can be read back. What a host has
verified or written it remembers: it notices a cut even where the tags are gone too.
"""

import logging
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from leafgate.audit import (
    AuditEntry,
    AuditRecord,
    AuditTrail,
    from_json,
    is_authentic,
    problems,
    sign,
    to_json,
)
from leafgate.audit_key import SigningKey, trusted_keys
from leafgate.errors import UserError
from registry.audit_memory import AuditMemory, remedy
from registry.store import ModelStore, ModelVersion

log = logging.getLogger(__name__)

TAG = "audit."


@dataclass(frozen=True)
class Ledger:
    """Where verdicts and moves are written down. key: signs them."""

    store: ModelStore
    trail: AuditTrail
    key: SigningKey

    @property
    def memory(self) -> AuditMemory:
        """What this host remembers of the audit."""
        return AuditMemory(self.store.settings)

    def records(self, model: str) -> tuple[AuditRecord, ...]:
        """All of a model, oldest first."""
        return self.trail.records(model)

    def write(self, entry: AuditEntry) -> AuditRecord:
        """Append the entry, whatever else is written at the same time."""
        while True:
            written = self.write_after(self.trail.last(entry.model), entry)
            if written is not None:
                return written

    def write_after(self, last: AuditRecord | None, entry: AuditEntry) -> AuditRecord | None:
        """Append the entry where `last` is still the last record; else None, and nothing is done.

        Raises UserError where the database cannot be reached, and `audit_unsound` where this host
        remembers more than `last`: the trail was cut since it was verified.
        """
        if not self._may_follow(last, entry.model):
            return None
        record = sign(entry, last, self.key)
        if not self.trail.append(record):
            return None
        self._remember(record)
        self.mirror(record)
        return record

    def _may_follow(self, last: AuditRecord | None, model: str) -> bool:
        """Whether a record may follow `last`; False where another process has written meanwhile."""
        remembered = self.memory.recall(model)
        if remembered is None or remembered.last == last:
            return True
        if last is not None and remembered.last.number < last.number:
            return True
        if self.trail.last(model) != last:
            return False
        raise _unsound(model, remembered.contradiction(self.trail.records(model)) or "it was cut")

    def _remember(self, record: AuditRecord) -> None:
        """What is written is written, even where it cannot be remembered."""
        try:
            self.memory.add(record)
        except UserError as error:
            log.warning("%s", error)

    def mirror(self, record: AuditRecord) -> None:
        """Write the record on the version that it is about, as a tag."""
        number = about(record)
        if number is not None:
            self.store.set_tag(record.model, number, tag_of(record), to_json(record))

    def sound_records(self, model: str) -> tuple[AuditRecord, ...]:
        """All records of a model, after what a killed process could not mirror is mirrored.

        Raises UserError `audit_unsound` where the chain is broken, or shorter than its mirror or
        than what this host remembers: what is appended then would hide what is missing.
        """
        remembered = self.memory.recall(model)
        versions = self.store.versions(model)  # first: what is a tag by now is in the database
        records, keys = self.trail.records(model), trusted_keys(self.store.settings)
        there = signed_in(versions, model, keys, records)
        lost = sorted(there.keys() - {record.number for record in records})
        wrong = problems(records, keys)
        if lost:
            wrong = (f"record {lost[0]} is missing, the versions' tags have it", *wrong)
        if not wrong and remembered is not None:
            wrong = tuple(filter(None, [remembered.contradiction(records)]))
        if wrong:
            raise _unsound(model, wrong[0])
        self.memory.note(model, records)
        numbers = {version.version for version in versions}
        for record in records:
            if there.get(record.number) != record and about(record) in numbers:
                self.mirror(record)
        return records


def _unsound(model: str, why: str) -> UserError:
    return UserError(
        f"the audit of {model} is not sound: {why}",
        f"see `leafgate models audit {model} --verify`; {remedy(model)}",
        code="audit_unsound",
    )


def about(record: AuditRecord) -> int | None:
    """The version that a record is about."""
    return record.to_version or record.from_version


def tag_of(record: AuditRecord) -> str:
    """The name of a record's tag; sorts by number."""
    return f"{TAG}{record.number:06d}"


def record_tags(versions: Iterable[ModelVersion]) -> Iterator[tuple[int, str, str]]:
    """(version, name, text) of each tag that should hold a record."""
    for version in versions:
        for name, text in version.tags.items():
            if name.startswith(TAG) and name.removeprefix(TAG).isdecimal():
                yield version.version, name, text


def signed_in(
    versions: Iterable[ModelVersion],
    model: str,
    trusted: Mapping[str, bytes],
    records: Sequence[AuditRecord] = (),
) -> dict[int, AuditRecord]:
    """The records of `model` in tags of its versions, by number, that a trusted key signed.

    Whoever may write to MLflow may write tags: others than these count for nothing. records: are
    taken before others of the same number.
    """
    known = {to_json(record): record for record in records}
    signed: dict[int, AuditRecord] = {}
    for _, _, text in record_tags(versions):
        if text in known:
            signed[known[text].number] = known[text]
            continue
        with suppress(ValueError):
            record = from_json(text)
            if record.model == model and is_authentic(record, trusted):
                signed.setdefault(record.number, record)
    return signed


@dataclass(frozen=True)
class Standing:
    """What the records say: which versions have which alias, and a move that is under way.

    held: versions that a person does not want in production, with the record that says so.
    """

    production: int | None
    previous: int | None
    pending: AuditRecord | None
    held: Mapping[int, AuditRecord] = field(default_factory=dict)


def standing(records: Sequence[AuditRecord]) -> Standing:
    """From all records of one model, oldest first."""
    moves = [record for record in records if record.action == "moved"]
    last = records[-1] if records else None
    pending = last if last is not None and last.action == "moving" else None
    held = _held(records)
    if not moves:
        return Standing(None, None, pending, held)
    return Standing(moves[-1].to_version, moves[-1].from_version, pending, held)


def _held(records: Sequence[AuditRecord]) -> dict[int, AuditRecord]:
    """A hold lasts until it is released, or the version is moved into production all the same."""
    deciding = ("held", "released", "moved")
    last = {about(record): record for record in records if record.action in deciding}
    return {
        version: record
        for version, record in last.items()
        if version is not None and record.action == "held"
    }


def is_abandoned(record: AuditRecord, patience_seconds: float) -> bool:
    """Whether nobody is at that move any more: its process is gone, or has taken too long."""
    host, _, process = record.holder.rpartition(":")
    if host == socket.gethostname() and not _is_running(int(process)):
        return True
    age = datetime.now(UTC) - datetime.fromisoformat(record.at_utc)
    return age.total_seconds() > patience_seconds


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, but there
        pass
    return True
