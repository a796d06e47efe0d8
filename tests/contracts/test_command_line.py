"""The program `leafgate`: the help of every command, and its exit codes."""

import ast
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.contracts import product
from tests.contracts.frozen import require_same_json, require_same_text

WIDTH = 100
EXITS = ("Exit", "exit")


def _tree(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Names and command, depth first, groups before their commands."""
    yield names, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _tree(inner, (*names, name))


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """Every group and command by its full name."""
    root = typer.main.get_command(product.program().app)
    return {" ".join(("leafgate", *names)): command for names, command in _tree(root)}


def _help(name: str, command: Any) -> str:
    """As plain text: neither boxes nor colours, whatever the terminal."""
    command.rich_markup_mode = None
    context = command.make_context(
        name, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )
    return str(command.get_help(context))


def test_help_of_every_command(commands: dict[str, Any]) -> None:
    assert len(commands) > 35
    parts = [
        f"$ {name} --help\n{_help(name, command)}".rstrip() for name, command in commands.items()
    ]
    text = "\n\n\n".join(parts)
    assert "\x1b" not in text
    require_same_text("command_line_help.txt", "\n".join(map(str.rstrip, text.splitlines())))


def test_parameters_of_every_command(commands: dict[str, Any]) -> None:
    """Names, types and defaults, of hidden ones too."""
    actual = {
        name: [
            {
                "kind": parameter.param_type_name,
                "names": [*parameter.opts, *parameter.secondary_opts],
                "type": _type_name(parameter.type_descriptor.annotation),
                "bounds": [parameter.min, parameter.max],
                "default": parameter.default,
                "required": parameter.required,
                "multiple": parameter.multiple or parameter.nargs != 1,
                "environment": parameter.envvar,
            }
            for parameter in command.params
        ]
        for name, command in commands.items()
    }
    require_same_json("command_line_parameters.json", actual)


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def test_exit_codes_that_commands_name(commands: dict[str, Any]) -> None:
    """Of each `raise typer.Exit(code)` in the function of a command."""
    actual = {}
    for name, command in commands.items():
        if command.callback is not None and not hasattr(command, "commands"):
            source, names = product.callback_source(command)
            actual[name] = sorted({0, *_exit_codes(source, names)})
    require_same_json("exit_codes.json", actual)


def _exit_codes(source: str, names: dict[str, Any]) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in EXITS and node.args:
            code = node.args[0]
            yield int(names[code.id] if isinstance(code, ast.Name) else ast.literal_eval(code))


@pytest.fixture
def _same_umask() -> Iterator[None]:
    """The program makes new files private; other tests of this process are not to notice."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_same_umask")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("models", "--help"), 0),
        (("no-such-command",), 2),
        (("train", "classifier"), 2),
        (("db", "ddl", "--dialect", "oracle"), 2),
        (("train", "classifier", "--data", ".", "epoch=3"), 2),
    ],
)
def test_exit_codes_of_good_and_bad_usage(
    arguments: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(arguments, monkeypatch) == code


@pytest.mark.usefixtures("_same_umask")
def test_a_full_disk_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(product.program(), "app", fail)
    assert _run((), monkeypatch) == 1


def _run(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["leafgate", *arguments])
    with pytest.raises(SystemExit) as raised:
        product.program().main()
    return raised.value.code
