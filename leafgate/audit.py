"""The audit chain: every verdict, move and hold, each record tied to the one before.

A record carries the SHA-256 of its contents, among them the hash of the record before it, and an
Ed25519 signature of that hash: nobody can change, remove or insert a record without the key and
stay unseen. What a chain cannot show by itself is that its last records were cut off: the copies
in the versions' tags show that, and what each host remembers (`registry.audit_memory`).
"""

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

from leafgate.audit_key import SigningKey, verifies
from leafgate.strict_json import dump_json

MAX_PERSON_CHARACTERS = 100

Action = Literal["staged", "verdict", "moving", "moved", "abandoned", "held", "released"]
Cause = Literal["gate", "force", "rollback", "registration", "recovery", "person"]


def this_person() -> str:
    """Who runs this process, as the system knows them; in letters that every record can hold."""
    try:
        name = getpass.getuser()[:MAX_PERSON_CHARACTERS]
        return "".join(letter if letter.isprintable() else "?" for letter in name)
    except (OSError, KeyError):  # a container's user without a name
        return f"uid {os.getuid()}"


def this_process() -> str:
    """The running process among all that may gate, as `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """What happened, before it is signed.

    by: what caused it. who: on whose word. from_version, to_version: of `production`, for moves;
    the version of a verdict or a hold is to_version. previous_version: what `previous` named before
    the move. outcome: a verdict's, empty for moves. holder: `host:pid` of who is moving. Digests
    are SHA-256 in hex.
    """

    model: str
    action: Action
    by: Cause
    who: str = field(default_factory=this_person)
    from_version: int | None = None
    to_version: int | None = None
    previous_version: int | None = None
    outcome: str = ""
    holder: str = field(default_factory=this_process)
    policy_digest: str = ""
    artifact_digest: str = ""
    report: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditRecord(AuditEntry):
    """An entry in its place in the chain of its model, signed.

    number: from 1, without gaps. at_utc: ISO 8601 with milliseconds, `2026-01-31T12:00:00.000Z`.
    previous_hash: of record number - 1, empty for the first. key: id of the signing key. hash: of
    `contents`, SHA-256 in hex. signature: Ed25519 of the hash's ASCII bytes, in hex.
    """

    number: int
    at_utc: str
    previous_hash: str
    key: str
    hash: str
    signature: str

    def contents(self) -> bytes:
        """What is hashed: canonical JSON (sorted, compact, UTF-8) of all but hash and signature."""
        values = {k: v for k, v in asdict(self).items() if k not in ("hash", "signature")}
        return _compact(values).encode("utf-8", "replace")


CODEC = TypeAdapter(AuditRecord)


class AuditTrail(Protocol):
    """Where records are kept. Each call raises UserError (`audit_unreachable`) without an answer;
    whether an append that failed so took place, `last` tells.
    """

    def append(self, record: AuditRecord) -> bool:
        """Keep the record. False, and nothing changed, where its model has that number already."""

    def records(self, model: str) -> tuple[AuditRecord, ...]:
        """All of a model, by number."""

    def last(self, model: str) -> AuditRecord | None:
        """The newest of a model."""


def sign(
    entry: AuditEntry, after: AuditRecord | None, key: SigningKey, at_utc: str | None = None
) -> AuditRecord:
    """The record of `entry` that follows `after` (None: the first), now unless `at_utc` is given.

    Characters that not every database keeps (NUL, lone surrogates) are replaced. Raises
    ValueError where `after` is of another model.
    """
    if after is not None and after.model != entry.model:
        raise ValueError(f"a record of {entry.model!r} cannot follow one of {after.model!r}")
    given: dict[str, Any] = {f.name: _storable(getattr(entry, f.name)) for f in fields(AuditEntry)}
    unsigned = AuditRecord(
        **given,
        number=after.number + 1 if after else 1,
        at_utc=at_utc or _now(),
        previous_hash=after.hash if after else "",
        key=key.id,
        hash="",
        signature="",
    )
    digest = hashlib.sha256(unsigned.contents()).hexdigest()
    return replace(unsigned, hash=digest, signature=key.sign(digest.encode()))


def to_json(record: AuditRecord) -> str:
    """The record as compact JSON."""
    return _compact(asdict(record))


def from_json(text: str) -> AuditRecord:
    """The record that `to_json` wrote; its hash and signature are not looked at (see `problems`).

    Raises ValueError for a text that is none: no JSON, a field too many, too few or of a wrong
    type.
    """
    record = CODEC.validate_json(text, strict=True)
    if asdict(record) != json.loads(text):
        raise ValueError("no audit record: it has fields too few or too many")
    return record


def problems(
    records: Sequence[AuditRecord],
    trusted: Mapping[str, bytes],
    after: AuditRecord | None = None,
) -> tuple[str, ...]:
    """What is wrong with the chain of one model, a sentence each; empty for a sound one.

    records: all of them, in order. trusted: public keys (32 bytes) by id. after: the last record
    of a part of the chain that is verified already, where `records` are only those that follow.
    """
    found: list[str] = []
    before = after
    for record in records:
        wrong = (*_misplaced(record, before), *_forged(record, trusted))
        found += [f"record {record.number}: {what}" for what in wrong]
        before = record
    return tuple(found)


def is_authentic(record: AuditRecord, trusted: Mapping[str, bytes]) -> bool:
    """Whether a trusted key signed this record, wherever it was found."""
    return not any(_forged(record, trusted))


def _misplaced(record: AuditRecord, before: AuditRecord | None) -> Iterator[str]:
    due = before.number + 1 if before else 1
    if before and record.model != before.model:
        yield f"it is of the model {record.model!r}, the one before it of {before.model!r}"
    if record.number > due:
        yield f"record {due} should stand before it and is missing"
    elif record.number < due:
        state = "there twice" if before and record.number == before.number else "out of order"
        yield f"it is {state}: record {due} should stand here"
    elif record.previous_hash != (before.hash if before else ""):
        yield "it does not link to the record before it (previous_hash is another)"


def _forged(record: AuditRecord, trusted: Mapping[str, bytes]) -> Iterator[str]:
    if record.hash != hashlib.sha256(record.contents()).hexdigest():
        yield "its contents do not fit its hash: they were changed"
    if record.key not in trusted:
        yield f"it is signed by the unknown key {record.key!r}"
    elif not verifies(trusted[record.key], record.signature, record.hash.encode()):
        yield f"its signature by the key {record.key} does not verify"


def _compact(values: Mapping[str, object]) -> str:
    return dump_json(values, sort_keys=True, separators=(",", ":"))


def _storable(value: object) -> object:
    if not isinstance(value, str):
        return value
    whole = value.encode("utf-8", "replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
