"""What the page Models is asked for: a model, versions of it, and how many of what there is."""

from collections.abc import Sequence

import streamlit as st

from dashboard.calls.model_versions import Version, versions
from dashboard.session import client
from dashboard.versions.told import (
    PREVIOUS,
    PRODUCTION,
    chosen_first,
    compared_first,
    holder,
)
from leafgate.settings import Settings

CHANGED = "another model"
FEW, MANY = 20, 100


def chosen_model(settings: Settings) -> str:
    """It stands in the URL, so that a link shows the same."""
    names = settings.model_names
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


def known_versions(settings: Settings, model: str) -> tuple[Version, ...]:
    """The newest versions; more of them where production may be older than those."""
    limit = limit_of("versions", model, FEW)
    found = versions(client(settings), model, limit)
    seen = all(holder(found, alias) for alias in (PRODUCTION, PREVIOUS))
    if seen or len(found) < limit or limit == MANY:
        return found
    _set_limit("versions", model, MANY)
    return versions(client(settings), model, MANY)


def choose(found: Sequence[Version]) -> None:
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


def limit_of(what: str, model: str, few: int) -> int:
    """How many are asked for in this session."""
    return int(st.session_state.get(f"limit {what} {model}", few))


def _set_limit(what: str, model: str, limit: int) -> None:
    st.session_state[f"limit {what} {model}"] = limit


def more_button(what: str, model: str, there: int, few: int, most: int, label: str) -> None:
    """A button for older ones, where there may be any."""
    limit = limit_of(what, model, few)
    if there >= limit and limit < most and st.button(label):
        _set_limit(what, model, most)
        st.rerun()
