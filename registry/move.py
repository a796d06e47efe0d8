"""What a person asks to be done with a version, and what became of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """how: `promote`, `rollback`, `hold` or `release`. version: of a rollback the one in production
    that is meant, None: whichever it is. who: on whose word, for the audit.
    """

    how: str
    model: str
    version: int | None
    reason: str
    who: str


@dataclass(frozen=True)
class Moved:
    """version: in production now; before: until then; None where none is. told: a sentence."""

    version: int | None
    before: int | None
    who: str
    told: str
