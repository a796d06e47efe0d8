"""One line of the log for each cause: warnings and errors that repeat are counted.

The first of a cause is written whole, with its stack. What repeats within a minute is left out, and
a line at the end of the minute says how many there were; that goes on for as long as they come. So
a flood of requests that all fail, or a full disk, cannot fill the disk with the log.
"""

import atexit
import logging
import threading
import time
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any

SECONDS = 60.0
MAX_CAUSES = 50  # told apart at a time; further ones are one cause for each logger


@dataclass
class Repeats:
    """How often a cause came again. first: its first line."""

    first: logging.LogRecord
    number: int = 0


class OneLineACause(logging.Filter):
    """Filter of a handler, which also writes the lines with the counts."""

    def __init__(self, handler: logging.Handler, seconds: float = SECONDS) -> None:
        super().__init__()
        self._handler, self._seconds = handler, seconds
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], Repeats] = {}
        atexit.register(self.report_all)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written: below a warning always, else the first of its cause."""
        if record.levelno < logging.WARNING or hasattr(record, "repeated"):
            return True
        cause = cause_of(record)
        with self._lock:
            if cause not in self._known and len(self._known) >= MAX_CAUSES:
                cause = record.name, record.levelno
            if (known := self._known.get(cause)) is not None:
                known.number += 1
                return False
            self._known[cause] = Repeats(record)
        self._report_later(cause)
        return True

    def report_all(self) -> None:
        """Write every count now, and forget the causes."""
        with self._lock:
            causes = list(self._known.values())
            self._known.clear()
        for each in causes:
            self._write(each)

    def _report_later(self, cause: tuple[Any, ...]) -> None:
        timer = threading.Timer(self._seconds, self._report, (cause,))
        timer.daemon = True
        timer.start()

    def _report(self, cause: tuple[Any, ...]) -> None:
        with self._lock:
            known = self._known.pop(cause, None)
            if known is None:
                return
            if known.number:  # it may go on: its next line is the next count
                self._known[cause] = Repeats(known.first)
        if known.number:
            self._write(known)
            self._report_later(cause)

    def _write(self, repeats: Repeats) -> None:
        if not repeats.number:
            return
        first = vars(repeats.first)
        again = {"exc_info": None, "exc_text": None, "stack_info": None, "args": None}
        now = {"created": time.time(), "repeated": repeats.number}
        record = logging.makeLogRecord({**first, **again, **now})
        last = repeats.first.getMessage().splitlines()[:1] or [""]
        record.msg = f"{last[0]} (repeated {repeats.number} times within {self._seconds:g} s)"
        self._handler.handle(record)


def cause_of(record: logging.LogRecord) -> tuple[Any, ...]:
    """What lines of one cause have in common: where they are written and of which error.

    Of the message's arguments texts count, and errors by their type; numbers do not.
    """
    arguments = record.args if isinstance(record.args, tuple) else ()
    texts = tuple(each if isinstance(each, str) else _kind(each) for each in arguments)
    return record.name, record.levelno, str(record.msg), texts, _place(record)


def _kind(value: object) -> str:
    if not isinstance(value, BaseException):
        return ""
    return f"{type(value).__qualname__} {getattr(value, 'sqlite_errorname', '')}"


def _place(record: logging.LogRecord) -> tuple[Any, ...]:
    """The type of the error and the line that raised it, where the record has an error."""
    if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
        return ()
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(record.exc_info[2])]
    return _kind(record.exc_info[1]), *places[-1:]
