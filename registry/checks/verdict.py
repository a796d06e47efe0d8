"""What a check says, in figures and in a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """figure: what was measured; bound: what the policy asks; sentence: for a person."""

    check: str
    passed: bool
    figure: float
    bound: str
    sentence: str
