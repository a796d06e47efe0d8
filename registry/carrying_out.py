"""Does what a person asks to be done with a version, and says what became of it, in a sentence."""

from collections.abc import Sequence

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from registry.holding import hold, release
from registry.ledger import Ledger, standing
from registry.move import Move, Moved
from registry.overriding import force, rollback
from registry.promotion import settle
from registry.store import ModelVersion


def carry_out(ledger: Ledger, move: Move) -> Moved:
    """Do it. Raises the UserError of whatever is in the way; nothing has moved then."""
    return HOW[move.how](ledger, move)


def _promote(ledger: Ledger, move: Move) -> Moved:
    version = _version(ledger, move)
    settle(ledger, move.model)
    records = ledger.records(move.model)
    done = force(ledger, version, move.reason, move.who)
    if done is None:
        told = f"{version} is in production already: nothing was done"
        return Moved(version.version, version.version, move.who, told)
    place = f" in place of version {done.from_version}" if done.from_version else ""
    ended = ", which ends its hold" if version.version in standing(records).held else ""
    told = f"{version} is in production{place}, by force{ended}; {_of_the_gate(records, version)}"
    return Moved(version.version, done.from_version, move.who, told)


def _of_the_gate(records: Sequence[AuditRecord], version: ModelVersion) -> str:
    """What the gate's last word on the version was."""
    verdicts = [
        record
        for record in records
        if record.action == "verdict" and record.to_version == version.version
    ]
    if not verdicts:
        return "the gate has not judged it"
    if verdicts[-1].outcome == "held back":
        return f"the gate had held it back ({verdicts[-1].reason})"
    return "the gate had passed it"


def _rollback(ledger: Ledger, move: Move) -> Moved:
    now, before = rollback(ledger, move.model, move.reason, move.version, move.who)
    told = f"{now} is in production again; version {before.version} is kept as previous"
    return Moved(now.version, before.version, move.who, told)


def _hold(ledger: Ledger, move: Move) -> Moved:
    version = _version(ledger, move)
    hold(ledger, version, move.reason, move.who)
    told = f"{version} is on hold: until it is released, no gate and no rollback puts it into "
    told += "production"
    return _unmoved(ledger, move, told)


def _release(ledger: Ledger, move: Move) -> Moved:
    version = _version(ledger, move)
    release(ledger, version, move.reason, move.who)
    told = f"{version} is no longer on hold; the gate may promote it when it judges it again"
    return _unmoved(ledger, move, told)


HOW = {"promote": _promote, "rollback": _rollback, "hold": _hold, "release": _release}


def _version(ledger: Ledger, move: Move) -> ModelVersion:
    if move.version is None:
        raise UserError(f"no version to {move.how}", "name one", code="no_such_version")
    return ledger.store.get(move.model, move.version)


def _unmoved(ledger: Ledger, move: Move, told: str) -> Moved:
    now = standing(ledger.records(move.model)).production
    return Moved(now, now, move.who, told)
