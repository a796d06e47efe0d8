"""Which version a service should answer with, and what a person should know about it.

In production the audit decides. The alias is looked at too, but only a move that is under way
follows it: an alias that was moved or deleted by hand changes nothing, and is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from registry.aliases import AliasReader
from registry.ledger import standing
from registry.local_copies import LocalCopies
from registry.registration import require_registered
from registry.store import DIGEST_TAG, PRODUCTION, STAGING, ModelVersion
from registry.verified_chain import VerifiedChain

AWAY = "serving the last version known here"


@dataclass(frozen=True)
class Wanted:
    """version: what should answer, None: nothing; problem: what a person should know, if anything;
    is_vacant: registry and audit have both answered that nothing is in production.
    """

    version: ModelVersion | None
    problem: str | None = None
    is_vacant: bool = False


class Follows(Protocol):
    """Says what should answer; asked by one thread at a time."""

    def look(self, live: ModelVersion | None) -> Wanted:
        """What should answer now. live: what does. Never raises for registry or audit at fault."""


@dataclass(frozen=True)
class InProduction:
    """Follows what the audit has in production of one model."""

    name: str
    reader: AliasReader
    copies: LocalCopies
    chain: VerifiedChain

    def look(self, live: ModelVersion | None) -> Wanted:
        """See Follows. A move may be between its steps: a disagreement is looked at twice."""
        wanted, agrees = self._look(live)
        return wanted if agrees else self._look(live)[0]

    def _look(self, live: ModelVersion | None) -> tuple[Wanted, bool]:
        """What is wanted, and whether alias and audit agree."""
        pointed: ModelVersion | None = None
        away: UserError | None = None
        try:
            pointed = self.reader.find(self.name, PRODUCTION)
        except UserError as error:
            away = error
        try:
            records = self.chain.current()
        except UserError as error:
            return self._go_on(live, pointed, away, error), True
        named = _named(records, live if away else pointed)
        if named is None:
            return self._nothing(pointed, away), True
        version, problem = self._version(named, live, pointed, away)
        elsewhere = None if away else _pointed_elsewhere(self.name, version, pointed)
        told = filter(None, (problem, elsewhere, self.chain.warning))
        return Wanted(version, "; ".join(told) or None), elsewhere is None

    def _nothing(self, pointed: ModelVersion | None, away: UserError | None) -> Wanted:
        """The audit names no version."""
        if away is not None:
            return Wanted(None, str(away))
        if pointed is None:
            return Wanted(None, f"no version has the alias '{PRODUCTION}'", is_vacant=True)
        return Wanted(
            None,
            f"{pointed} has the alias '{PRODUCTION}', and the audit has no version in production: "
            f"have it judged with `leafgate gate {self.name} --version {pointed.version}`",
        )

    def _go_on(
        self,
        live: ModelVersion | None,
        pointed: ModelVersion | None,
        away: UserError | None,
        error: UserError,
    ) -> Wanted:
        """The audit cannot be read, or is refused: with what answers, or what was vouched for last.

        Nothing that the refused chain says counts: neither its moves nor its holds.
        """
        if live is None:
            named = self.chain.last_vouched()
            version = self._version(named, None, pointed, away)[0] if named else None
        else:
            version = live
        if error.code == "audit_unreachable" and live is not None:
            if away is not None:
                return Wanted(live, f"{AWAY}: {away.problem}")
            if pointed is not None and pointed.version == live.version:
                return Wanted(live)  # a database that is away is reported as the log's
        what = f"; version {version.version}, vouched for before, is served" if version else ""
        return Wanted(version, f"{_told(error)}{what}")

    def _version(
        self,
        named: AuditRecord,
        live: ModelVersion | None,
        pointed: ModelVersion | None,
        away: UserError | None,
    ) -> tuple[ModelVersion, str | None]:
        """The version that a record names, as the same files, and what is wrong with it in the
        registry. Its digest is the record's: what the registry says of it only has to agree.
        """
        number = named.to_version or 0
        found = pointed if pointed is not None and pointed.version == number else None
        if found is None and away is None:
            try:
                found = self.reader.version(self.name, number)
            except UserError as error:
                away = error
        problem = None
        if away is not None:
            problem = f"{AWAY}: {away.problem}"
        elif found is None:
            problem = (
                f"version {number}, which the audit has in production, is gone from MLflow: it is "
                "served from this host's copy; promote another one"
            )
        elif found.tags.get(DIGEST_TAG, "") != named.artifact_digest:
            problem = (
                f"{found} was promoted with other files than it has now: those that were promoted "
                f"are served; its tag {DIGEST_TAG} should be {named.artifact_digest}"
            )
        known = (found, live, self.copies.recalled(self.name, PRODUCTION))
        blank = ModelVersion(self.name, number, "", (), {}, 0)
        version = next((each for each in known if each and each.version == number), blank)
        tags = {**version.tags, DIGEST_TAG: named.artifact_digest}
        return replace(version, tags=tags), problem


@dataclass(frozen=True)
class InStaging:
    """Follows the alias `staging`, to a version whose registration is on record.

    is_shown: callers see its answers, as a canary's: a version that a person holds is not served.
    """

    name: str
    reader: AliasReader
    copies: LocalCopies
    chain: VerifiedChain
    is_shown: bool = False

    def look(self, live: ModelVersion | None) -> Wanted:
        """See Follows."""
        problem = None
        try:
            found = self.reader.find(self.name, STAGING)
        except UserError as away:
            found = live or self.copies.recalled(self.name, STAGING)
            if found is None:
                return Wanted(None, str(away))
            problem = f"{AWAY}: {away.problem}"
        if found is None:
            return Wanted(None, f"no version has the alias '{STAGING}'", is_vacant=True)
        try:
            records = self.chain.current()
        except UserError as error:
            return Wanted(live, _told(error))
        try:
            require_registered(found, records)
        except UserError as error:
            return Wanted(None, error.problem)
        hold = standing(records).held.get(found.version)
        if hold is not None and self.is_shown:
            return Wanted(None, f"{found} is on hold, so no caller sees it: {hold.reason}")
        return Wanted(found, problem)


def _named(records: Sequence[AuditRecord], pointed: ModelVersion | None) -> AuditRecord | None:
    """The record that says which version is in production; None: none is.

    While a move is under way the alias says whether its new state holds yet.
    """
    pending = standing(records).pending
    if pending is not None and pointed is not None and pointed.version == pending.to_version:
        return pending
    return next((record for record in reversed(records) if record.action == "moved"), None)


def _told(error: UserError) -> str:
    """What is wrong with the audit, for anybody to read: without addresses and paths."""
    if error.code == "audit_unreachable":
        return "the database of the audit does not answer"
    return f"{error.problem}; {error.fix}" if error.code == "audit_unsound" else error.problem


def _pointed_elsewhere(
    name: str, version: ModelVersion, pointed: ModelVersion | None
) -> str | None:
    if pointed is not None and pointed.version == version.version:
        return None
    what, other = "is missing in MLflow", ""
    if pointed is not None:
        what = f"is on version {pointed.version}"
        other = f", `leafgate gate {name} --version {pointed.version}` judges the other one"
    return (
        f"the alias '{PRODUCTION}' {what}, the audit has version {version.version} in production, "
        f"which is served; `leafgate models audit {name} --restore` puts the alias back{other}"
    )
