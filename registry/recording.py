"""Writes a version's registration into the audit: as it is trained, or when a person adopts it."""

from leafgate.audit import AuditEntry, AuditRecord, Cause, this_person
from leafgate.errors import UserError
from registry.kept_copies import DIGEST
from registry.ledger import Ledger
from registry.promotion import settle
from registry.registration import how_to_adopt, registration_of, require_tag
from registry.store import ModelVersion


def record_registration(ledger: Ledger, version: ModelVersion, digest: str) -> AuditRecord:
    """Write down that a training of ours has registered `version` with files of that digest.

    Raises UserError `not_recorded` where that cannot be done; the version is then not judged.
    """
    entry = _entry(version, digest, "registration", f"registered by run {version.run_id}")
    try:
        while True:
            written = ledger.write_after(settle(ledger, version.name), entry)
            if written is not None:
                return written
    except UserError as error:
        raise UserError(
            f"{version} is registered, but the audit could not say so ({error.problem})",
            f"{error.fix}; then {how_to_adopt(version, digest)}, or train it again",
            code="not_recorded",
        ) from error


def adopt(
    ledger: Ledger, version: ModelVersion, digest: str, reason: str, who: str | None = None
) -> AuditRecord:
    """Put a version on record that was trained where no key is, on a person's word.

    digest: of its files, as that training printed it, 64 hex digits. who: on whose word; this
    person's where it is left out. Raises UserError without a reason (`no_reason`), for one that is
    on record (`registered_already`), and where tag or files have another digest.
    """
    if not reason.strip():
        raise UserError("adopting without a reason", 'say why: --reason "…"', code="no_reason")
    if not DIGEST.fullmatch(digest):
        raise UserError(
            f"{digest[:80]!r} is no digest", "give the 64 hex digits that the training printed",
            code="bad_digest",
        )  # fmt: skip
    require_tag(version, digest, "the digest given")
    ledger.store.require_unchanged(version)
    entry = _entry(version, digest, "person", reason, who)
    while True:
        last = settle(ledger, version.name)
        if registration_of(ledger.records(version.name), version) is not None:
            raise UserError(
                f"{version} is on record already",
                "nothing has to be done",
                code="registered_already",
            )
        written = ledger.write_after(last, entry)
        if written is not None:  # else something happened meanwhile: look again
            return written


def _entry(
    version: ModelVersion, digest: str, by: Cause, reason: str, who: str | None = None
) -> AuditEntry:
    return AuditEntry(
        model=version.name,
        action="staged",
        by=by,
        who=who or this_person(),
        to_version=version.version,
        artifact_digest=digest,
        reason=reason,
    )
