"""Moves that a person orders: back to the version before, or whatever the gate says."""

from leafgate.audit import AuditRecord, this_person
from leafgate.errors import UserError
from registry.ledger import Ledger
from registry.promotion import Grounds, ProductionChanged, promote, realign
from registry.registration import require_unchanged
from registry.store import DIGEST_TAG, PREVIOUS, PRODUCTION, ModelVersion


def rollback(
    ledger: Ledger,
    name: str,
    reason: str = "",
    only_from: int | None = None,
    who: str | None = None,
) -> tuple[ModelVersion, ModelVersion]:
    """Swap production and previous; returns (now in production, was in production).

    only_from: the version that must be in production, so that several who give the command for the
    same reason go back once. who: on whose word; this person's where it is left out. Raises
    UserError where another one is in production (`not_in_production`), there is no previous
    version, it is on hold, it was never promoted, or its files were changed since.
    """
    while True:
        realign(ledger, name)
        before, wanted = (ledger.store.find(name, alias) for alias in (PRODUCTION, PREVIOUS))
        if only_from is not None and (before is None or before.version != only_from):
            raise UserError(
                f"version {only_from} of {name} is not in production: "
                f"{before.version if before else 'none'} is",
                "nothing has to be done",
                code="not_in_production",
            )
        if before is None or wanted is None or before.version == wanted.version:
            raise UserError(
                f"{name} has no previous version to go back to",
                "`leafgate models list` shows what there is",
                code="no_such_version",
            )
        _require_promoted_before(ledger, wanted)
        ledger.store.stored_folder(wanted)  # the copy that is served, or else MLflow's files
        why = reason or f"back to version {wanted.version}"
        grounds = Grounds("rollback", why, who=who or this_person())
        try:
            promote(ledger, wanted, grounds, before.version)
        except ProductionChanged:
            continue
        return wanted, before


def _require_promoted_before(ledger: Ledger, version: ModelVersion) -> None:
    """A version comes back only if it was promoted before, and only as the same artefact."""
    moves = [
        record
        for record in ledger.records(version.name)
        if record.action == "moved" and record.to_version == version.version
    ]
    if not moves or moves[-1].artifact_digest != version.tags.get(DIGEST_TAG, ""):
        what = "has other files than when it was promoted" if moves else "was never promoted"
        raise UserError(
            f"{version} {what}",
            f"have it judged again: `leafgate gate {version.name} --version {version.version}`",
            code="not_vouched",
        )


def force(
    ledger: Ledger, version: ModelVersion, reason: str, who: str | None = None
) -> AuditRecord | None:
    """Put a version into production whatever gate or hold say; the audit tells so for ever.

    None where it is there already and vouched for. who: as in `rollback`. Raises UserError without
    a reason, and for a version whose registration is not on record, or whose files differ from it.
    """
    require_reason(reason, "a forced promotion")
    require_unchanged(ledger, version)
    grounds = Grounds("force", reason, who=who or this_person())
    while True:
        now = ledger.store.find(version.name, PRODUCTION)
        try:
            return promote(ledger, version, grounds, now.version if now else None)
        except ProductionChanged:
            continue


def require_reason(reason: str, what: str) -> None:
    """Raise UserError `no_reason` for one that says nothing. what: is to be explained."""
    if not reason.strip():
        raise UserError(f"{what} without a reason", 'say why: --reason "…"', code="no_reason")
