"""CSV files that people and spreadsheets write: what they vary in, and what is refused in words.

Excel adds a byte order mark, writes `;` where the decimal sign is a comma, and `sep=;` as a first
line; hand-written files have blank lines. All of that is read; what cannot be read is named.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leafgate.errors import UserError

DELIMITERS = ",;\t|"
WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")  # byte order marks of UTF-16 and UTF-32


@dataclass(frozen=True)
class TableRow:
    """One row. line: counted from 1, of its end; cells: by column, as they were written.

    Bytes that are not UTF-8 are surrogates in a cell, as they are in the names of files.
    """

    line: int
    cells: dict[str, str]


def read_table(file: Path, columns: Sequence[str], fix: str) -> list[TableRow]:
    """Return the rows of a CSV file that has at least `columns`, whatever their case and order.

    fix: what to do about a file that cannot be used. Blank rows are left out; a file without a row
    gives an empty list. Raises UserError that names the file, and the line where one is wrong.
    """
    lines = _lines(_text(file, fix))
    if not any(line.strip() for line in lines):
        raise UserError(f"{file} is empty", fix)
    skipped = next(place for place, line in enumerate(lines) if line.strip())
    named, delimiter = None, ""
    if lines[skipped].strip().strip('"').lower().startswith("sep=") and skipped + 1 < len(lines):
        named, skipped = lines[skipped].strip().strip('"')[4:5], skipped + 1
    wanted = {column.casefold(): column for column in columns}
    header: list[str] = []
    for delimiter in (named,) if named else DELIMITERS:
        header = [cell.strip().casefold() for cell in _first(lines[skipped:], delimiter)]
        if wanted.keys() <= set(header):
            break
    else:
        shown = lines[skipped].strip()[:200]
        raise UserError(f"{file} has the columns {shown!r}, expected {', '.join(columns)}", fix)
    twice = [column for name, column in wanted.items() if header.count(name) > 1]
    if twice:
        raise UserError(f"{file} has two columns {twice[0]}", fix)
    places = {column: header.index(name) for name, column in wanted.items()}
    return _rows(file, lines, skipped, delimiter, len(header), places, fix)


def _text(file: Path, fix: str) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "check the path") from None
    if data.startswith(WIDE) or b"\0" in data:
        raise UserError(
            f"{file} is not UTF-8 text (UTF-16, or no CSV file at all)",
            "save it as CSV in UTF-8; Excel calls that `CSV UTF-8`",
        )
    return data.decode("utf-8-sig", "surrogateescape")


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _first(lines: list[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        return []


def _rows(
    file: Path,
    lines: list[str],
    skipped: int,
    delimiter: str,
    width: int,
    places: dict[str, int],
    fix: str,
) -> list[TableRow]:
    reader, rows = csv.reader(lines[skipped:], delimiter=delimiter), []
    line = skipped + 1
    try:
        next(reader)
        for cells in reader:
            line = skipped + reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) <= max(places.values()) or any(cell.strip() for cell in cells[width:]):
                raise UserError(
                    f"{file} line {line} has {len(cells)} cells, its header has {width}",
                    f"write {width} cells, in quotes where a cell holds {delimiter!r}",
                )
            rows.append(TableRow(line, {name: cells[at] for name, at in places.items()}))
    except csv.Error as error:
        raise UserError(f"{file} line {line + 1} is no CSV ({error})", fix) from None
    return rows
