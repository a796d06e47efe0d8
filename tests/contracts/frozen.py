"""Compare a contract with its stored file, or write the file again."""

import difflib
import json
import os
from pathlib import Path

import pytest

EXPECTED = Path(__file__).parent / "expected"
UPDATE = "UPDATE_CONTRACTS"
DIFF_LINES = 60
HOW_TO_UPDATE = (
    f"If the change is on purpose, run `{UPDATE}=1 pytest tests/contracts`, review the diff of the "
    "file, and name the change in CHANGELOG.md."
)


def require_same_text(file_name: str, actual: str) -> None:
    """Fail unless `actual` is the text stored as `file_name`; with UPDATE_CONTRACTS=1, store it."""
    file = EXPECTED / file_name
    actual = actual.rstrip("\n") + "\n"
    if os.environ.get(UPDATE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(actual, encoding="utf-8")
    expected = file.read_text(encoding="utf-8") if file.is_file() else ""
    if expected == actual:
        return
    lines = list(
        difflib.unified_diff(
            expected.splitlines(), actual.splitlines(), f"expected/{file_name}", "actual", n=2,
            lineterm="",
        )
    )  # fmt: skip
    rest = len(lines) - DIFF_LINES
    shown = [*lines[:DIFF_LINES], *([f"… and {rest} more lines"] if rest > 0 else [])]
    pytest.fail("\n".join([f"{file_name} has changed.", HOW_TO_UPDATE, *shown]), pytrace=False)


def require_same_json(file_name: str, actual: object) -> None:
    """The same for a value, as indented JSON. The order of lists counts, that of keys does not."""
    text = json.dumps(actual, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    require_same_text(file_name, text)
