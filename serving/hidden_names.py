"""Names of people in answers: of others only for callers with the scope `admin`.

Everybody who is signed in may see what happened to a model and why; on whose word it happened is
for those who answer for it. The audit trail itself, and `leafgate models audit`, keep all names.
"""

from typing import Any, TypeVar

from serving.token_claims import Claims
from serving.version_answers import Audit, ModelVersions, VersionFacts

ANOTHER_USER = "another user"

Facts = TypeVar("Facts", bound=VersionFacts)


def signed_in_here(name: str) -> str:
    """A caller as the audit names them."""
    return f"{name} (signed in at the service)"


def name_for(claims: Claims, who: str) -> str:
    """`who` as the caller may read it."""
    is_own = who in (claims.subject, signed_in_here(claims.subject))
    return who if is_own or not who or "admin" in claims.scopes else ANOTHER_USER


def version_for(claims: Claims, facts: Facts) -> Facts:
    """A version, without names of others."""
    if "admin" in claims.scopes:
        return facts
    hidden: dict[str, object] = {}
    if facts.held is not None:
        who = name_for(claims, facts.held.who)
        hidden["held"] = facts.held.model_copy(update={"who": who})
    if facts.promoted_by is not None:
        hidden["promoted_by"] = name_for(claims, facts.promoted_by)
    report = getattr(facts, "gate_report", None)
    if report:
        hidden["gate_report"] = _report_for(claims, report)
    return facts.model_copy(update=hidden)


def _report_for(claims: Claims, report: dict[str, Any]) -> dict[str, Any]:
    """A gate report: who had it judged, and who holds the version, which its headline repeats."""
    told = dict(report)
    if isinstance(told.get("judged_by"), str):
        told["judged_by"] = name_for(claims, told["judged_by"])
    if isinstance(told.get("hold"), dict):
        who = str(told["hold"].get("who", ""))
        shown = name_for(claims, who)
        told["hold"] = {**told["hold"], "who": shown}
        told["headline"] = str(told.get("headline", "")).replace(f"but {who} ", f"but {shown} ")
    return told


def versions_for(claims: Claims, answer: ModelVersions) -> ModelVersions:
    """The same of several."""
    return ModelVersions(versions=[version_for(claims, each) for each in answer.versions])


def audit_for(claims: Claims, answer: Audit) -> Audit:
    """The audit's records, without names of others."""
    return Audit(
        records=[
            each.model_copy(update={"who": name_for(claims, each.who)}) for each in answer.records
        ]
    )
