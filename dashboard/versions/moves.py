"""Promote, hold, release, roll back: a reason, one confirmation, one call."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard.calls.model_versions import Version, move
from dashboard.guard import problems_shown, show_problem
from dashboard.plain_text import plain
from dashboard.session import client, may
from dashboard.versions import planned
from dashboard.versions.planned import Plan
from dashboard.versions.told import PRODUCTION
from leafgate.settings import Settings

TOLD, OPEN = "moved_told", "move_open"
LONGEST_REASON = 500
QUIET = "Promoting, holding and rolling back need the scope admin, which you do not have."


def show_outcome(model: str) -> None:
    """What the last move of this model in this session came to, until the next one."""
    told: tuple[str, str] | None = st.session_state.get(TOLD)
    if told and told[0] == model:
        st.success(told[1])


def roll_back_button(settings: Settings, model: str, versions: Sequence[Version]) -> None:
    """To the previous version; nothing for those who may not."""
    if not may("admin"):
        return
    plan = planned.roll_back(versions)
    label = plan.title if plan else "Roll back"
    asked = st.button(label, icon=":material/undo:", disabled=plan is None)
    if plan is None:
        st.caption(plain(planned.no_way_back(versions)))
    elif asked:
        _open(settings, model, plan)


def move_buttons(
    settings: Settings, model: str, version: Version, versions: Sequence[Version]
) -> None:
    """Of one version; one quiet line for those who may not."""
    if not may("admin"):
        st.caption(QUIET)
        return
    with st.container(horizontal=True):
        asked = [plan for plan, label in _offered(version, versions) if st.button(label)]
    if PRODUCTION in version.aliases:
        st.caption("It is in production, so it can be rolled back, but not promoted or held.")
    for plan in asked[:1]:
        _open(settings, model, plan)


def _offered(version: Version, versions: Sequence[Version]) -> list[tuple[Plan, str]]:
    if PRODUCTION in version.aliases and not version.held:
        return []
    promote = (planned.promote(version, versions), "Promote this version")
    if version.held:
        release = (planned.release(version), "Release this version")
        return [release] if PRODUCTION in version.aliases else [promote, release]
    return [promote, (planned.hold(version), "Hold this version")]


def _open(settings: Settings, model: str, plan: Plan) -> None:
    """The dialog. It may confirm one move: a second click on it finds its right used up."""
    st.session_state[OPEN] = secrets.token_hex(8)
    st.session_state.pop(TOLD, None)
    st.dialog(plan.title)(confirm)(settings, model, plan, st.session_state[OPEN])


def confirm(settings: Settings, model: str, plan: Plan, right: str) -> None:
    """What will happen, the reason for it, and the button. right: is used up by one click."""
    st.markdown(plan.happens)
    with st.form(f"confirm-{right}", border=False):
        agreed = True
        if plan.against:
            st.warning(plan.against)
            agreed = st.checkbox("I promote it all the same", key=f"agreed-{right}")
        reason = st.text_area(
            plan.reason_label,
            max_chars=LONGEST_REASON,
            key=f"reason-{right}",
        )
        st.caption("It goes into the audit trail, with your name, for ever.")
        asked = st.form_submit_button(plan.button, type="primary")
    notice = st.empty()  # one place, so that what was missing does not stand beside the spinner
    if not asked:
        return
    said = " ".join(str(reason or "").split())  # the audit takes one line
    missing = unmet(said, agreed)
    if missing:
        notice.error(missing)
        return
    with notice.container(), problems_shown():
        _carry_out(settings, model, plan, said, right)


def unmet(reason: str, agreed: bool) -> str:
    """What is still asked for before the move; empty for nothing."""
    if not reason:
        return "Give a reason: the audit trail keeps it."
    if len(reason) > LONGEST_REASON:
        return f"Give a shorter reason, of at most {LONGEST_REASON} characters."
    return "" if agreed else "Tick the box if you want to go on against what the gate says."


def _carry_out(settings: Settings, model: str, plan: Plan, reason: str, right: str) -> None:
    if st.session_state.get(OPEN) != right:  # a second click while the first was on its way
        show_problem(
            "this was confirmed already", "close this, and look at what is in production now"
        )
        return
    del st.session_state[OPEN]
    with st.spinner("Moving. The registry takes some ten seconds…", show_time=True):
        try:
            moved = move(client(settings), model, plan.how, plan.version, reason)
            at = f"{datetime.now(UTC):%H:%M}"
            st.session_state[TOLD] = (model, f"✓ {plain(moved.told)} ({at} UTC).")
        except Exception:
            st.session_state[OPEN] = right  # so that it can be tried again
            raise
    st.rerun()
