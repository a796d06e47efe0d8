"""The gate's parts put together: registry, audit trail and signing key."""

from leafgate.audit import AuditRecord
from leafgate.audit_key import signing_key
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import Ledger, ModelStore, settle
from sql import SqlAuditTrail, migrate, open_database


def open_ledger(settings: Settings) -> Ledger:
    """The audit of the configured registry, in the configured database, brought up to date.

    Raises UserError where a key is missing, or the database does not answer.
    """
    key = signing_key(settings)
    return Ledger(ModelStore(settings), _open_trail(settings), key)


def look_at(settings: Settings, model: str) -> tuple[ModelStore, tuple[AuditRecord, ...]]:
    """The registry, and the audit of one model.

    On a host that can sign, a move that was killed is finished first: what is seen is then the old
    state or the new one. A host with public keys alone sees things as they are.
    """
    try:
        ledger = open_ledger(settings)
    except UserError as error:
        if error.code != "no_audit_key":
            raise
        return ModelStore(settings), _open_trail(settings).records(model)
    settle(ledger, model)
    return ledger.store, ledger.records(model)


def _open_trail(settings: Settings) -> SqlAuditTrail:
    database = open_database(settings.database)
    migrate(database)
    return SqlAuditTrail(database)
