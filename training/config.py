"""A job's configuration: one frozen object, from defaults, a YAML file and `key=value` pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from leafgate.class_names import class_name
from leafgate.errors import UserError
from leafgate.file_names import is_utf8, path_text
from leafgate.validation_words import assignment_problem, name_of

OnConflict = Literal["exclude", "error"]
ON_CONFLICT = "pictures that are filed under more than one class: exclude from every side, or error"

RESPLIT = "divide all images, also where the folders are split already (train/, val/, test/)"


def on_conflict(text: str) -> OnConflict:
    """`exclude` or `error`. Raises UserError for anything else."""
    for known in get_args(OnConflict):
        if text == known:
            return known  # type: ignore[no-any-return]
    raise UserError(f"conflicts {text!r} is unknown", f"use {' or '.join(get_args(OnConflict))}")


class JobConfig(BaseModel):
    """Base of every job's configuration: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


Config = TypeVar("Config", bound=JobConfig)


def read_config(kind: type[Config], file: Path | None, assignments: Sequence[str]) -> Config:
    """Defaults of `kind`, overridden by the YAML file, overridden by `key=value` pairs.

    Raises UserError naming the setting, the value and what is known.
    """
    values = _from_file(file) if file else {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise UserError(f"{assignment!r} is no setting", "write name=value, as in epochs=5")
        values[name.strip()] = _value(assignment, value) if value.strip() else ""
    return make_config(kind, values)


def _value(assignment: str, value: str) -> object:
    """The value as YAML reads it; letters of a Latin-1 terminal are read as such."""
    try:
        return yaml.safe_load(value if is_utf8(value) else class_name(value))
    except yaml.YAMLError:
        raise UserError(
            f"{path_text(assignment)!r} has a value that is not YAML",
            "put the value in quotes, as in classes='[\"a, b\", c]'",
        ) from None


def make_config(kind: type[Config], values: dict[str, object]) -> Config:
    """`kind(**values)` with problems told as UserError."""
    try:
        return kind(**values)
    except ValidationError as error:
        problems = [
            assignment_problem(name_of(item), item) for item in error.errors(include_url=False)
        ]
        known = ", ".join(kind.model_fields)
        raise UserError(f"bad settings: {'; '.join(problems)}", f"known are: {known}") from None


def _from_file(file: Path) -> dict[str, object]:
    if not file.is_file():
        raise UserError(f"no configuration file {file}", "check the path given to --config")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8-sig")) or {}
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text", "save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        told = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise UserError(f"{file}{place}: not YAML ({told})", "correct the file") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "check its rights") from None
    if not isinstance(values, dict):
        raise UserError(f"{file} holds no settings", "write lines of `name: value`")
    return {str(name): value for name, value in values.items()}


def settings_help(kind: type[JobConfig]) -> str:
    """One line a setting: name, default, what it does; for --help."""
    lines = [
        f"{name}={_shown(field.default)}  {field.description or ''}".rstrip()
        for name, field in kind.model_fields.items()
    ]
    return "\n\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return "null"  # as YAML has it
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
