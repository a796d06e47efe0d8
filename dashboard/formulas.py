"""Text that a spreadsheet takes for text.

A cell that begins with = + - @ is a formula to spreadsheets, which run it when a CSV is opened; so
does one after a separator that the spreadsheet's language uses and the file's does not, such as a
semicolon. Names of files, users and classes are chosen by whoever sends them. An apostrophe in
front makes spreadsheets take the cell as text (OWASP, CSV Injection).
"""

import re
from typing import Any
from unicodedata import category

import pandas as pd
from pandas.api.types import is_numeric_dtype

STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # the last four are full-width forms of the first
FORMULA = re.compile(f"[{STARTS}]")
AFTER_SEPARATOR = re.compile(f"([;\\t\\r\\n]\\s*)(?=[{STARTS}])")
QUOTE = "'"
UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")  # what importers cut off in front


def harmless(text: str) -> str:
    """`text` with an apostrophe wherever a spreadsheet would find the beginning of a formula."""
    begin = next((n for n, each in enumerate(text) if category(each) not in UNSEEN), len(text))
    rest = AFTER_SEPARATOR.sub(r"\1'", text[begin:])
    begins = text[:1] in ("\t", "\r", "\n") or FORMULA.match(rest)
    return f"{QUOTE if begins else ''}{text[:begin]}{rest}"


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
