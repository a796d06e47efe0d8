"""Text that a spreadsheet takes for text.

A cell that begins with = + - @ is a formula to spreadsheets, which run it when a CSV is opened; so
does one after a separator that the spreadsheet's language uses and the file's does not, such as a
semicolon, also where a quotation mark follows it. Names of files, users and classes, and paths, are
chosen by those who send them. An apostrophe in front makes spreadsheets take the cell as text
(OWASP, CSV Injection).
"""

import re
from typing import Any
from unicodedata import category

import pandas as pd
from pandas.api.types import is_numeric_dtype

STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"  # the last four are full-width forms of the first
FORMULA = re.compile(f"[{re.escape(STARTS)}]")
SEPARATORS = ";\t\r\n"
QUOTE = "'"
UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")  # what importers cut off in front


def harmless(text: str) -> str:
    """`text` with an apostrophe wherever a spreadsheet would find the beginning of a formula."""
    if not FORMULA.search(text):
        return text
    safe, begins = "", True
    for each in text:
        safe += f"{QUOTE}{each}" if begins and each in STARTS else each
        is_skipped = each == '"' or category(each) in UNSEEN
        begins = each in SEPARATORS or (begins and is_skipped)
    return safe


def harmless_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy whose texts, among them the names of rows and columns, are harmless; numbers stay."""
    safe = frame.apply(_harmless_column) if len(frame) else frame
    return safe.rename(index=_harmless_value, columns=_harmless_value)


def formulas_in(frame: pd.DataFrame) -> set[str]:
    """The texts of its cells that `harmless` changes."""
    texts = (text for name in frame.columns for text in frame[name] if isinstance(text, str))
    return {text for text in texts if harmless(text) != text}


def _harmless_column(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column if is_numeric_dtype(column.dtype) else column.map(_harmless_value)


def _harmless_value(value: Any) -> Any:  # noqa: ANN401 - of any column
    return harmless(value) if isinstance(value, str) else value
