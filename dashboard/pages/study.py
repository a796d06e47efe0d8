"""Study: whether generated pictures helped a classifier."""

import streamlit as st

from leafgate.settings import Settings


def render(settings: Settings) -> None:
    """The page."""
    st.title("Study")
