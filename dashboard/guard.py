"""No page breaks: what goes wrong stands where the block stands, in words, with what to do."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.client import ApiProblem
from dashboard.plain_text import prose
from dashboard.session import ENDED, SIGNED_OUT, sign_out
from leafgate.errors import UserError

log = logging.getLogger(__name__)


@contextmanager
def problems_shown() -> Iterator[None]:
    """Show what goes wrong in the block; a token that is no longer good leads to the sign-in page.

    What nobody foresaw goes into the dashboard's log, under a reference that the page names.
    """
    try:
        yield
    except ApiProblem as problem:
        if problem.code in SIGNED_OUT:
            sign_out(ENDED)
            st.rerun()
        show_problem(problem.detail, problem.fix)
    except UserError as error:
        show_problem(error.problem, error.fix)
    except Exception:  # a person gets a sentence, not a stack of code
        reference = secrets.token_hex(4)
        log.exception("a page failed, reference %s", reference)
        show_problem(
            f"this part of the page failed (reference {reference})",
            "reload the page; if it fails again, give whoever runs LeafGate the reference, which "
            "stands in the dashboard's log",
        )


def show_problem(problem: str, fix: str) -> None:
    """An error as everywhere: what was wrong, and what to do; names in it stand to the letter."""
    st.error(f"{prose(problem)} What to do: {prose(fix)}")
