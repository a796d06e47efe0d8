"""Whether the stored files of versions are those that the audit names: for `audit --verify`."""

from collections.abc import Callable, Iterator, Sequence

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from registry.registration import registration_of
from registry.store import DIGEST_TAG, PREVIOUS, PRODUCTION, STAGING, ModelStore, ModelVersion

ALIASES = {PRODUCTION, PREVIOUS, STAGING}
NAMING = ("verdict", "moving", "moved")  # records that name files which were registered before


def versions_to_compare(
    store: ModelStore, model: str, records: Sequence[AuditRecord]
) -> tuple[ModelVersion, ...]:
    """Those with an alias, and those on record; not those that MLflow no longer has."""
    known = {record.to_version for record in records}
    versions = store.versions(model)
    return tuple(v for v in versions if v.version in known or ALIASES & set(v.aliases))


def file_problems(
    store: ModelStore,
    versions: Sequence[ModelVersion],
    records: Sequence[AuditRecord],
    advance: Callable[..., object] = lambda *_: None,
) -> Iterator[str]:
    """What differs between record, tag and stored files of each version, a sentence each.

    records: all of the model, a sound chain. advance: called as each version is done. The files
    of one version after the other are fetched, and not kept.
    """
    yield from _against_registration(records)
    for version in versions:
        yield from _problems_of(store, version, records)
        advance(str(version))


def _problems_of(
    store: ModelStore, version: ModelVersion, records: Sequence[AuditRecord]
) -> Iterator[str]:
    record, tag = registration_of(records, version), version.tags.get(DIGEST_TAG, "")
    if record is None:
        yield f"version {version.version} has no record of its registration"
        return
    digest = record.artifact_digest
    named = f"record {record.number} of its registration names {digest[:12]}"
    if tag != digest:
        yield f"version {version.version}: its tag {DIGEST_TAG} is {tag[:12] or 'missing'}, {named}"
    try:
        found = store.stored_digest(version)
    except UserError as error:
        store.require_reachable()
        yield f"version {version.version}: {error.problem}"
        return
    if found != digest:
        yield f"version {version.version}: its stored files have digest {found[:12]}, {named}"


def _against_registration(records: Sequence[AuditRecord]) -> Iterator[str]:
    """A verdict or a move of other files than those that were registered under that number."""
    registered: dict[int | None, AuditRecord] = {}
    for record in records:
        if record.action == "staged":
            registered[record.to_version] = record
        before = registered.get(record.to_version)
        if record.action not in NAMING or before is None:
            continue
        if record.artifact_digest != before.artifact_digest:
            yield (
                f"record {record.number} ({record.action}) names the files "
                f"{record.artifact_digest[:12] or 'none'} of version {record.to_version}, record "
                f"{before.number} of its registration {before.artifact_digest[:12]}"
            )
