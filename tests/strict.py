"""JSON as RFC 8259 has it: no NaN, no Infinity."""

import json
from typing import Any, NoReturn


def as_strict_json(text: str | bytes) -> Any:
    """What it holds. Raises ValueError for what other readers of JSON would refuse."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
