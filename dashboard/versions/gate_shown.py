"""The gate's report on the page: the verdict, then what failed with pictures, then the rest."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard.calls.model_versions import Story, Version
from dashboard.guard import problems_shown
from dashboard.plain_text import plain, prose
from dashboard.versions.gate_report import Check, Report, passed_rows, read

Picture = Callable[[str], bytes]  # PNG of a check


def show_gate(model: str, story: Story, picture: Picture) -> None:
    """Inline. picture: asks for the one of a check; may raise ApiProblem."""
    if story.gate_report is None:
        st.info(_no_report(model, story.version))
        return
    report = read(story.gate_report)
    show, sign = (st.error, "✗") if report.failed else (st.success, "✓")
    if report.decision == "on hold" and not report.failed:
        show, sign = st.warning, "○"
    show(f"{sign} {plain(report.headline)}.")
    st.caption(
        f"{plain(report.judged)} {len(report.passed)} of {len(report.checks)} checks passed."
    )
    for check in report.failed:
        _show_failed(check, report, picture)
    _show_passed(report, picture)
    with st.expander("What it was judged on"):
        facts = [(title, plain(value)) for title, value in report.facts.items()]
        frame = pd.DataFrame(facts, columns=["Fact", "Value"])
        st.table(frame, hide_index=True, alt="What the version was judged on")


def _no_report(model: str, version: Version) -> str:
    if version.gate in ("passed", "failed"):
        return (
            f"The gate has judged this version ({plain(version.gate)}), but its report is not "
            "among the artifacts of the run any more."
        )
    command = f"leafgate gate {model} --version {version.version}"
    return f"The gate has not judged this version. `{command}` does, and says why."


def _show_failed(check: Check, report: Report, picture: Picture) -> None:
    with st.container(border=True):
        st.markdown(f"**✗ {plain(check.question)}** {check.answer}")
        _show_found(check)
        if check.name in report.pictures:
            _show_picture(check, picture)
        if check.remedy:
            st.markdown(f"**What to do:** {prose(check.remedy)}")


def _show_found(check: Check) -> None:
    st.markdown(prose(check.sentence))
    measured = f"Measured: **{plain(check.measured)}**. Asked for: **{plain(check.bound)}**."
    st.markdown(f"{measured} {check.how_sure}")


def _show_passed(report: Report, picture: Picture) -> None:
    if not report.passed:
        return
    st.markdown("**What it passed**")
    st.table(pd.DataFrame(passed_rows(report)), hide_index=True, alt="Checks that were passed")
    for check in report.passed:
        with st.expander(f"✓ {plain(check.question)}", on_change="rerun") as opened:
            if opened.open:
                _show_found(check)
                if check.name in report.pictures:
                    _show_picture(check, picture)


def _show_picture(check: Check, picture: Picture) -> None:
    """A picture that cannot be had does not cost the words around it."""
    with problems_shown():
        st.image(picture(check.name), alt=f"Picture of the check {check.name}: {check.sentence}")
