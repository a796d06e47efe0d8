"""The gate: measures a staged version itself, judges it by the policy, promotes or holds back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from leafgate.settings import Settings
from registry.checks import CHECKS, ModelKind, Verdict
from registry.checks.evidence import ClassifierEvidence, GeneratorEvidence
from registry.measure import TestSide, find_test_side, measure_classifier, measure_generator
from registry.policy import Policy, load_policy
from registry.promotion import promote, user_name, utc_now
from registry.report import GateReport
from registry.store import DIGEST_TAG, KIND_TAG, PRODUCTION, STAGING, ModelStore, ModelVersion

Evidence = ClassifierEvidence | GeneratorEvidence


@dataclass(frozen=True)
class GateResult:
    """The report, and where a person finds it. page: a local file; uri: in MLflow."""

    report: GateReport
    page: Path
    uri: str

    @property
    def promoted(self) -> bool:
        """Whether the version is in production now."""
        return self.report.decision == "promoted"


def run_gate(
    settings: Settings,
    name: str,
    version: int | None = None,
    policy_file: Path | None = None,
    data: Path | None = None,
) -> GateResult:
    """Judge the staged version of `name`, or the numbered one, and act on the verdict.

    A version whose artefact is missing, changed or broken is held back with that reason. Raises
    UserError for an unknown version, a bad policy, or test images that are not there.
    """
    store = ModelStore(settings)
    candidate = store.get(name, STAGING if version is None else version)
    kind = kind_of(settings, candidate)
    policy = load_policy(policy_file, kind)
    test = find_test_side(store, candidate, data)
    verdicts = judge(policy, lambda: _measure(store, candidate, test, kind))
    report = _report(store, candidate, policy, test, verdicts)
    page = report.save(settings.var_dir / "gate" / name / str(candidate.version))
    uri = store.log_run_artifacts(candidate, page.parent, f"gate/version-{candidate.version}")
    store.set_tags(
        candidate,
        {
            "gate.status": "passed" if report.decision == "promoted" else "failed",
            "gate.policy": policy.digest,
            "gate.report": uri,
        },
    )
    if report.decision == "promoted":
        promote(store, candidate)
    return GateResult(report, page, uri)


def kind_of(settings: Settings, version: ModelVersion) -> ModelKind:
    """What the version is, as it was registered; by its name where that is not told."""
    named = "generator" if version.name == settings.generator_name else "classifier"
    return cast(ModelKind, version.tags.get(KIND_TAG, named))


def judge(policy: Policy, measure: Callable[[], Evidence]) -> tuple[Verdict, ...]:
    """Every check of the policy on what `measure()` finds; a model that cannot be run fails."""
    try:
        evidence = measure()
    except Exception as error:  # noqa: BLE001 - whatever a stored model raises, it does not pass
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else repr(error)
        sentence = f"the stored model cannot be run: {reason}"
        return (Verdict("runs", False, float("nan"), "loads and answers", sentence),)
    return tuple(CHECKS[name].judge(evidence, **bounds) for name, bounds in policy.checks.items())


def _measure(store: ModelStore, version: ModelVersion, test: TestSide, kind: ModelKind) -> Evidence:
    if kind == "classifier":
        return measure_classifier(store, version, test)
    return measure_generator(store, version, test, store.settings.engine)


def _report(
    store: ModelStore,
    candidate: ModelVersion,
    policy: Policy,
    test: TestSide,
    verdicts: tuple[Verdict, ...],
) -> GateReport:
    champion = store.find(candidate.name, PRODUCTION)
    return GateReport(
        model=candidate.name,
        version=candidate.version,
        decision="promoted" if all(item.passed for item in verdicts) else "held back",
        verdicts=verdicts,
        champion=champion.version if champion else None,
        policy=policy.source,
        policy_digest=policy.digest,
        data_digest=test.manifest.digest,
        artifact_digest=candidate.tags.get(DIGEST_TAG, ""),
        test_images=len(test.rows),
        judged_at_utc=utc_now(),
        judged_by=user_name(),
    )
