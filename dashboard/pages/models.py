"""Models: which versions there are, what the gate said of them, and what is in production."""

import streamlit as st

from leafgate.settings import Settings


def render(settings: Settings) -> None:
    """The page."""
    st.title("Models")
