"""What this host remembers of the audit: for each model, the newest record that it has verified.

A chain cannot show that its last records were cut off. A host that has seen them can: it refuses a
chain that does not contain the record that it remembers. The memory is a file for each model under
`var_dir/serving/audit`, which every process of the host shares.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from leafgate.audit import AuditRecord, is_authentic
from leafgate.errors import UserError
from leafgate.files import whole
from leafgate.settings import Settings
from leafgate.strict_json import dump_json

Keys = Mapping[str, bytes]


@dataclass(frozen=True)
class Remembered:
    """last: the newest verified record; production: the newest that put a version there."""

    last: AuditRecord
    production: AuditRecord | None = None

    @staticmethod
    def of(records: Sequence[AuditRecord]) -> "Remembered | None":
        """What a verified chain leaves behind; None for an empty one."""
        if not records:
            return None
        moves = [record for record in records if record.action == "moved"]
        return Remembered(records[-1], moves[-1] if moves else None)

    def contradiction(self, records: Sequence[AuditRecord]) -> str | None:
        """How a sound chain fails to extend what is remembered, in a sentence; None: it does."""
        number, ends = self.last.number, len(records)
        if ends < number:
            return (
                f"it was shortened: it ends at record {ends}, and this host has seen record "
                f"{number} ({self.last.hash[:12]}, {self.last.at_utc})"
            )
        if records[number - 1].hash != self.last.hash:
            return (
                f"it was rewritten: its record {number} is {records[number - 1].hash[:12]}, and "
                f"this host has seen {self.last.hash[:12]} there"
            )
        return None

    def vouched(self, trusted: Keys) -> AuditRecord | None:
        """The record that put a version into production, if a trusted key signed it."""
        record = self.production
        return record if record is not None and is_authentic(record, trusted) else None


CODEC = TypeAdapter(Remembered)


class AuditMemory:
    """The memory of this host; several threads and processes may share it.

    Read it before the chain it is compared with: a record that another process notes in between
    is then in the chain already.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.var_dir / "serving" / "audit"

    def recall(self, model: str) -> Remembered | None:
        """What is remembered; None where nothing is.

        Raises UserError `audit_memory` where the file is there and cannot be understood.
        """
        file = self._file(model)
        try:
            found = CODEC.validate_json(file.read_bytes(), strict=True)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _unusable(file, error) from error
        if any(record and record.model != model for record in (found.last, found.production)):
            raise _unusable(file, "it is another model's")
        return found

    def note(self, model: str, records: Sequence[AuditRecord]) -> None:
        """Remember a verified chain, unless more is remembered already.

        Raises UserError `audit_memory` where the file cannot be written.
        """
        seen = Remembered.of(records)
        if seen is not None and seen != self.recall(model):
            with self._alone(model):
                now = self.recall(model)
                if now is None or now.contradiction(records) is None:
                    self._write(model, seen)

    def add(self, record: AuditRecord, is_in_chain: bool = True) -> None:
        """Remember a record that this process has just appended.

        is_in_chain: False for one that was found elsewhere with a sound signature: the chain has to
        contain it, but what it did may have been undone since, so it puts nothing into production.
        Raises UserError `audit_memory` as `note`.
        """
        with self._alone(record.model):
            now = self.recall(record.model)
            if now is None or now.last.number < record.number:
                kept = now.production if now else None
                moved = record if is_in_chain and record.action == "moved" else kept
                self._write(record.model, Remembered(record, moved))

    def replace(self, model: str, records: Sequence[AuditRecord]) -> None:
        """Remember just this verified chain, whatever was remembered: a person decided it."""
        with self._alone(model):
            seen = Remembered.of(records)
            if seen is None:
                self._file(model).unlink(missing_ok=True)
            else:
                self._write(model, seen)

    def _file(self, model: str) -> Path:
        return self.folder / f"{quote(model, safe='')}.json"

    def _write(self, model: str, seen: Remembered) -> None:
        with whole(self._file(model)) as beside:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(dump_json(asdict(seen), indent=2, ensure_ascii=True))
                stream.flush()
                os.fsync(stream.fileno())

    @contextmanager
    def _alone(self, model: str) -> Iterator[None]:
        """Alone with a model's memory, among all threads and processes of this host."""
        import fcntl  # not on Windows, where a stored model may be loaded all the same

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._file(model).with_suffix(".lock")
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise _unusable(self._file(model), error) from error


def remedy(model: str) -> str:
    """What a person does about a chain that this host refuses."""
    return (
        f"`leafgate models audit {model} --restore` puts back what the versions' tags or a copy "
        "made with --json (--from FILE) have; only after an older backup was restored on purpose: "
        "--accept-shorter on each host that remembers more (docs/gate.md)"
    )


def _unusable(file: Path, cause: object) -> UserError:
    told = "it was damaged" if isinstance(cause, ValueError) else cause
    told = cause.strerror if isinstance(cause, OSError) else told
    return UserError(
        f"what this host remembers of the audit cannot be read or written: {file.name} ({told})",
        f"make {file.parent} writable; where the file was damaged, `leafgate models audit "
        f"--accept-shorter` makes it again from the audit as it is",
        code="audit_memory",
    )
