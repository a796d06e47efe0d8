"""Whether the audit stands behind what the registry says: for `--verify`, and before serving.

And how it comes back where the database lost it: from the versions' tags.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from leafgate.audit import AuditRecord, AuditTrail, problems, to_json
from leafgate.audit_key import trusted_keys
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.audit_memory import AuditMemory, remedy
from registry.ledger import Ledger, Standing, about, record_tags, signed_in, standing, tag_of
from registry.store import DIGEST_TAG, PREVIOUS, PRODUCTION, ModelStore, ModelVersion

Keys = Mapping[str, bytes]


def audit_problems(
    store: ModelStore, model: str, records: Sequence[AuditRecord], trusted: Keys
) -> tuple[str, ...]:
    """Everything that is wrong, one sentence each; empty where chain, tags and aliases agree.

    trusted: public keys by their id. Raises UserError where the registry does not answer.
    """
    return (
        *chain_problems(store.settings, model, records, trusted),
        *_against_tags(store, model, records, trusted),
        *_against_aliases(store, model, records),
    )


def chain_problems(
    settings: Settings, model: str, records: Sequence[AuditRecord], trusted: Keys
) -> tuple[str, ...]:
    """What is wrong with the chain by itself, or else against what this host remembers of it."""
    wrong = problems(records, trusted)
    if wrong:
        return wrong
    try:
        remembered = AuditMemory(settings).recall(model)
    except UserError as error:
        return (error.problem,)
    found = remembered.contradiction(records) if remembered else None
    return (f"{found}; {remedy(model)}",) if found else ()


def _against_tags(
    store: ModelStore, model: str, records: Sequence[AuditRecord], trusted: Keys
) -> Iterator[str]:
    versions = store.versions(model)
    numbers = {item.version for item in versions}
    signed = signed_in(versions, model, trusted, records)
    lost = {number: signed[number] for number in signed.keys() - {r.number for r in records}}
    for number in sorted(lost):
        yield f"record {number} is a tag of a version, and missing from the database"
    there = {(number, name): text for number, name, text in record_tags(versions)}
    for record in records:
        text = there.pop((about(record) or 0, tag_of(record)), None)
        if text is None and about(record) in numbers:
            yield f"record {record.number} is missing from the tags of version {about(record)}"
        elif text not in (None, to_json(record)):
            yield f"record {record.number} differs from the tag of version {about(record)}"
    genuine = {to_json(record) for record in (*records, *lost.values())}
    for (number, name), text in sorted(there.items()):
        if text not in genuine:
            yield f"version {number} has a tag {name} that no trusted key signed: delete it"


def _against_aliases(
    store: ModelStore, model: str, records: Sequence[AuditRecord]
) -> Iterator[str]:
    held = standing(records)
    if held.pending is not None:
        yield f"record {held.pending.number} began a move that nobody has finished yet"
        return
    for alias, wanted in _aliases_of(held).items():
        found = store.find(model, alias)
        number = found.version if found else None
        if number != wanted and not (alias == PREVIOUS and wanted is None):
            yield f"the alias '{alias}' is on version {number or 'none'}, the audit has {wanted}"


def _aliases_of(held: Standing) -> dict[str, int | None]:
    return {PRODUCTION: held.production, PREVIOUS: held.previous}


@dataclass(frozen=True)
class Astray:
    """An alias that is not where the audit has it. wanted: there; is_gone: that version is gone."""

    model: str
    alias: str
    found: int | None
    wanted: int
    is_gone: bool

    def put_back(self, store: ModelStore) -> str:
        """Put it where the audit has it, or remove it where that version is gone; in a sentence."""
        store.set_alias(self.model, self.alias, None if self.is_gone else self.wanted)
        was = f"the alias '{self.alias}' of {self.model} was on version {self.found or 'none'}"
        if self.is_gone:
            return f"{was} and is removed: version {self.wanted}, which the audit has, is gone"
        return f"{was} and is on version {self.wanted} again, as in the audit"


def aliases_astray(
    store: ModelStore, model: str, records: Sequence[AuditRecord]
) -> tuple[Astray, ...]:
    """What other hands moved or deleted; nothing while a move is under way. records: verified."""
    held = standing(records)
    if held.pending is not None or held.production is None:
        return ()
    versions = {version.version for version in store.versions(model)}
    astray = []
    for alias, wanted in _aliases_of(held).items():
        found = store.find(model, alias)
        number = found.version if found else None
        there = wanted if wanted in versions else None
        if wanted is not None and number != there:
            astray.append(Astray(model, alias, number, wanted, there is None))
    return tuple(astray)


def restore(
    store: ModelStore,
    trail: AuditTrail,
    model: str,
    trusted: Keys,
    copies: Iterable[AuditRecord] = (),
) -> tuple[AuditRecord, ...]:
    """Put back records that the database lost, from the versions' tags; which they were.

    copies: records that were kept elsewhere, of whatever model. Raises UserError where all of them
    do not make a sound chain: nothing is written then.
    """
    known = {record.number: record for record in trail.records(model)}
    told = signed_in(store.versions(model), model, trusted)
    told |= {record.number: record for record in copies if record.model == model}
    whole = [record for _, record in sorted({**told, **known}.items())]
    wrong = problems(whole, trusted)
    if wrong:
        raise UserError(
            f"the tags of {model} do not mend its audit: {wrong[0]}",
            "delete rows that were changed from the table `audit` first; a copy made with --json "
            "has what the tags lack: --restore --from FILE",
            code="audit_unsound",
        )
    missing = tuple(record for record in whole if record.number not in known)
    for record in missing:
        trail.append(record)
    return missing


def require_vouched(version: ModelVersion, records: Sequence[AuditRecord], trusted: Keys) -> None:
    """Raise UserError `not_vouched` unless a sound chain put just this artefact into production."""
    wrong = problems(records, trusted)
    if wrong:
        raise _not_vouched(version, f"the audit is not sound: {wrong[0]}")
    held, digest = standing(records), version.tags.get(DIGEST_TAG, "")
    moves = [record for record in records if record.action == "moved"][-1:]
    moves += [held.pending] if held.pending else []
    named = [record for record in moves if record.to_version == version.version]
    if not named:
        told = f"version {held.production}" if held.production else "no version"
        raise _not_vouched(version, f"the audit has {told} in production")
    if not digest or digest not in {record.artifact_digest for record in named}:
        raise _not_vouched(version, "it was promoted with other files than it has now")


def is_vouched(ledger: Ledger, version: ModelVersion) -> bool:
    """Whether a sound chain put just this artefact into production."""
    trusted = trusted_keys(ledger.store.settings)
    try:
        require_vouched(version, ledger.records(version.name), trusted)
    except UserError:
        return False
    return True


def _not_vouched(version: ModelVersion, why: str) -> UserError:
    return UserError(
        f"{version} is not vouched for: {why}",
        f"have it judged with `leafgate gate {version.name} --version {version.version}`, or look "
        "at `leafgate models audit`",
        code="not_vouched",
    )
