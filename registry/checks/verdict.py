"""What a check says, in figures and in a sentence."""

from dataclasses import dataclass
from math import erf, isnan, sqrt


@dataclass(frozen=True)
class Verdict:
    """figure: what was measured; bound: what the policy asks; sentence: for a person.

    outcome: one of several ways to pass or fail, in words, where a check has them. sure: the
    probability that another draw of as many test images would bring the same verdict; None where
    the figure has no luck in it, or its luck is not known.
    """

    check: str
    passed: bool
    figure: float
    bound: str
    sentence: str
    outcome: str = ""
    sure: float | None = None


def sureness(figure: float, bound: float, spread: float) -> float | None:
    """How often another draw falls on the figure's side of the bound. spread: of one draw.

    Normal; None where nothing varies (as where every answer is right) or a value is NaN.
    """
    if not spread > 0 or isnan(figure):
        return None
    return (1 + erf(abs(figure - bound) / spread / sqrt(2))) / 2
