"""Diagnoses as CSV, for Excel and for programs.

A byte order mark tells Excel that it is UTF-8. Texts that a spreadsheet would take for a formula
are made harmless, and every text is quoted, so that no other separator than the comma parts it.
Numbers are left alone.
"""

import csv
import io
from collections.abc import Sequence

from dashboard.calls.diagnosing import Diagnosis, Problem
from dashboard.diagnoses import Result
from dashboard.formulas import harmless

COLUMNS = (
    *("file", "class", "confidence", "unknown", "top 5", "model", "version", "engine"),
    *("latency_ms", "images_in_request", "request_id", "time", "problem", "corrected class"),
)
Cell = str | int | float


def as_csv(results: Sequence[Result]) -> bytes:
    """A line a file, under a line of `COLUMNS`. Classes are named as the model names them; the
    latency is that of the request, which brought `images_in_request` images.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    lines.writerow(COLUMNS)
    for result in results:
        cells = _cells(result)
        lines.writerow([_harmless(cells.get(column, "")) for column in COLUMNS])
    # A lone surrogate, which a name may have, cannot be encoded.
    return text.getvalue().encode("utf-8-sig", "replace")


def _harmless(cell: Cell) -> Cell:
    return harmless(cell) if isinstance(cell, str) else cell


def _cells(result: Result) -> dict[str, Cell]:
    known: dict[str, Cell] = {
        "file": result.upload.name,
        "corrected class": result.sent.class_name if result.sent else "",
        "request_id": result.answer.request_id,
    }
    if isinstance(result.answer, Problem):
        return {**known, "problem": f"{result.answer.detail} ({result.answer.code})"}
    return {**known, **_cells_of(result.answer)}


def _cells_of(told: Diagnosis) -> dict[str, Cell]:
    return {
        "class": told.class_name,
        "confidence": round(told.confidence, 6),
        "unknown": "yes" if told.unknown else "no",
        "top 5": "; ".join(f"{name} {value:.4f}" for name, value in told.top),
        "model": told.model,
        "version": told.version,
        "engine": told.engine,
        "latency_ms": round(told.latency_ms, 1),
        "images_in_request": told.together,
        "time": told.at_utc.isoformat(timespec="seconds"),
    }
