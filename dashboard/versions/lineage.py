"""Where a version comes from: its run, its images, its files and the code; each to be copied."""

from urllib.parse import urlsplit

import streamlit as st

from dashboard.calls.model_versions import Story
from dashboard.plain_text import plain


def show_lineage(story: Story) -> None:
    """Each by its name, and the way to MLflow."""
    told, unknown = facts(story), []
    left, right = st.columns(2)
    for place, (title, value) in enumerate(told.items()):
        if not value:
            unknown.append(title)
            continue
        with (left, right)[place % 2]:
            st.caption(title)
            st.code(value, language=None, wrap_lines=True)
    if story.lineage.git_changed:
        st.warning(
            "The code had been changed since that commit when this version was trained: the commit "
            "alone does not make it again."
        )
    if unknown:
        st.caption(f"Not on record: {plain(', '.join(unknown))}.")
    if is_web_address(story.mlflow_url):
        st.link_button("Open in MLflow", story.mlflow_url, icon=":material/open_in_new:")


def facts(story: Story) -> dict[str, str]:
    """By title; empty for what is not on record."""
    lineage = story.lineage
    return {
        "Training run": lineage.run_id,
        "Images (digest of their manifest)": lineage.data_digest,
        "Stored model (digest)": lineage.artifact_digest,
        "Code (git commit)": lineage.git_commit,
        "LeafGate": lineage.leafgate_version,
    }


def is_web_address(url: str) -> bool:
    """Whether a link may lead there: to a page, and to no script."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)
