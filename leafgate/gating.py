"""The gate's parts put together: registry, audit trail and signing key."""

from functools import partial
from pathlib import Path

from leafgate.audit import AuditRecord
from leafgate.audit_key import signing_key
from leafgate.errors import UserError
from leafgate.progress import tell
from leafgate.settings import Settings
from registry import (
    InProduction,
    Ledger,
    LocalCopies,
    ModelStore,
    ModelVersion,
    VerifiedChain,
    alias_reader,
    settle,
)
from sql import SqlAuditTrail, migrate, open_database


def open_ledger(settings: Settings, *, may_create: bool = True) -> Ledger:
    """The audit of the configured registry, in the configured database, brought up to date.

    may_create: whether a SQLite database may be made where there is none. Raises UserError where a
    key is missing, or the database does not answer.
    """
    key = signing_key(settings)
    return Ledger(ModelStore(settings), open_trail(settings, may_create=may_create), key)


def look_at(settings: Settings, model: str) -> tuple[ModelStore, tuple[AuditRecord, ...]]:
    """The registry, and the audit of one model.

    On a host that can sign, a move that was killed is finished first: what is seen is then the old
    state or the new one. A host with public keys alone, or an audit that is not sound, is seen as
    it is.
    """
    try:
        settle(open_ledger(settings), model)
    except UserError as error:
        if error.code not in ("no_audit_key", "audit_unsound", "audit_memory"):
            raise
    return ModelStore(settings), open_trail(settings).records(model)


def in_production(settings: Settings, model: str) -> tuple[ModelVersion, Path]:
    """The version that the audit has in production, and a verified copy of its files.

    What registry and audit disagree about is told. Raises UserError `not_vouched` where there is
    none, and as `LocalCopies.folder`.
    """
    reader, copies = alias_reader(settings), LocalCopies(settings)
    tags = partial(reader.audit_tags, model)
    chain = VerifiedChain(model, settings, open_trail(settings), tags)
    wanted = InProduction(model, reader, copies, chain).look(None)
    if wanted.version is None:
        raise UserError(
            f"nothing of {model} can be used: {wanted.problem}",
            f"promote a version with `leafgate gate {model}`",
            code="not_vouched",
        )
    if wanted.problem:
        tell(wanted.problem)
    return wanted.version, copies.folder(wanted.version)


def open_trail(settings: Settings, *, may_create: bool = True) -> SqlAuditTrail:
    """The audit in the configured database, which is brought up to date."""
    database = open_database(settings.database, may_create=may_create)
    migrate(database)
    return SqlAuditTrail(database)
