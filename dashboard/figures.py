"""What pages of figures share: the database, and times as charts take them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.session import require_signed_in
from leafgate.settings import Settings
from sql import answering, migrate, open_database
from sql.analytics import Viewer

Log = Any  # a SQLAlchemy engine, which is known to sql alone


@st.cache_resource(show_spinner=False)
def database(url: str) -> Log:
    """One engine for all sessions, on the current schema."""
    engine = open_database(url)
    migrate(engine)
    return engine


@contextmanager
def open_log(settings: Settings) -> Iterator[tuple[Log, Viewer]]:
    """The configured request log, for `sql.analytics`, and who looks at it: nobody does without a
    sign-in that is still good. Raises UserError where the log is away.
    """
    viewer = require_signed_in(settings)
    log = database(settings.database)
    with answering(log):
        yield log, viewer


def local_times(moments: Sequence[datetime]) -> list[pd.Timestamp]:
    """For charts: without a zone, in UTC, as the axis says."""
    return [pd.Timestamp(moment).tz_convert("UTC").tz_localize(None) for moment in moments]
