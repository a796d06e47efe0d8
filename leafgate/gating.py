"""The gate's parts put together: registry, audit trail and signing key."""

from leafgate.audit_key import signing_key
from leafgate.settings import Settings
from registry import Ledger, ModelStore
from sql import SqlAuditTrail, migrate, open_database


def open_ledger(settings: Settings) -> Ledger:
    """The audit of the configured registry, in the configured database, brought up to date.

    Raises UserError where a key is missing, or the database does not answer.
    """
    key = signing_key(settings)
    database = open_database(settings.database)
    migrate(database)
    return Ledger(ModelStore(settings), SqlAuditTrail(database), key)
