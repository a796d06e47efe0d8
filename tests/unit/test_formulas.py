"""What a person downloads from the dashboard runs nothing in a spreadsheet."""

import ast
import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any, Literal

import altair as alt
import pandas as pd
import pytest
import streamlit as st

from dashboard import elements
from dashboard.elements import show_chart, show_data_frame
from dashboard.formulas import STARTS, formulas_in, harmless, harmless_frame

DASHBOARD = Path(elements.__file__).parent
COMMAND = "=cmd|' /C calc'!A0"
# Of Streamlit's elements, those whose data the browser offers as a file.
DOWNLOADABLE = {
    *("dataframe", "data_editor", "altair_chart", "vega_lite_chart", "line_chart", "bar_chart"),
    *("area_chart", "scatter_chart", "plotly_chart", "pyplot", "write_stream"),
}


@pytest.mark.parametrize(
    "text",
    [
        *(COMMAND, "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\ufeff=1"),
        *("\u00a0+1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"),
    ],
)
def test_a_formula_at_the_beginning_of_a_text_gets_an_apostrophe(text: str) -> None:
    begin = next(place for place, each in enumerate(text) if each in STARTS)
    assert harmless(text) == f"{text[:begin]}'{text[begin:]}"


@pytest.mark.parametrize("text", ["leaf.png", "a=b", "1-2", "", "'=1", "ä@b", "10.0.0.1"])
def test_other_texts_stay(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("separator", [";", "\t", "\n", "; ", "\r\n"])
def test_a_formula_after_another_languages_separator_is_none(separator: str) -> None:
    assert f"{separator}'=1" in harmless(f"leaf{separator}=1")


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("read_with", [",", ";", "\t"])
def test_no_cell_is_a_formula_with_whatever_separator_a_spreadsheet_reads_the_file(
    quoting: Literal[0, 2], read_with: str
) -> None:
    for parts in itertools.product(';"= \n\u200bx', repeat=4):
        text = "".join(parts)
        file = io.StringIO(newline="")
        lines = csv.writer(file, quoting=quoting)
        lines.writerows([["first", harmless(text), "last"], [harmless(text), "last"]])
        read = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=read_with)
        cells = [cell.strip(" \t\r\n\u200b") for row in read for cell in row]
        assert not [cell for cell in cells if cell.startswith("=")], (text, file.getvalue())


def test_cells_and_the_names_of_rows_and_columns_are_harmless_and_numbers_stay() -> None:
    frame = pd.DataFrame({COMMAND: [-1.5, 2.0], "user": ["ada", COMMAND]}, index=["=a", "b"])
    safe = harmless_frame(frame)
    assert list(safe.columns) == [f"'{COMMAND}", "user"]
    assert list(safe.index) == ["'=a", "b"]
    assert list(safe["user"]) == ["ada", f"'{COMMAND}"]
    assert list(safe[f"'{COMMAND}"]) == [-1.5, 2.0]
    assert harmless_frame(frame.iloc[:0]).empty


def test_a_data_frame_is_shown_without_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[pd.DataFrame] = []
    monkeypatch.setattr(st, "dataframe", lambda frame, **_: seen.append(frame))
    show_data_frame(pd.DataFrame({"file": [COMMAND]}), hide_index=True)
    assert list(seen[0]["file"]) == [f"'{COMMAND}"]


def test_the_data_of_a_chart_is_without_formulas_and_its_colours_and_order_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(st, "vega_lite_chart", lambda spec, **_: seen.append(spec))
    frame = pd.DataFrame({"class": [COMMAND, "rust"], "n": [1, 2]})
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x="n",
            y=alt.Y("class", sort="-x"),
            color=alt.Color("class", scale=alt.Scale(domain=[COMMAND, "rust"])),
        )
    )
    show_chart(bars + bars.mark_text(), "bars")
    (spec,) = seen
    told = json.dumps(spec)
    assert '"-x"' in told
    assert f'"{COMMAND}"' not in told
    domains = [layer["encoding"]["color"]["scale"]["domain"] for layer in spec["layer"]]
    assert domains == [[f"'{COMMAND}", "rust"]] * 2
    (rows,) = spec["datasets"].values()
    assert [row["class"] for row in rows] == [f"'{COMMAND}", "rust"]


def test_a_chart_without_formulas_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(st, "altair_chart", lambda chart, **_: seen.append(chart))
    chart = alt.Chart(pd.DataFrame({"class": ["rust"], "n": [-1]})).mark_bar().encode(x="n")
    show_chart(chart, "bars")
    assert seen == [chart]
    assert formulas_in(pd.DataFrame({"n": [-1], "class": ["rust"]})) == set()


def test_every_page_shows_what_can_be_downloaded_through_these_functions() -> None:
    """A page that calls Streamlit itself would leave formulas in the browser's own CSV."""
    found = []
    for file in DASHBOARD.rglob("*.py"):
        if file.name == "elements.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in DOWNLOADABLE:
                found.append(f"{file.relative_to(DASHBOARD)}:{node.lineno} {node.attr}")
    assert found == []
