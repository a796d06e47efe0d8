"""Choices that stand in the URL, of names that the log has."""

import streamlit as st

from leafgate.class_names import class_name

WIDTH = 220


def choose(label: str, key: str, options: list[str]) -> str | None:
    """One of the options, the first unless another is chosen; None: there are none.

    Others are taken too: one that a link names may be missing in the time that is shown, and saying
    that there is nothing of it is better than to show everything instead.
    """
    found = st.selectbox(
        label,
        options,
        key=key,
        bind="query-params",
        accept_new_options=True,
        width=WIDTH,
    )
    return None if found is None else storable(found)


def storable(text: str) -> str:
    """As names are stored, and without what no database takes, such as NUL and lone surrogates."""
    return class_name("".join(each for each in text if each.isprintable()))
