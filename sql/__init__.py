"""The request log, the users, the audit trail and every figure asked of them; the front door."""

from sql.analytics import Span
from sql.audit_trail import SqlAuditTrail
from sql.database import ddl, downgrade, is_reachable, migrate, open_database
from sql.request_log import RequestLog, RequestRecord
from sql.users import SCOPES, User, add_user, find_user

__all__ = [
    "SCOPES",
    "RequestLog",
    "RequestRecord",
    "Span",
    "SqlAuditTrail",
    "User",
    "add_user",
    "ddl",
    "downgrade",
    "find_user",
    "is_reachable",
    "migrate",
    "open_database",
]
