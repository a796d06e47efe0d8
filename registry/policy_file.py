"""A YAML policy as text with line numbers, so that an error can say where it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from leafgate.errors import UserError


@dataclass(frozen=True)
class Entry:
    """One key of a mapping. line: counted from 1; value: text, number, truth, entries or None."""

    key: str
    line: int
    value: "float | str | bool | list[Entry] | None"

    @property
    def entries(self) -> "list[Entry]":
        """Those of a mapping; empty for what is none."""
        return self.value if isinstance(self.value, list) else []


@dataclass(frozen=True)
class PolicyFile:
    """A policy as it was read. name: for messages; text: all of it."""

    name: str
    text: str
    entries: tuple[Entry, ...]

    def find(self, key: str) -> Entry | None:
        """The entry of that name at the top."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def wrong(self, line: int, problem: str, fix: str) -> UserError:
        """An error that names file and line."""
        return UserError(f"{self.name}, line {line}: {problem}", fix, code="bad_policy")


def read_policy_file(file: Path) -> PolicyFile:
    """Read it. Raises UserError where it is missing, no YAML, no mapping, or says a key twice."""
    if not file.is_file():
        raise UserError(f"no policy file {file}", "check the path given to --policy")
    try:
        text = file.read_text(encoding="utf-8")
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _no_yaml(file, error) from None
    read = PolicyFile(file.name, text, ())
    if not isinstance(root, yaml.MappingNode):
        raise read.wrong(
            1, "names no checks", "write `kind:` and `checks:`; docs/gate.md has an example"
        )
    return PolicyFile(file.name, text, tuple(_entries(read, root)))


def _no_yaml(file: Path, error: Exception) -> UserError:
    mark = getattr(error, "problem_mark", None)
    place = f", line {mark.line + 1}" if mark is not None else ""
    told = getattr(error, "problem", None) or str(error)
    return UserError(f"{file.name}{place}: not YAML ({told})", "correct it", code="bad_policy")


def _entries(read: PolicyFile, mapping: yaml.MappingNode) -> Iterator[Entry]:
    known: dict[str, int] = {}
    for key, value in mapping.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in known:
            raise read.wrong(
                line, f"{name!r} is there already, in line {known[name]}", "remove one"
            )
        known[name] = line
        yield Entry(name, line, _value(read, value))


def _value(read: PolicyFile, node: yaml.Node) -> "float | str | bool | list[Entry] | None":
    if isinstance(node, yaml.MappingNode):
        return list(_entries(read, node))
    if isinstance(node, yaml.ScalarNode):
        plain = yaml.SafeLoader("").construct_object(node)
        if plain is None or isinstance(plain, bool | float | str):
            return plain
        return float(plain) if isinstance(plain, int) else str(plain)
    line = node.start_mark.line + 1
    raise read.wrong(line, "a list", "a policy has names, numbers and words only")
