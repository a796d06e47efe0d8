"""The request log, the users, the audit trail and every figure asked of them; the front door."""

from sql.analytics import Span
from sql.audit_trail import SqlAuditTrail
from sql.database import ddl, downgrade, is_reachable, migrate, open_database
from sql.request_log import RequestLog, RequestRecord, find_request
from sql.revoked_tokens import Revoked, load_revoked, revoke_token
from sql.users import (
    SCOPES,
    STANDARD_PLAN,
    User,
    add_user,
    find_user,
    list_users,
    revoke_tokens_of,
    set_disabled,
    set_password,
    set_plan,
    set_scopes,
)

__all__ = [
    "SCOPES",
    "STANDARD_PLAN",
    "RequestLog",
    "RequestRecord",
    "Revoked",
    "Span",
    "SqlAuditTrail",
    "User",
    "add_user",
    "ddl",
    "downgrade",
    "find_request",
    "find_user",
    "is_reachable",
    "list_users",
    "load_revoked",
    "migrate",
    "open_database",
    "revoke_token",
    "revoke_tokens_of",
    "set_disabled",
    "set_password",
    "set_plan",
    "set_scopes",
]
