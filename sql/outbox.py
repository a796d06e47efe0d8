"""Entries on their way to the database, in a SQLite file beside the process.

What `append` has confirmed survives the process's death (kill -9): it is in the file, as far as
the operating system knows. With `sync="full"` it survives a power cut too; with "normal" that can
take what came since the last checkpoint or the system's own write-back, some 30 seconds. One
thread writes, and what comes while it is at it goes into its next transaction, together.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from sql.database_file import OpenFiles
from sql.outbox_file import (
    WAIT_SECONDS,
    Sync,
    connect_outbox,
    copy_entries,
    open_outbox_file,
)

log = logging.getLogger(__name__)

INSERT = "INSERT INTO entries (at, body) VALUES (?, ?)"
SET_ASIDE = (
    "INSERT OR IGNORE INTO set_aside SELECT number, at, body, ? FROM entries WHERE number = ?"
)
TRIAL_BYTES = 16 * 1024
TRIAL = ("INSERT INTO trials (body) VALUES (zeroblob(?))", "DELETE FROM trials")
DELETE = "DELETE FROM entries WHERE number BETWEEN ? AND ?"
NEVER = 2**62  # entries
SHRINK_FROM_PAGES = 4096  # free ones, of 4 KiB


class OutboxFailed(Exception):
    """An entry is not in the file: the disk is full or at fault."""


@dataclass(frozen=True)
class Waiting:
    """An entry in the file. number: its place in the order of arrival; at: Unix time in seconds."""

    number: int
    at: float
    body: str


@dataclass(frozen=True)
class Append:
    """An entry to be written. at: Unix time in seconds."""

    at: float
    body: str
    done: "Future[None]"


@dataclass(frozen=True)
class Remove:
    """Entries that are in the database now, first to last; or one that is set aside, and why."""

    first: int
    last: int
    reason: str | None
    done: "Future[None]"


@dataclass(frozen=True)
class Trial:
    """Nothing that is to be kept: whether it can be written is the question."""

    done: "Future[None]"


@dataclass(frozen=True)
class Look:
    """Whether the file is still in its place."""


Job = Append | Remove | Trial | Look


class Outbox:
    """Use from any thread; close it at the end. Only one process may have a file open to write.

    new_place: a file for the entries where this one was deleted while it was open; None: they need
    none, since they are moved on now.
    """

    def __init__(
        self, file: Path, sync: Sync = "normal", new_place: Callable[[], Path] | None = None
    ) -> None:
        self.file = file
        self._sync: Sync = sync
        self._new_place = new_place
        self._writing = open_outbox_file(file, sync)
        self._reading = connect_outbox(file, sync)
        self._files = OpenFiles.at(file)
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._closing = False
        self._unsettled = 0  # taken, and not in the file yet
        self._wake_at = NEVER
        self.waiting, self.aside, self._oldest = self._count()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def append(self, body: str) -> "Future[None]":
        """Take an entry. The future is done when it is in the file, or raises OutboxFailed."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever waits may go; the entry is written
        with self._lock:
            if self._closing:
                done.set_exception(OutboxFailed("the outbox is closed"))
                return done
            self._unsettled += 1
            self._jobs.put(Append(time.time(), body, done))
        return done

    def try_to_write(self) -> "Future[None]":
        """Write something and remove it. The future is done when that went well, or raises
        OutboxFailed.
        """
        trial = Trial(Future())
        trial.done.set_running_or_notify_cancel()
        with self._lock:
            if self._closing:
                trial.done.set_exception(OutboxFailed("the outbox is closed"))
            else:
                self._jobs.put(trial)
        return trial.done

    def look(self) -> None:
        """Have it noticed if the file is gone, though nothing is written."""
        with self._lock:
            if not self._closing:
                self._jobs.put(Look())

    def first(self, most: int) -> list[Waiting]:
        """The oldest entries, in the order of arrival; of one thread alone."""
        rows = self._reading.execute(
            "SELECT number, at, body FROM entries ORDER BY number LIMIT ?", (most,)
        )
        return [Waiting(*row) for row in rows]

    def remove(self, entries: Sequence[Waiting]) -> None:
        """Forget neighbouring entries that are in the database now. Raises OutboxFailed."""
        if entries:
            self._await(Remove(entries[0].number, entries[-1].number, None, Future()))

    def set_aside(self, entry: Waiting, error: str) -> None:
        """Keep an entry that the database refuses apart, with the reason. Raises OutboxFailed."""
        self._await(Remove(entry.number, entry.number, error[:2000], Future()))

    def _await(self, job: Remove) -> None:
        with self._lock:
            if self._closing:
                return
            self._jobs.put(job)
        job.done.result()

    @property
    def oldest_age_seconds(self) -> float:
        """How long the oldest entry has waited; 0 where there is none."""
        oldest = self._oldest
        return max(0.0, time.time() - oldest) if self.waiting and oldest else 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, nor is about to."""
        return not self.waiting and not self._unsettled

    @property
    def is_vacant(self) -> bool:
        """Whether the file holds nothing that is to be kept."""
        return not self.waiting and not self.aside

    def await_entries(self, most: int, enough: Callable[[], bool], seconds: float) -> None:
        """Wait until so many entries are there, or it is `enough`; asked again at each `wake`."""
        with self._news:
            self._wake_at = most
            self._news.wait_for(lambda: self.waiting >= most or enough(), seconds)
            self._wake_at = NEVER

    def await_empty(self, seconds: float) -> bool:
        """Wait until nothing waits any more; False where that is not in time."""
        with self._news:
            return self._news.wait_for(lambda: self.is_empty, seconds)

    def wake(self) -> None:
        """Have those that wait ask again."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Write what is pending, and let go of the file."""
        with self._lock:
            self._closing = True
            self._jobs.put(None)
        self._thread.join(WAIT_SECONDS)
        self._reading.close()

    def _run(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            with suppress(Empty):
                while True:
                    jobs.append(self._jobs.get_nowait())
            work = [job for job in jobs if job is not None]
            is_closing = len(work) < len(jobs)
            if (is_closing or any(isinstance(job, Look) for job in work)) and not self.is_vacant:
                self._keep_in_place()
            self._do_trials([job for job in work if isinstance(job, Trial)])
            if entries := [job for job in work if isinstance(job, Append | Remove)]:
                self._do(entries)
            if is_closing:  # nothing comes after the one that closes
                self._writing.close()
                return

    def _do_trials(self, trials: Sequence[Trial]) -> None:
        """One write answers all of them; before the entries, so that it says what these will do."""
        if not trials:
            return
        error: Exception | None = None
        try:
            self._writing.execute(TRIAL[0], (TRIAL_BYTES,))
            self._writing.execute(TRIAL[1])  # a transaction of its own: else nothing is written
        except Exception as failure:  # noqa: BLE001 - who waits is told, and the thread goes on
            error = OutboxFailed(str(failure))
            log.error("outbox: %s cannot be written (%s)", self.file, failure)
        for trial in trials:
            trial.done.set_result(None) if error is None else trial.done.set_exception(error)

    def _do(self, jobs: Sequence[Append | Remove]) -> None:
        error = self._write(jobs)
        with self._lock:
            self._unsettled -= sum(isinstance(job, Append) for job in jobs)
        for job in jobs:
            if error is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(OutboxFailed(str(error)))
        if self.waiting >= self._wake_at or not self.waiting:
            self.wake()

    def _write(self, jobs: Sequence[Append | Remove]) -> Exception | None:
        """One transaction; what went wrong, if anything."""
        try:
            if len(jobs) == 1 and isinstance(jobs[0], Append):  # a transaction by itself
                self._writing.execute(INSERT, (jobs[0].at, jobs[0].body))
                gone, aside = 0, 0
            else:
                gone, aside = self._write_all(jobs)
        except Exception as error:  # noqa: BLE001 - who waits is told, and the thread goes on
            log.error("outbox: %s cannot be written (%s)", self.file, error)
            with suppress(sqlite3.Error):
                self._writing.execute("ROLLBACK")
            return error
        self.waiting += sum(isinstance(job, Append) for job in jobs) - gone
        self.aside += aside
        try:
            if gone or self._oldest is None:
                self._look_at_the_oldest()
        except sqlite3.Error as error:  # what was to be written is
            log.warning("outbox: %s cannot be tidied up (%s)", self.file, error)
        return self._keep_in_place()

    def _keep_in_place(self) -> Exception | None:
        """Where the file or its write-ahead log was deleted or moved away, write the entries to a
        new file; what went wrong with that, if anything.
        """
        files = self._files
        if self._new_place is None or files is None or files.is_in_place:
            return None
        try:
            files.remove_leftovers()
            file = self._new_place()
            writing = copy_entries(self._writing, file, self._sync)
            self._reading = connect_outbox(file, self._sync)
        except Exception as error:  # noqa: BLE001 - who waits is told, and the thread goes on
            log.error("outbox: %s is gone, and cannot be written anew (%s)", self.file, error)
            return error
        if files.has_database:  # without its log it is not whole, and the new file has all of it
            with suppress(OSError):
                files.path.unlink()
        log.error("outbox: %s is gone; its entries are in %s now", self.file, file)
        self.file, self._writing, self._files = file, writing, OpenFiles.at(file)
        return None

    def _write_all(self, jobs: Sequence[Append | Remove]) -> tuple[int, int]:
        """Returns how many entries went, and how many of them aside."""
        run, gone, aside = self._writing.execute, 0, 0
        run("BEGIN IMMEDIATE")
        for job in jobs:
            if isinstance(job, Append):
                run(INSERT, (job.at, job.body))
                continue
            if job.reason is not None:
                aside += run(SET_ASIDE, (job.reason, job.first)).rowcount
            gone += run(DELETE, (job.first, job.last)).rowcount
        run("COMMIT")
        return gone, aside

    def _look_at_the_oldest(self) -> None:
        found = self._writing.execute("SELECT at FROM entries ORDER BY number LIMIT 1").fetchone()
        self._oldest = found[0] if found else None
        if found is None:
            (free,) = self._writing.execute("PRAGMA freelist_count").fetchone()
            if free > SHRINK_FROM_PAGES:
                self._writing.execute("PRAGMA incremental_vacuum(2000)").fetchall()

    def _count(self) -> tuple[int, int, float | None]:
        return self._writing.execute(
            "SELECT (SELECT COUNT(*) FROM entries), (SELECT COUNT(*) FROM set_aside), "
            "(SELECT at FROM entries ORDER BY number LIMIT 1)"
        ).fetchone()  # type: ignore[no-any-return]
