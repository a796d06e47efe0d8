"""A model's audit as far as a running process has verified it; asked every few seconds."""

import threading
from collections.abc import Callable, Iterable, Sequence

from leafgate.audit import AuditRecord, AuditTrail, from_json, is_authentic, problems
from leafgate.audit_key import trusted_keys
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.audit_memory import AuditMemory, Keys, Remembered, remedy


class VerifiedChain:
    """Reads the trail, and refuses what does not extend what this host has verified before.

    tags: gives the texts of the tags that hold records, on any version of the model; raises
    UserError where the registry does not answer. Several threads may ask. warning: why this host
    cannot remember what it has verified, if so.
    """

    def __init__(
        self,
        model: str,
        settings: Settings,
        trail: AuditTrail,
        tags: Callable[[], Iterable[str]],
    ) -> None:
        self.model, self.settings = model, settings
        self.memory = AuditMemory(settings)
        self.warning: str | None = None
        self._trail, self._tags = trail, tags
        self._records: tuple[AuditRecord, ...] = ()
        self._has_compared_tags = False
        self._lock = threading.Lock()

    def current(self) -> tuple[AuditRecord, ...]:
        """All records of the model, verified.

        Only what is new is verified, and the tags are compared only then. Raises UserError:
        `audit_unsound` with what is wrong, `audit_memory`, and `audit_unreachable`.
        """
        with self._lock:
            # First, since others may append and remember meanwhile. A file that was deleted under
            # the running process does not make it forget.
            remembered = self.memory.recall(self.model) or Remembered.of(self._records)
            if not self._is_current(remembered):
                self._records = self._read(remembered)
            self._remember()
            return self._records

    def accept(self) -> Remembered | None:
        """Take the trail as it is, though this host remembers more; what it remembered before.

        For a person who has restored an older backup on purpose. Raises UserError, and forgets
        nothing, where the chain is not sound by itself, the tags still have what it lacks, or
        registry or database do not answer.
        """
        with self._lock:
            self._tags()  # raises where the registry does not answer
            records = self._read(None)
            try:
                before = self.memory.recall(self.model)
            except UserError:  # damaged
                before = None
            self.memory.replace(self.model, records)
            self._records = records
            return before

    def last_vouched(self) -> AuditRecord | None:
        """The record of the version in production in the longest chain that this host verified."""
        try:
            remembered = self.memory.recall(self.model)
        except UserError:
            remembered = None
        remembered = remembered or Remembered.of(self._records)
        return remembered.vouched(trusted_keys(self.settings)) if remembered else None

    def _is_current(self, remembered: Remembered | None) -> bool:
        if not self._has_compared_tags:
            return False
        if remembered is not None and remembered.contradiction(self._records) is not None:
            return False
        return self._trail.last(self.model) == (self._records[-1] if self._records else None)

    def _read(self, remembered: Remembered | None) -> tuple[AuditRecord, ...]:
        tags = self._tagged()  # before the records: whatever is a tag by now is in the database
        records = self._trail.records(self.model)
        keys = trusted_keys(self.settings)
        wrong = self._problem(records, keys)
        if wrong is None and remembered is not None:
            wrong = remembered.contradiction(records)
        if wrong is None:
            wrong = self._missing(records, tags or (), keys)
        self._has_compared_tags = tags is not None and wrong is None
        if wrong is not None:
            raise UserError(
                f"the audit of {self.model} is not sound: {wrong}",
                remedy(self.model),
                code="audit_unsound",
            )
        return records

    def _problem(self, records: Sequence[AuditRecord], keys: Keys) -> str | None:
        known = len(self._records)
        if not known or records[:known] != self._records:
            return next(iter(problems(records, keys)), None)
        return next(iter(problems(records[known:], keys, after=self._records[-1])), None)

    def _tagged(self) -> tuple[str, ...] | None:
        """None while the registry is away: they are compared once it is back."""
        try:
            return tuple(self._tags())
        except UserError:
            return None

    def _missing(
        self, records: Sequence[AuditRecord], tags: Iterable[str], keys: Keys
    ) -> str | None:
        """What the tags show to be missing from the chain. Only a trusted signature counts, since
        anybody who may write to the registry can write a tag.
        """
        known = {record.hash for record in records}
        lost = sorted(
            (
                record
                for record in map(_read_tag, tags)
                if record is not None
                and record.model == self.model
                and record.hash not in known
                and is_authentic(record, keys)
            ),
            key=lambda record: record.number,
        )
        if not lost:
            return None
        first, last = lost[0].number, lost[-1]
        if last.number > len(records):
            self._remember(last)
        if first > len(records):
            ends = f"it was shortened: it ends at record {len(records)}"
            return f"{ends}, and the versions' tags have record {last.number}"
        return f"it was rewritten: the versions' tags have another record {first}"

    def _remember(self, seen: AuditRecord | None = None) -> None:
        try:
            if seen is None:
                self.memory.note(self.model, self._records)
            else:
                self.memory.add(seen, is_in_chain=False)
            self.warning = None
        except UserError as error:
            self.warning = error.problem


def _read_tag(text: str) -> AuditRecord | None:
    """The record in a tag; None where it holds none."""
    try:
        return from_json(text)
    except ValueError:
        return None
