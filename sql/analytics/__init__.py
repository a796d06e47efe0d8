"""Every query the dashboard shows, each a function with a typed result; the front door.

All of them are exact, but for percentiles, which are within 2 %, and answer from hourly counts
whatever can be answered from these.
"""

from sql.analytics.corrections import Confusion, FeedbackAccuracy, Score, feedback_accuracy
from sql.analytics.diagnoses import (
    ClassCount,
    ClassVolume,
    Confidences,
    Only,
    Unknowns,
    confidence_distribution,
    disease_frequency,
    diseases_over_time,
    unknown_over_time,
)
from sql.analytics.drifting import Drift, Reference, drift, reference_of
from sql.analytics.latest import LoggedRequest, recent_requests
from sql.analytics.readings import ReadCount, read_frequency
from sql.analytics.span import Span
from sql.analytics.traffic import (
    ClientVolume,
    Dimension,
    Latency,
    Member,
    Members,
    MemberTraffic,
    Summary,
    Traffic,
    Volume,
    batch_sizes,
    clients,
    clients_over_time,
    endpoints,
    latency,
    made_sizes,
    sources,
    summary,
    traffic_by,
    users,
    volume,
)
from sql.analytics.versions import Seen, VersionVolume, versions_over_time, versions_seen
from sql.analytics.viewer import (
    Viewer,
    require_visible,
    visible_request,
    visible_requests,
    visible_sources,
    visible_traffic_by,
    visible_users,
)
from sql.lookup import OneRequest, one_request

__all__ = [
    "ClassCount",
    "ClassVolume",
    "ClientVolume",
    "Confidences",
    "Confusion",
    "Dimension",
    "Drift",
    "FeedbackAccuracy",
    "Latency",
    "LoggedRequest",
    "Member",
    "MemberTraffic",
    "Members",
    "OneRequest",
    "Only",
    "ReadCount",
    "Reference",
    "Score",
    "Seen",
    "Span",
    "Summary",
    "Traffic",
    "Unknowns",
    "VersionVolume",
    "Viewer",
    "Volume",
    "batch_sizes",
    "clients",
    "clients_over_time",
    "confidence_distribution",
    "disease_frequency",
    "diseases_over_time",
    "drift",
    "endpoints",
    "feedback_accuracy",
    "latency",
    "made_sizes",
    "one_request",
    "read_frequency",
    "recent_requests",
    "reference_of",
    "require_visible",
    "sources",
    "summary",
    "traffic_by",
    "unknown_over_time",
    "users",
    "versions_over_time",
    "versions_seen",
    "visible_request",
    "visible_requests",
    "visible_sources",
    "visible_traffic_by",
    "visible_users",
    "volume",
]
