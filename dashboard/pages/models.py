"""Models: which versions there are, what the gate said of them, and what is in production."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard.calls.model_versions import (
    AuditLine,
    Story,
    Version,
    audit,
    gate_picture,
    story,
)
from dashboard.guard import problems_shown
from dashboard.kept_answers import kept
from dashboard.plain_text import plain
from dashboard.session import client
from dashboard.versions.audit import audit_table, shown
from dashboard.versions.chosen import (
    FEW,
    MANY,
    choose,
    chosen_model,
    known_versions,
    limit_of,
    more_button,
)
from dashboard.versions.comparison import show_comparison
from dashboard.versions.confusion import show_confusion
from dashboard.versions.curves import show_curves
from dashboard.versions.gate_shown import show_gate
from dashboard.versions.lineage import show_lineage
from dashboard.versions.moves import move_buttons, roll_back_button, show_outcome
from dashboard.versions.told import (
    PREVIOUS,
    PRODUCTION,
    STAGING,
    held_words,
    holder,
    named,
    since,
    verdict,
    versions_table,
)
from leafgate.settings import Settings

FEW_RECORDS, MOST_RECORDS = 20, 200


def render(settings: Settings) -> None:
    """The page."""
    st.title("Models")
    model = chosen_model(settings)
    found = known_versions(settings, model)
    if not found:
        st.info(
            f"No version of {plain(model)} has been trained yet. {_how_to_begin(settings, model)}"
        )
        return
    choose(found)
    records = audit(client(settings), model, limit_of("records", model, FEW_RECORDS))
    for section in (
        partial(show_outcome, model),
        partial(_standing, settings, model, found),
        partial(_table, model, found),
        partial(_comparison, settings, model, found, records),
        partial(_detail, settings, model, found, records),
        partial(_audit, model, records),
    ):
        # Each has a place of its own: a widget that is moved down the page loses its hold on the
        # address (Streamlit 1.67).
        with st.container():
            section()


def _how_to_begin(settings: Settings, model: str) -> str:
    kind = "classifier" if model == settings.classifier_name else "generator"
    return (
        f"Train one with `leafgate train {kind} --data DIR`, then let the gate judge it with "
        f"`leafgate gate {model}`: what passes goes into production."
    )


def _standing(settings: Settings, model: str, found: Sequence[Version]) -> None:
    places = (
        ("In production", holder(found, PRODUCTION), since),
        ("Previous", holder(found, PREVIOUS), lambda _: "what a roll back goes to"),
        ("In staging", holder(found, STAGING), lambda each: f"gate: {verdict(each)}"),
    )
    absent, why = ("none", "no version has this alias")
    if len(found) == MANY:
        absent, why = ("older, or none", f"not among the newest {MANY} versions")
    for column, (title, version, more) in zip(st.columns(3, border=True), places, strict=True):
        with column:
            st.metric(title, f"Version {version.version}" if version else absent)
            st.caption(more(version) if version else why)
    roll_back_button(settings, model, found)


def _table(model: str, found: Sequence[Version]) -> None:
    st.header("Versions")
    st.table(versions_table(found), hide_index=True, alt=f"Versions of {model}, newest first")
    more_button("versions", model, len(found), FEW, MANY, "Show older versions")


@st.fragment
def _comparison(
    settings: Settings, model: str, found: Sequence[Version], records: Sequence[AuditLine]
) -> None:
    st.header("Compare versions")
    numbers = [version.version for version in found]
    chosen = st.multiselect(
        "Versions to compare",
        numbers,
        max_selections=6,
        key="compare",
        bind="query-params",
    )
    if len(chosen) < 2:
        st.info("Choose two versions or more, and their figures and settings stand side by side.")
        return
    with problems_shown():
        picked = [version for version in reversed(found) if version.version in chosen]
        show_comparison([_story(settings, model, version, records) for version in picked])


@st.fragment
def _detail(
    settings: Settings, model: str, found: Sequence[Version], records: Sequence[AuditLine]
) -> None:
    st.header("One version in detail")
    numbers = [version.version for version in found]
    number = st.selectbox(
        "Version",
        numbers,
        key="version",
        bind="query-params",
    )
    version = next(each for each in found if each.version == number)
    st.markdown(f"**Version {plain(named(version))}**, gate: {plain(verdict(version))}")
    if version.held:
        st.warning(f"On hold {plain(held_words(version))}")
    move_buttons(settings, model, version, found)
    with problems_shown():
        _show_story(settings, model, _story(settings, model, version, records))


def _show_story(settings: Settings, model: str, told: Story) -> None:
    number = told.version.version
    judged_at = str((told.gate_report or {}).get("judged_at_utc"))

    def picture(check: str) -> bytes:
        return kept(
            ("picture", model, number, told.version.run_id, judged_at, check),
            lambda: gate_picture(client(settings), model, number, check),
        )

    st.markdown("### The gate's report")
    show_gate(model, told, picture)
    if told.confusion is not None or model == settings.classifier_name:
        st.markdown("### Confusion matrix")
        show_confusion(told.confusion)
    st.markdown("### Learning curves")
    show_curves(told.curves, told.params)
    st.markdown("### Lineage")
    show_lineage(told)


def _story(settings: Settings, model: str, version: Version, records: Sequence[AuditLine]) -> Story:
    """Kept until anything happens to the version: the gate may judge it again."""
    about = [
        line.number for line in records if version.version in (line.from_version, line.to_version)
    ]
    seen = (version, about[:1])
    return kept(
        ("story", model, version.version, repr(seen)),
        lambda: story(client(settings), model, version.version),
    )


def _audit(model: str, records: Sequence[AuditLine]) -> None:
    st.header("Who moved what")
    if not records:
        st.caption("Nothing is on record yet.")
        return
    st.table(audit_table(shown(records)), hide_index=True, alt=f"Audit trail of {model}")
    st.caption("`leafgate models audit --verify` proves that no record was changed or removed.")
    more_button("records", model, len(records), FEW_RECORDS, MOST_RECORDS, "Show older records")
