"""A person's word that a version is not to come into production, and the end of it.

The gate still judges such a version and does not promote it, and nothing rolls back to it. By force
it goes into production all the same: that is a person's word too, and ends the hold.
"""

from typing import Literal

from leafgate.audit import AuditEntry, AuditRecord, this_person
from leafgate.errors import UserError
from registry.ledger import Ledger, standing
from registry.overriding import require_reason
from registry.promotion import one_line, settle
from registry.store import DIGEST_TAG, ModelVersion


def hold(ledger: Ledger, version: ModelVersion, reason: str, who: str | None = None) -> AuditRecord:
    """Keep a version out of production until it is released.

    who: on whose word; this person's where it is left out. Raises UserError, and writes nothing,
    without a reason (`no_reason`), for the version in production (`in_production`) and for one that
    is on hold (`held_already`).
    """
    require_reason(reason, "a hold")
    while True:
        last = settle(ledger, version.name)
        _require_not_in_production(ledger, version)
        held = _hold_of(ledger, version)
        if held is not None:
            raise UserError(
                f"{version} is on hold already: {held.who} says: {one_line(held.reason)}",
                "nothing has to be done; release it first to give another reason",
                code="held_already",
            )
        written = ledger.write_after(last, _entry("held", version, reason, who))
        if written is not None:  # else something happened meanwhile: look again
            return written


def release(
    ledger: Ledger, version: ModelVersion, reason: str, who: str | None = None
) -> AuditRecord:
    """Let a version that is on hold come into production again, where gate or person want it.

    Raises UserError, and writes nothing, without a reason (`no_reason`) and for one that is not on
    hold (`not_held`).
    """
    require_reason(reason, "a release")
    while True:
        last = settle(ledger, version.name)
        if _hold_of(ledger, version) is None:
            raise UserError(f"{version} is not on hold", "nothing has to be done", code="not_held")
        written = ledger.write_after(last, _entry("released", version, reason, who))
        if written is not None:
            return written


def _require_not_in_production(ledger: Ledger, version: ModelVersion) -> None:
    """By the audit: an alias that other hands moved puts nothing into production."""
    if version.version == standing(ledger.records(version.name)).production:
        raise UserError(
            f"{version} is in production, where a hold would change nothing",
            f"go back to the version before: `leafgate models rollback {version.name}`",
            code="in_production",
        )


def _hold_of(ledger: Ledger, version: ModelVersion) -> AuditRecord | None:
    return standing(ledger.records(version.name)).held.get(version.version)


def _entry(
    action: Literal["held", "released"], version: ModelVersion, reason: str, who: str | None
) -> AuditEntry:
    return AuditEntry(
        model=version.name,
        action=action,
        by="person",
        who=who or this_person(),
        to_version=version.version,
        artifact_digest=version.tags.get(DIGEST_TAG, ""),
        reason=reason,
    )
