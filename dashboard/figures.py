"""What pages of figures share: the database, and times as charts take them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from leafgate.settings import Settings
from sql import answering, migrate, open_database

Log = Any  # a SQLAlchemy engine, which is known to sql alone


@st.cache_resource(show_spinner=False)
def database(url: str) -> Log:
    """One engine for all sessions, on the current schema."""
    engine = open_database(url)
    migrate(engine)
    return engine


@contextmanager
def open_log(settings: Settings) -> Iterator[Log]:
    """The configured request log, for `sql.analytics`. Raises UserError where it is away."""
    log = database(settings.database)
    with answering(log):
        yield log


def local_times(moments: Sequence[datetime]) -> list[pd.Timestamp]:
    """For charts: without a zone, in UTC, as the axis says."""
    return [pd.Timestamp(moment).tz_convert("UTC").tz_localize(None) for moment in moments]
