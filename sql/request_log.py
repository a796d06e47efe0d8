"""The request log: what is recorded is on disk before it is answered, and in the database soon.

`record` puts an entry into this process's outbox and says when it is there; a thread moves it on.
So a database that is slow or away slows nobody, and nothing is lost while a process dies, or with
it. See sql/outbox.py for what a power cut may take.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from sql.database_file import gone, is_gone
from sql.mover import Mover
from sql.outbox import OutboxFailed
from sql.outbox_file import Sync
from sql.outbox_folder import Backlog, take_outbox, waiting_in
from sql.records import Entry

log = logging.getLogger(__name__)

AWAY_SECONDS = 2.0  # that closing waits for a database that is away

WhenFull = Literal["refuse", "serve"]


@dataclass(frozen=True)
class LogSettings:
    """limit: entries that may wait; when_full: refuse requests, or serve and count what is lost."""

    limit: int = 1_000_000
    when_full: WhenFull = "refuse"
    sync: Sync = "normal"


class RequestLog:
    """Use from any thread; close it at the end. engine: of a database that `migrate` can reach
    now or later; folder: of its outboxes; disguise: what is done to each entry first; former:
    further folders of its outboxes, see `former_folders`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        folder: Path,
        settings: LogSettings | None = None,
        disguise: Callable[[Entry], Entry] | None = None,
        former: Sequence[Path] = (),
    ) -> None:
        self.settings = settings or LogSettings()
        self._disguise = disguise
        self.dropped = 0
        self._engine, self._folders = engine, (folder, *former)
        self._held = take_outbox(folder, self.settings.sync)
        self._outbox = self._held.outbox
        self._failed = False
        self._trial: Future[None] | None = None
        self._mover = Mover(engine, self._outbox, *self._folders)
        self._mover.start()

    @property
    def backlog(self) -> int:
        """Entries that are not in the database yet."""
        return self._outbox.waiting

    @property
    def oldest_age_seconds(self) -> float:
        """How long the oldest of them has waited; 0 where there is none."""
        return self._outbox.oldest_age_seconds

    @property
    def set_aside(self) -> int:
        """Entries that the database refused, kept in the outbox."""
        return self._outbox.aside

    @property
    def problem(self) -> str | None:
        """Why nothing comes into the database now, or onto the disk; None: it does."""
        if self._failed:
            return "the outbox cannot be written"
        return str(gone()) if is_gone(self._engine) else self._mover.state.problem

    @property
    def is_full(self) -> bool:
        """Whether requests have to be refused: no more of them could be recorded."""
        return self.settings.when_full == "refuse" and self._outbox.waiting >= self.settings.limit

    def record(self, entry: Entry) -> "Future[None]":
        """Take an entry. The future is done when it is on disk; it raises OutboxFailed where it is
        not, except where the settings say to serve: then the entry is counted as dropped.
        """
        lossy = self.settings.when_full == "serve"
        if lossy and self._outbox.waiting >= self.settings.limit:
            self.dropped += 1
            return _done()
        kept = self._disguise(entry) if self._disguise else entry
        future = self._outbox.append(kept.as_json())
        future.add_done_callback(self._note)
        return self._forgiving(future) if lossy else future

    def try_to_write(self) -> "Future[None]":
        """Write a trial entry, which is removed again. The future is done when the outbox took it;
        it raises OutboxFailed where that did not, or is full, except where the settings say to
        serve.
        """
        if self.settings.when_full == "serve":
            return _done()
        if self.is_full:
            refused: Future[None] = Future()
            refused.set_exception(OutboxFailed("the outbox is full"))
            return refused
        future = self._outbox.try_to_write()
        future.add_done_callback(self._note)
        return future

    def look_again(self) -> None:
        """Where the last write failed, try another one: there may be room again."""
        if self._failed and (self._trial is None or self._trial.done()):
            self._trial = self.try_to_write()

    def _note(self, future: "Future[None]") -> None:
        self._failed = isinstance(future.exception(), OutboxFailed)

    def _forgiving(self, future: "Future[None]") -> "Future[None]":
        forgiven: Future[None] = Future()

        def end(done: "Future[None]") -> None:
            if done.exception() is not None:
                self.count_dropped()
            forgiven.set_result(None)

        future.add_done_callback(end)
        return forgiven

    def count_dropped(self) -> None:
        """An answer went out whose entry is on no disk."""
        self.dropped += 1

    def waiting_on_this_host(self) -> Backlog:
        """The backlog of every process that writes to the same database from this host."""
        return waiting_in(*self._folders)

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until everything is in the database; False where it is not in time."""
        return self._mover.flush(timeout_seconds)

    def close(self, timeout_seconds: float = 10.0) -> bool:
        """Flush and stop. False where entries stay in the outbox, to be moved at the next start."""
        done = self.flush(timeout_seconds if self._mover.state.problem is None else AWAY_SECONDS)
        self._mover.stop(timeout_seconds)
        left = self.backlog
        self._held.let_go()
        if not done:
            log.warning("request log: %d entries stay in %s", left, self._outbox.file)
        return done


def _done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future
