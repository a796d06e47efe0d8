"""The pages: a new one is a file in `pages/` and a line here."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from dashboard.guard import show_problem
from dashboard.pages import diagnose, diseases, generate, models, study, traffic
from leafgate.settings import Settings


@dataclass(frozen=True)
class Entry:
    """One page. scope: what a user needs for it, if anything; path: its address."""

    title: str
    icon: str
    path: str
    render: Callable[[Settings], None]
    scope: str | None = None


PAGES = (
    Entry("Diagnose", ":material/eco:", "diagnose", diagnose.render, "predict"),
    Entry("Generate", ":material/auto_awesome:", "generate", generate.render, "generate"),
    Entry("Traffic", ":material/monitoring:", "traffic", traffic.render),
    Entry("Diseases", ":material/bar_chart:", "diseases", diseases.render),
    Entry("Models", ":material/verified:", "models", models.render),
    Entry("Study", ":material/science:", "study", study.render),
)


def is_offered(entry: Entry, scopes: frozenset[str]) -> bool:
    """Whether the page is in the menu of a user with these scopes."""
    return entry.scope is None or entry.scope in scopes


def no_scope_page(entry: Entry) -> None:
    """What a link to a page shows to a user who may not open it."""
    st.title(entry.title)
    show_problem(
        f"this page needs the scope '{entry.scope}', which you do not have",
        "ask whoever runs LeafGate for it, then sign in again",
    )
