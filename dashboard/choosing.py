"""Choices that stand in the URL, of names that the log has."""

import streamlit as st

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
    """Without what no database takes in a text, such as NUL and lone surrogates."""
    return "".join(each for each in text if each.isprintable()).strip()
