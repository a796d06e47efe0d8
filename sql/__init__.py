"""The request log, the users, the audit trail and every figure asked of them; the front door."""

from sql.analytics import Span
from sql.audit_trail import SqlAuditTrail
from sql.database import answering, is_reachable, open_database, within_rights
from sql.granting import Change, give_rights, require_logins, roles_by_login
from sql.known_users import KnownUsers, load_users, user_created
from sql.lookup import find_answer, find_prediction
from sql.migrating import downgrade, migrate
from sql.outbox import OutboxFailed
from sql.outbox_names import folder_of, former_folders
from sql.pruning import Pruned, prunable, prune, require_shrinkable, shrink
from sql.read_classes import Readings
from sql.records import (
    Entry,
    FeedbackRecord,
    GenerationRecord,
    PredictionRecord,
    RequestRecord,
    is_storable,
)
from sql.recounting import rebuild_counts
from sql.request_log import LogSettings, RequestLog
from sql.revoked_tokens import (
    DELETED,
    LONGEST_LIFE_SECONDS,
    Revoked,
    deleted_key,
    load_revoked,
    revoke_token,
)
from sql.script import ddl
from sql.set_aside import SetAside, adopt_outboxes, list_set_aside, outboxes, retry_set_aside
from sql.users import (
    SCOPES,
    STANDARD_PLAN,
    User,
    add_user,
    delete_user,
    find_user,
    list_users,
    revoke_tokens_of,
    set_disabled,
    set_password,
    set_plan,
    set_scopes,
)
from sql.waiting import migrate_once_reachable

__all__ = [
    "DELETED",
    "LONGEST_LIFE_SECONDS",
    "SCOPES",
    "STANDARD_PLAN",
    "Change",
    "Entry",
    "FeedbackRecord",
    "GenerationRecord",
    "KnownUsers",
    "LogSettings",
    "OutboxFailed",
    "PredictionRecord",
    "Pruned",
    "Readings",
    "RequestLog",
    "RequestRecord",
    "Revoked",
    "SetAside",
    "Span",
    "SqlAuditTrail",
    "User",
    "add_user",
    "adopt_outboxes",
    "answering",
    "ddl",
    "delete_user",
    "deleted_key",
    "downgrade",
    "find_answer",
    "find_prediction",
    "find_user",
    "folder_of",
    "former_folders",
    "give_rights",
    "is_reachable",
    "is_storable",
    "list_set_aside",
    "list_users",
    "load_revoked",
    "load_users",
    "migrate",
    "migrate_once_reachable",
    "open_database",
    "outboxes",
    "prunable",
    "prune",
    "rebuild_counts",
    "require_logins",
    "require_shrinkable",
    "retry_set_aside",
    "revoke_token",
    "revoke_tokens_of",
    "roles_by_login",
    "set_disabled",
    "set_password",
    "set_plan",
    "set_scopes",
    "shrink",
    "user_created",
    "within_rights",
]
