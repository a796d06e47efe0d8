"""How often the answers were right, on the Diseases page."""

import streamlit as st

from dashboard import feedback_charts as charts
from dashboard.elements import show_chart
from sql.analytics import FeedbackAccuracy


def show_feedback(found: FeedbackAccuracy) -> None:
    """Overall, by class and by version, and what is mistaken for what; how to give feedback, where
    there is none.
    """
    st.header("Accuracy by feedback")
    if found.all is None:
        st.info(
            "Nobody has said yet what the leaves of this time really show. Say so on the Diagnose "
            "page, below an answer, or send `POST /feedback` with the request id and the class; "
            "or choose a longer range.",
            icon=":material/rate_review:",
        )
        return
    _overall(found)
    st.caption(charts.caution(found.by_true))
    show_chart(charts.scores_chart(found), charts.scores_alt(found))
    with st.expander("Accuracy of each class as a table"):
        st.table(charts.scores_table(found), hide_index=True, alt="Accuracy of each class")
    st.markdown("**By version**")
    st.table(charts.versions_table(found), hide_index=True, alt="Accuracy of each version")
    _mistakes(found)


def _overall(found: FeedbackAccuracy) -> None:
    if found.all is None:
        return
    share = found.all.share
    with st.container(horizontal=True):
        st.metric("Right, by feedback", f"{share.value:.1%}", width=170)
        st.metric("95 % interval", f"{share.low:.1%} to {share.high:.1%}", width=240)
        st.metric("Answers with feedback", f"{found.all.answers:,}", width=190)


def _mistakes(found: FeedbackAccuracy) -> None:
    st.markdown("**What is mistaken for what**")
    if not charts.mistakes(found):
        st.caption("No answer was called wrong.")
        return
    show_chart(charts.confusion_chart(found), charts.confusion_alt(found))
    with st.expander("Mistakes as a table"):
        st.table(charts.mistakes_table(found), hide_index=True, alt="Mistakes, most frequent first")
        others = len(charts.mistakes(found)) - charts.MOST_MISTAKES
        if others > 0:
            st.caption(f"{others:,} other kinds of mistake are rarer.")
