"""What pydantic found wrong, in plain words: for problem documents, the CLI and the dashboard.

pydantic names the place of a value by a path (`body.file.0`) and its rules in the words of its
types. A person gets the name of the value and what it must be.
"""

from collections.abc import Mapping
from typing import Any

SHOWN_CHARACTERS = 80  # of a value in a message
# By pydantic's type of an error; in braces what it knows of the rule.
RULES = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "string_pattern_mismatch": "does not have the right form",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "bytes_type": "must be a file",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be an object of names and values",
    "model_type": "must be an object of names and values",
    "model_attributes_type": "must be an object of names and values",
    "path_type": "must be a path",
    "none_required": "must be left out",
}
WITHOUT_VALUE = frozenset(("missing", "extra_forbidden", "string_too_long"))


def rule_of(item: Mapping[str, Any]) -> str:
    """What a value must be, to be read after its name. item: of pydantic's `errors()`."""
    kind, context = item["type"], item.get("ctx") or {}
    if kind in ("value_error", "assertion_error"):
        reason = str(context.get("error") or item["msg"]).removeprefix("Value error, ")
        return f"cannot be used ({reason})"
    if kind in RULES:
        try:
            return RULES[kind].format_map({key: _plain(each) for key, each in context.items()})
        except KeyError:  # of another version of pydantic
            pass
    message = str(item["msg"])
    return f"cannot be used ({message[:1].lower()}{message[1:]})"


def _plain(bound: object) -> object:
    """300.0 is 300 to a person."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def name_of(item: Mapping[str, Any], places: frozenset[str] = frozenset()) -> str:
    """The name of the value, without the path to it: `entry 2 of files`. places: to leave out."""
    path = [each for each in item["loc"] if each not in places]
    names = [each for each in path if isinstance(each, str)]
    if not names:
        return ""
    return f"entry {path[-1] + 1} of {names[-1]}" if isinstance(path[-1], int) else names[-1]


def shown(value: object) -> str:
    """As much of a value as a message holds."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def assignment_problem(name: str, item: Mapping[str, Any], is_secret: bool = False) -> str:
    """What is wrong with `name=value`, as in the environment or on the command line."""
    rule = rule_of(item)
    if item["type"] == "extra_forbidden" and not is_secret:
        return f"{name}={shown(item['input'])}: there is no setting {name!r}"
    if item["type"] in WITHOUT_VALUE or is_secret or not name:
        return f"{name or 'what is given'} {rule}"
    return f"{name}={shown(item['input'])} {rule}"
