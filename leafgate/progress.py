"""Progress bars with time left: one look for every long step; one plain line off a terminal."""

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


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """A bar on standard error; yields `advance(note="")`, to be called once for each step done.

    `note` is shown beside the bar (a loss, a file name). Off a terminal, one line at the end.
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
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, note="")
        notes = [""]

        def advance(note: str = "") -> None:
            notes.append(note or notes[-1])
            bar.update(task, advance=1, note=notes[-1])

        yield advance
    if not console.is_terminal:
        console.print(
            f"{description}: {len(notes) - 1}/{total} {notes[-1]}", highlight=False, markup=False
        )
