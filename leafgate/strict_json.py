"""JSON that every reader takes (RFC 8259): a number that is not finite is written as null.

Python's own module writes NaN and Infinity, which are no JSON: browsers, databases and other
languages refuse the whole document because of one number. Null means "not known". Documents of
older versions still hold NaN, and are read as if they held null.
"""

import json
from collections.abc import Callable
from math import inf, isfinite, nan
from typing import Any


def dump_json(
    value: object,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = None,
    ensure_ascii: bool = False,
    default: Callable[[Any], object] | None = None,
) -> str:
    """Return `value` as JSON, with null for NaN and infinities, and NumPy's numbers as numbers.

    The options are those of `json.dumps`. Raises TypeError for a value that has no form in JSON,
    where there is no `default` to make one.
    """

    def fallback(item: Any) -> object:  # noqa: ANN401 - anything
        if hasattr(item, "tolist"):  # a number or an array of NumPy's
            return item.tolist()
        if default is None:
            raise TypeError(f"{type(item).__name__} has no form in JSON")
        return default(item)

    def encode(item: object) -> str:
        return json.dumps(
            item,
            allow_nan=False,
            indent=indent,
            sort_keys=sort_keys,
            separators=separators,
            ensure_ascii=ensure_ascii,
            default=fallback,
        )

    try:
        return encode(value)
    except ValueError:  # something is not finite
        return encode(only_finite(value))


def load_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return what a JSON document holds, with None for NaN, Infinity and numbers out of range.

    Raises ValueError for text that is no JSON.
    """
    return json.loads(text, parse_constant=lambda _: None, parse_float=_float)


def only_finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the value with None in place of every number that is not finite, however deep."""
    if isinstance(value, dict):
        return {_finite(key): only_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [only_finite(item) for item in value]
    if hasattr(value, "tolist"):
        return only_finite(value.tolist())
    return _finite(value)


def as_number(value: float | None) -> float:
    """Return a figure that was read, NaN where it is not known (null)."""
    return nan if value is None else float(value)


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return None if isinstance(value, float) and not isfinite(value) else value


def _float(text: str) -> float | None:
    value = float(text)
    return None if abs(value) == inf else value
