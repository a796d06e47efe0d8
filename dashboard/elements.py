"""Tables and charts whose data a person can download, with what is a formula in them made harmless.

Streamlit writes these files in the browser: from a data frame, and from "Show data" of a chart. So
every page shows them through these functions, which change the data before it leaves.
"""

from collections.abc import Iterator
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.formulas import formulas_in, harmless, harmless_frame

NAMES_IN = ("domain", "sort", "values")  # lists of a chart that repeat values of its data


def show_data_frame(frame: pd.DataFrame, **options: Any) -> Any:  # noqa: ANN401 - Streamlit's
    """`st.dataframe`, with its options."""
    return st.dataframe(harmless_frame(frame), **options)


def show_chart(chart: alt.TopLevelMixin, alt_text: str) -> None:
    """A chart as wide as the page has room. alt_text: what it says to who does not see it."""
    formulas = set[str]().union(*(formulas_in(each) for each in _frames(chart)))
    if not formulas:
        st.altair_chart(chart, width="stretch", alt=alt_text)
        return
    safe = _replaced(chart.to_dict(), {each: harmless(each) for each in formulas}, in_data=False)
    st.vega_lite_chart(spec=safe, width="stretch", alt=alt_text)


def _frames(chart: Any) -> Iterator[pd.DataFrame]:  # noqa: ANN401 - a chart or a layer
    data = getattr(chart, "data", None)
    if isinstance(data, pd.DataFrame):
        yield data
    for kind in ("layer", "hconcat", "vconcat", "concat"):
        for part in getattr(chart, kind, None) or ():
            yield from _frames(part)


def _replaced(value: Any, by: dict[str, str], in_data: bool) -> Any:  # noqa: ANN401 - JSON
    """The specification with texts replaced, but only where data stands or is repeated: elsewhere
    a text like "-x" belongs to the chart.
    """
    if isinstance(value, dict):
        return {
            name: _replaced(
                each,
                by,
                in_data or name == "datasets" or (name in NAMES_IN and isinstance(each, list)),
            )
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_replaced(each, by, in_data) for each in value]
    return by.get(value, value) if in_data and isinstance(value, str) else value
