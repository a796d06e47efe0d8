"""What the audit says of a version's registration: only what is on record is judged and served.

A training writes a record `staged` as it registers a version (`registry.recording`). The record is
signed and names the digest of all stored files, so that whoever may write to MLflow can neither add
a version to be judged nor change files or digest tag of one without being noticed.
"""

from collections.abc import Sequence

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from registry.ledger import Ledger
from registry.store import DIGEST_TAG, ModelVersion


def registration_of(records: Sequence[AuditRecord], version: ModelVersion) -> AuditRecord | None:
    """The newest record of a registration under that number, or None.

    records: of a sound chain. A number comes again where the whole model was deleted in MLflow.
    """
    found = [r for r in records if r.action == "staged" and r.to_version == version.version]
    return found[-1] if found else None


def require_registered(version: ModelVersion, records: Sequence[AuditRecord]) -> AuditRecord:
    """The record of its registration, whose digest is the version's tag.

    records: all of its model, a sound chain. Raises UserError: `not_registered` without a record,
    `artifact_changed` where the tag has another digest.
    """
    record = registration_of(records, version)
    if record is None:
        raise UserError(
            f"{version} is not on record: the audit has no signed registration of it",
            f"train it again; or, if a training of yours made it, {how_to_adopt(version)}",
            code="not_registered",
        )
    require_tag(version, record.artifact_digest, f"record {record.number} of its registration")
    return record


def require_unchanged(ledger: Ledger, version: ModelVersion) -> None:
    """Raise UserError unless record, tag and the files that MLflow stores now agree.

    The files then lie where `ModelStore.folder` finds them.
    """
    require_registered(version, ledger.sound_records(version.name))
    ledger.store.require_unchanged(version)


def how_to_adopt(version: ModelVersion, digest: str = "DIGEST") -> str:
    """The command, for an error or a note."""
    return (
        f"adopt it where the key is: `leafgate models adopt {version.name} --version "
        f'{version.version} --digest {digest} --reason "…"`'
    )


def require_tag(version: ModelVersion, digest: str, named_by: str) -> None:
    """Raise UserError `artifact_changed` unless the version's tag is that digest."""
    tag = version.tags.get(DIGEST_TAG, "")
    if tag != digest:
        raise UserError(
            f"{version} has {tag[:12] or 'nothing'} as its tag {DIGEST_TAG}, {named_by} is "
            f"{digest[:12]}",
            "its tag or files were changed after training: train it again",
            code="artifact_changed",
        )
