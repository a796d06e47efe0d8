"""Progress bars with time left: one look for every long step; one plain line off a terminal."""

import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[..., object]

SECONDS_BETWEEN_LINES = 15
TURNING = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


@contextmanager
def progress(description: str, total: int, done: int = 0) -> Iterator[Advance]:
    """A bar on standard error; yields `advance(note="")`, to be called once for each step done.

    done: steps of an earlier time. `note` is shown beside the bar (a loss, a file name). Off a
    terminal, a line now and then.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    lines = Lines(console, description, total, done)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, completed=done, note="")

        def advance(note: str = "") -> None:
            lines.step(note)
            bar.update(task, advance=1, note=lines.note)

        yield advance
    lines.tell()


def tell(line: str) -> None:
    """Say something once, on standard error."""
    Console(stderr=True).print(plain(line), highlight=False, markup=False, soft_wrap=True)


def plain(text: str) -> str:
    """Without what acts on a terminal: tags of MLflow, file names and the like may hold that."""
    return "".join(" " if _acts(each) else each for each in text)


def _acts(character: str) -> bool:
    """Whether it is a control character, half a surrogate pair, or turns the direction of text."""
    if character in TURNING:
        return True
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")


class Lines:
    """The same news for a file or a pipe: a line every few seconds, and one at the end."""

    def __init__(self, console: Console, description: str, total: int, done: int = 0) -> None:
        self.console, self.description, self.total = console, description, total
        self.done, self.note = done, ""
        self._next = time.monotonic() + SECONDS_BETWEEN_LINES

    def step(self, note: str) -> None:
        """One step more."""
        self.done, self.note = self.done + 1, note or self.note
        if time.monotonic() > self._next and self.done < self.total:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            self.tell()

    def tell(self) -> None:
        """Print where it stands, unless a bar shows it."""
        if not self.console.is_terminal:
            line = f"{self.description}: {self.done}/{self.total} {self.note}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
