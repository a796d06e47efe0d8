"""Moving the alias `production`, so that whatever is killed half-way can be told and mended.

A move is written down before (`moving`) and after (`moved`). In between, one call sets the alias
`production`: before it the old state holds, after it the new one. `settle` finishes what was
killed: it reads which of the two it is, sets `previous` to match, and writes `moved` or
`abandoned`.
"""

import time
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

from leafgate.audit import AuditEntry, AuditRecord, Cause, this_person, this_process
from leafgate.errors import UserError
from leafgate.progress import tell
from registry.ledger import Ledger, is_abandoned, standing
from registry.registration import require_registered
from registry.store import DIGEST_TAG, PREVIOUS, PRODUCTION, ModelVersion
from registry.vouching import aliases_astray

PATIENCE_SECONDS = 60.0  # for a move of another process, before it is taken for dead
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Grounds:
    """Why a version moves, and on whose word. report: where the gate's is, in MLflow."""

    by: Cause
    reason: str
    policy_digest: str = ""
    report: str = ""
    who: str = field(default_factory=this_person)


class ProductionChanged(Exception):
    """Another version came into production since the candidate was compared with the old one."""


class OnHold(UserError):
    """The version is not to come into production. hold: the record that says who wants it so."""

    def __init__(self, version: ModelVersion, hold: AuditRecord) -> None:
        super().__init__(
            f"{version} is on hold: {hold.who} says: {one_line(hold.reason)}",
            f"release it first: `leafgate models release {version.name} --version "
            f'{version.version} --reason "…"`',
            code="on_hold",
        )
        self.hold = hold


def promote(
    ledger: Ledger, version: ModelVersion, grounds: Grounds, champion: int | None
) -> AuditRecord | None:
    """Put `version` into production in place of `champion`; None where the audit has it there.

    Raises ProductionChanged where another version is in production by now, OnHold for one that a
    person holds (by force it comes all the same, which ends the hold), and UserError for one whose
    registration is not on record, and where registry or database do not answer; the next command
    then finishes or takes back the move.
    """
    while True:
        last = realign(ledger, version.name)
        require_registered(version, ledger.records(version.name))
        if grounds.by != "force":
            _require_not_held(ledger, version)
        now = ledger.store.find(version.name, PRODUCTION)
        if now is not None and now.version == version.version:
            return _vouch(ledger, version, grounds)
        if (now.version if now else None) != champion:
            raise ProductionChanged(str(now))
        moving = ledger.write_after(last, _entry(ledger, "moving", version, champion, grounds))
        if moving is not None:
            return _carry_out(ledger, version, moving)


def one_line(text: str) -> str:
    """What a person wrote, for the middle of a line."""
    return " ".join(text.split())


def _require_not_held(ledger: Ledger, version: ModelVersion) -> None:
    """Read after `settle`: what is written later than this makes the move begin anew."""
    hold = standing(ledger.records(version.name)).held.get(version.version)
    if hold is not None:
        raise OnHold(version, hold)


def settle(ledger: Ledger, name: str) -> AuditRecord | None:
    """Wait for a move under way, or finish one that was killed; the last record.

    Aliases are in the old state or in the new one afterwards, and the audit says which.
    """
    waited = False
    while True:
        records = ledger.sound_records(name)
        pending = standing(records).pending
        if pending is None:
            return records[-1] if records else None
        if not is_abandoned(pending, PATIENCE_SECONDS):
            if not waited:
                tell(f"{pending.who} is moving {name} on {pending.holder}: waiting for it")
            waited = True
            time.sleep(POLL_SECONDS)
            continue
        _finish(ledger, pending)


def realign(ledger: Ledger, name: str) -> AuditRecord | None:
    """`settle`, and put aliases that other hands moved or deleted where the audit has them; the
    last record. The production and previous version are then those of the audit.
    """
    while True:
        last = settle(ledger, name)
        astray = aliases_astray(ledger.store, name, ledger.records(name))
        if astray and ledger.trail.last(name) != last:
            continue  # it is a move that began meanwhile
        for alias in astray:
            tell(alias.put_back(ledger.store))
        return last


def _finish(ledger: Ledger, pending: AuditRecord) -> None:
    """Write how a move that was killed has ended. Another process may do the same first."""
    store, name = ledger.store, pending.model
    now = store.find(name, PRODUCTION)
    done = now is not None and now.version == pending.to_version
    if not done:
        store.set_alias(name, PREVIOUS, pending.previous_version)
    elif pending.from_version is not None:
        store.set_alias(name, PREVIOUS, pending.from_version)
    told = f"record {pending.number} was cut off {'after' if done else 'before'} the alias moved"
    ended = _followed(
        pending,
        action="moved" if done else "abandoned",
        by="recovery",
        who=this_person(),
        holder=this_process(),
        reason=f"{told}: {pending.reason}",
    )
    ledger.write_after(pending, ended)


def _followed(record: AuditRecord, **changes: Any) -> AuditEntry:  # noqa: ANN401 - as in AuditEntry
    """What follows a record about the same move."""
    same = {field.name: getattr(record, field.name) for field in fields(AuditEntry)}
    return AuditEntry(**{**same, **changes})


def _entry(
    ledger: Ledger,
    action: Literal["moving", "moved"],
    version: ModelVersion,
    champion: int | None,
    grounds: Grounds,
) -> AuditEntry:
    previous = ledger.store.find(version.name, PREVIOUS)
    return AuditEntry(
        model=version.name,
        action=action,
        by=grounds.by,
        who=grounds.who,
        from_version=champion,
        to_version=version.version,
        previous_version=previous.version if previous else None,
        policy_digest=grounds.policy_digest,
        artifact_digest=version.tags.get(DIGEST_TAG, ""),
        report=grounds.report,
        reason=grounds.reason,
    )


def _carry_out(ledger: Ledger, version: ModelVersion, moving: AuditRecord) -> AuditRecord:
    """Set the aliases, and write that it is done."""
    store = ledger.store
    store.set_alias(version.name, PRODUCTION, version.version)  # from here on the new state holds
    if moving.from_version is not None:
        store.set_alias(version.name, PREVIOUS, moving.from_version)
    store.set_tags(version, {"promoted.by": moving.who, "promoted.at": utc_now()})
    moved = ledger.write_after(moving, _followed(moving, action="moved"))
    if moved is None:
        _yield_to_others(ledger, version.name)
    return moved or moving


def _yield_to_others(ledger: Ledger, name: str) -> None:
    """A move took so long that others took it for dead: what they wrote holds."""
    settle(ledger, name)
    held = standing(ledger.records(name))
    ledger.store.set_alias(name, PRODUCTION, held.production)
    ledger.store.set_alias(name, PREVIOUS, held.previous)
    raise UserError(
        f"the registry took more than {PATIENCE_SECONDS:g} s, and another command has settled the "
        f"move of {name} meanwhile: version {held.production} is in production",
        "see `leafgate models audit`, and give the command again if that is not what you want",
        code="move_overtaken",
    )


def _vouch(ledger: Ledger, version: ModelVersion, grounds: Grounds) -> AuditRecord | None:
    """Write down a version whose alias was set by other hands."""
    last = settle(ledger, version.name)
    held = standing(ledger.records(version.name))
    if held.production == version.version:
        return None
    entry = _entry(ledger, "moved", version, held.production, grounds)
    if held.production is not None:
        ledger.store.set_alias(version.name, PREVIOUS, held.production)
    return ledger.write_after(last, entry) or _vouch(ledger, version, grounds)


def utc_now() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
