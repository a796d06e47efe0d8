"""Models: which versions there are, what the gate said of them, and what is in production."""

from collections.abc import Sequence

import streamlit as st

from dashboard.calls.model_versions import (
    AuditLine,
    Story,
    Version,
    audit,
    gate_picture,
    story,
    versions,
)
from dashboard.guard import problems_shown
from dashboard.kept_answers import kept
from dashboard.plain_text import plain
from dashboard.session import client
from dashboard.versions.audit import audit_table, shown
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
    chosen_first,
    compared_first,
    held_words,
    holder,
    named,
    since,
    verdict,
    versions_table,
)
from leafgate.settings import Settings

CHANGED = "another model"
FEW, MANY = 20, 100
FEW_RECORDS, MOST_RECORDS = 20, 200


def render(settings: Settings) -> None:
    """The page."""
    st.title("Models")
    model = _chosen_model(settings)
    found = _found(settings, model)
    if not found:
        st.info(
            f"No version of {plain(model)} has been trained yet. {_how_to_begin(settings, model)}"
        )
        return
    _choose(found)
    show_outcome(model)
    records = audit(client(settings), model, _limit("records", model, FEW_RECORDS))
    _standing(settings, model, found)
    _table(model, found)
    _comparison(settings, model, found, records)
    _detail(settings, model, found, records)
    _audit(model, records)


def _found(settings: Settings, model: str) -> tuple[Version, ...]:
    """The newest versions; more of them where production may be older than those."""
    limit = _limit("versions", model, FEW)
    found = versions(client(settings), model, limit)
    seen = all(holder(found, alias) for alias in (PRODUCTION, PREVIOUS))
    if seen or len(found) < limit or limit == MANY:
        return found
    _set_limit("versions", model, MANY)
    return versions(client(settings), model, MANY)


def _chosen_model(settings: Settings) -> str:
    """It stands in the URL, so that a link shows the same."""
    names = [settings.classifier_name, settings.generator_name]
    chosen = st.segmented_control(
        "Model",
        names,
        default=names[0],
        required=True,
        key="model",
        bind="query-params",
        on_change=_note_change,
    )
    return chosen or names[0]


def _note_change() -> None:
    """The versions of another model are other versions."""
    st.session_state[CHANGED] = True


def _choose(found: Sequence[Version]) -> None:
    """What the address asks for, or where that is nothing, what there is to decide on."""
    numbers = {version.version for version in found}
    anew = st.session_state.pop(CHANGED, False)
    for key, first in (("version", chosen_first(found)), ("compare", compared_first(found))):
        if anew or not _is_chosen(key, numbers):
            st.session_state[key] = first


def _is_chosen(key: str, numbers: set[int]) -> bool:
    """Whether all that is chosen, or else asked for by the address, is there."""
    if key in st.session_state:
        chosen = st.session_state[key]
        return set(chosen if isinstance(chosen, list) else [chosen]) <= numbers
    asked = set(st.query_params.get_all(key))
    return bool(asked) and asked <= set(map(str, numbers))


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
    _more("versions", model, len(found), FEW, MANY, "Show older versions")


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
    _more("records", model, len(records), FEW_RECORDS, MOST_RECORDS, "Show older records")


def _limit(what: str, model: str, few: int) -> int:
    """How many are asked for in this session."""
    return int(st.session_state.get(f"limit {what} {model}", few))


def _set_limit(what: str, model: str, limit: int) -> None:
    st.session_state[f"limit {what} {model}"] = limit


def _more(what: str, model: str, there: int, few: int, most: int, label: str) -> None:
    """A button for older ones, where there may be any."""
    limit = _limit(what, model, few)
    if there >= limit and limit < most and st.button(label):
        _set_limit(what, model, most)
        st.rerun()
