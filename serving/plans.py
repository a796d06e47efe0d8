"""How often a user may ask, by the plan that their token names.

What a call costs is counted in images, so that one call for 64 is worth 64 calls for one. Feedback
is about one image.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from limits import RateLimitItem, parse_many

from leafgate.errors import UserError
from leafgate.settings import Settings
from sql import STANDARD_PLAN

Kind = Literal["predict", "generate", "feedback"]
KINDS: tuple[Kind, ...] = ("predict", "generate", "feedback")


@dataclass(frozen=True)
class Plans:
    """The limits of each plan, as `limits` reads them: {plan: {kind: "600/minute"}}."""

    limits: Mapping[str, Mapping[Kind, str]]

    def known(self, plan: str) -> str:
        """The plan itself, or `standard` for one that this service does not know."""
        return plan if plan in self.limits else STANDARD_PLAN

    def limit(self, plan: str, kind: Kind) -> str:
        """The limit in words."""
        return self.limits[self.known(plan)][kind]

    def most(self, plan: str, kind: Kind) -> int:
        """The images that one call may ask for."""
        return min(item.amount for item in parse_many(self.limit(plan, kind)))

    def require(self, plan: str) -> str:
        """The plan, which must be one. Raises UserError naming those that are."""
        if plan not in self.limits:
            raise UserError(
                f"there is no plan {plan!r}",
                f"plans are: {', '.join(self.limits)}; LEAFGATE_PLANS defines further ones",
                code="no_such_plan",
            )
        return plan


def plans_of(settings: Settings) -> Plans:
    """The plans of `settings`. Raises UserError naming what is no plan or no limit."""
    standard: dict[Kind, str] = {
        "predict": limit_text(settings.predict_limit, "LEAFGATE_PREDICT_LIMIT"),
        "generate": limit_text(settings.generate_limit, "LEAFGATE_GENERATE_LIMIT"),
        "feedback": limit_text(settings.feedback_limit, "LEAFGATE_FEEDBACK_LIMIT"),
    }
    further = _read(settings.plans)
    named = {name: {**standard, **_limits(name, told)} for name, told in further.items()}
    return Plans({STANDARD_PLAN: standard, **named})


def limit_text(text: str, where: str) -> str:
    """The same, if it is a limit; SlowAPI would log a bad one and not limit at all."""
    _parsed(text, where)
    return text


def one_limit(text: str, where: str) -> RateLimitItem:
    """A limit that stands alone. Raises UserError."""
    found = _parsed(text, where)
    if len(found) > 1:
        raise UserError(f"{where}={text!r} holds {len(found)} limits", "leave one")
    return found[0]


def _parsed(text: str, where: str) -> list[RateLimitItem]:
    try:
        found = parse_many(text)
    except ValueError:
        found = []
    if not found or any(item.amount < 1 or item.get_expiry() < 1 for item in found):
        raise UserError(f"{where}={text!r} is no limit", "write it like 600/minute or 5000/hour")
    return found


def _read(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except ValueError as error:
        raise _bad_plans(f"is no JSON ({error})") from None
    if not isinstance(told, dict):
        raise _bad_plans("is no JSON object")
    if STANDARD_PLAN in told:
        raise UserError(
            f"LEAFGATE_PLANS redefines {STANDARD_PLAN!r}",
            f"set {', '.join(f'LEAFGATE_{kind.upper()}_LIMIT' for kind in KINDS)} for it",
        )
    return told


def _limits(plan: str, told: object) -> dict[Kind, str]:
    if not isinstance(told, dict):
        raise _bad_plans(f"gives {plan!r} no limits")
    unknown = sorted(set(told) - set(KINDS))
    if unknown:
        raise _bad_plans(f"gives {plan!r} a limit for {unknown[0]!r}")
    where = f"LEAFGATE_PLANS, {plan}"
    return {kind: limit_text(str(told[kind]), f"{where}, {kind}") for kind in KINDS if kind in told}


def _bad_plans(why: str) -> UserError:
    example = '{"plus": {"predict": "6000/minute", "generate": "10000/minute"}}'
    return UserError(f"LEAFGATE_PLANS {why}", f"write it like {example}")
