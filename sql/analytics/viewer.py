"""Whose names a viewer of the log may read: with the scope `admin` all, else the own alone.

Everybody who is signed in sees figures. Names of users, addresses of clients, and names and hashes
of files belong to people; the functions here leave those of others out where they read the log, so
that no page can show them. Where the log holds pseudonyms, nobody's own requests are known as such.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from leafgate.errors import UserError
from sql.analytics.diagnoses import Only
from sql.analytics.latest import LoggedRequest, recent_requests
from sql.analytics.span import Span
from sql.analytics.traffic import (
    Dimension,
    Member,
    Members,
    MemberTraffic,
    sources,
    traffic_by,
    users,
)
from sql.lookup import OneRequest, one_request
from sql.records import FeedbackRecord, PredictionRecord, RequestRecord

ANOTHER_USER, ANOTHER_ADDRESS, HIDDEN = "another user", "hidden address", "hidden"
OTHERS = {"user": ANOTHER_USER, "source": ANOTHER_ADDRESS}


@dataclass(frozen=True)
class Viewer:
    """Who looks. name: of the user, as in the token; is_admin: by the token's scopes."""

    name: str
    is_admin: bool

    def user(self, name: str | None) -> str | None:
        """A user's name as this viewer may read it; "" and None, of no user, stay."""
        return name if self.is_admin or not name or name == self.name else ANOTHER_USER


def visible_users(engine: sa.Engine, span: Span, viewer: Viewer) -> tuple[str, ...]:
    """Users of the span whose figures the viewer may choose."""
    found = users(engine, span)
    return tuple(name for name in found if viewer.is_admin or name == viewer.name)


def visible_sources(engine: sa.Engine, span: Span, viewer: Viewer) -> tuple[str, ...]:
    """Addresses of the span whose figures the viewer may choose."""
    return sources(engine, span) if viewer.is_admin else ()


def visible_traffic_by(
    engine: sa.Engine, span: Span, dimension: Dimension, viewer: Viewer
) -> Members:
    """As `traffic_by`; other users and addresses have their counts, and no name."""
    found = traffic_by(engine, span, dimension)
    if viewer.is_admin or dimension not in OTHERS:
        return found
    return Members(tuple(_unnamed(row, dimension, viewer) for row in found.rows), found.left_out)


def visible_requests(
    engine: sa.Engine, viewer: Viewer, limit: int, before: LoggedRequest | None = None
) -> tuple[LoggedRequest, ...]:
    """As `recent_requests`, without users and addresses of other people."""
    found = recent_requests(engine, limit, before)
    if viewer.is_admin:
        return found
    return tuple(
        row
        if row.user_name == viewer.name
        else replace(row, user_name=viewer.user(row.user_name), source=_hidden_address(row.source))
        for row in found
    )


def visible_request(engine: sa.Engine, identifier: str, viewer: Viewer) -> OneRequest | None:
    """As `one_request`, without users, addresses and files of other people."""
    found = one_request(engine, identifier)
    if found is None or viewer.is_admin:
        return found
    is_own = found.request is not None and found.request.user_name == viewer.name
    return replace(
        found,
        request=found.request if is_own or not found.request else _request(found.request, viewer),
        predictions=found.predictions if is_own else tuple(map(_prediction, found.predictions)),
        feedback=tuple(_feedback(each, viewer) for each in found.feedback),
    )


def require_visible(of: Member | Only | None, viewer: Viewer) -> None:
    """Raises UserError where these are figures of another user, or of an address."""
    if of is None or viewer.is_admin:
        return
    if isinstance(of, Only):
        user, source = of.user, of.source
    else:
        user = of.name if of.dimension == "user" else None
        source = of.name if of.dimension == "source" else None
    if source or (user and user != viewer.name):
        raise UserError(
            "figures of another user, or of an address, need the scope 'admin'",
            "choose everything, or yourself",
            code="scope_missing",
        )


def _unnamed(row: MemberTraffic, dimension: str, viewer: Viewer) -> MemberTraffic:
    is_own = dimension == "user" and row.name == viewer.name
    return row if is_own or not row.name else replace(row, name=OTHERS[dimension])


def _hidden_address(source: str | None) -> str | None:
    return ANOTHER_ADDRESS if source else source


def _request(found: RequestRecord, viewer: Viewer) -> RequestRecord:
    return replace(
        found, user_name=viewer.user(found.user_name), source=_hidden_address(found.source)
    )


def _prediction(found: PredictionRecord) -> PredictionRecord:
    return replace(
        found,
        file_name=HIDDEN if found.file_name else found.file_name,
        sha256=HIDDEN if found.sha256 else found.sha256,
    )


def _feedback(found: FeedbackRecord, viewer: Viewer) -> FeedbackRecord:
    return replace(found, user_name=viewer.user(found.user_name))
