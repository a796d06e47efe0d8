"""The gate: measures a staged version itself, judges it by the policy, promotes or holds back."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from leafgate.audit import AuditEntry, this_person
from leafgate.progress import tell
from leafgate.settings import Settings
from registry.checks import Evidence, ModelKind, Verdict, judge
from registry.evaluation_set import find_evaluation_set
from registry.gate_pictures import draw_pictures
from registry.ledger import Ledger
from registry.measure import Subject, measure_classifier, measure_generator
from registry.measure.subject import reason_of
from registry.policy import Policy, load_policy
from registry.promotion import (
    Grounds,
    OnHold,
    ProductionChanged,
    promote,
    realign,
    utc_now,
)
from registry.registration import require_registered, require_unchanged
from registry.report import GateReport, Hold
from registry.store import DIGEST_TAG, KIND_TAG, PRODUCTION, STAGING, ModelStore, ModelVersion
from registry.tracking import machine


@dataclass(frozen=True)
class GateResult:
    """The report, and where a person finds it. page: a local file; uri: in MLflow."""

    report: GateReport
    page: Path
    uri: str

    @property
    def passed(self) -> bool:
        """Whether the version passed and is in production; one that is on hold is not."""
        return self.report.decision in ("promoted", "passed")


@dataclass(frozen=True)
class Question:
    """What is asked of the gate. version: a number, else what is in staging; manifest: the split
    to judge by, else the candidate's own; data: where its images are, if moved.
    """

    name: str
    version: int | None = None
    policy_file: Path | None = None
    manifest: Path | None = None
    data: Path | None = None


def run_gate(ledger: Ledger, question: Question) -> GateResult:
    """Judge a version, write the verdict down, and act on it.

    One gate a model at a time on a machine: they would disturb each other's clocks, and each must
    compare with the champion that the one before has left. A version that cannot be run is held
    back with that reason. Raises UserError for an unknown version, one whose registration is not on
    record or whose stored files differ from it, a bad policy, test images that are not there, and a
    registry or database that does not answer.
    """
    with _alone(ledger.store.settings, question.name):
        candidate = _candidate(ledger.store, question)
        realign(ledger, candidate.name)
        require_unchanged(ledger, candidate)
        while True:
            try:
                return _judge_once(ledger, candidate, question)
            except ProductionChanged as change:  # by a gate on another machine, or by force
                tell(f"{change} came into production meanwhile: measuring against that one")


def _candidate(store: ModelStore, question: Question) -> ModelVersion:
    return store.get(question.name, STAGING if question.version is None else question.version)


@contextmanager
def _alone(settings: Settings, name: str) -> Iterator[None]:
    """Wait for other gates of this model on this machine; the lock dies with the process."""
    import fcntl  # not on Windows, where a stored model may be served all the same

    file = settings.var_dir / "gate" / f"{name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another gate is judging {name}: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _judge_once(ledger: Ledger, candidate: ModelVersion, question: Question) -> GateResult:
    store, started = ledger.store, time.monotonic()
    kind = kind_of(store.settings, candidate)
    policy = load_policy(question.policy_file, kind)
    champion = store.find(candidate.name, PRODUCTION)
    if champion is not None:
        require_registered(champion, ledger.records(candidate.name))
    images = find_evaluation_set(
        store, candidate, champion, policy.evaluation_set, question.manifest, question.data
    )
    subject = Subject(store, candidate, champion, images, ledger)
    evidence, verdicts = judged(policy, subject)
    report = _report(subject, policy, verdicts, evidence, time.monotonic() - started)
    pictures = draw_pictures(kind, evidence, verdicts) if evidence is not None else {}
    return _act(ledger, subject, report, pictures)


def judged(policy: Policy, subject: Subject) -> tuple[Evidence | None, tuple[Verdict, ...]]:
    """What was measured, and each check's verdict; a model that cannot be run fails at once."""
    try:
        evidence = _measure(policy, subject)
    except Exception as error:  # noqa: BLE001 - whatever a stored model raises, it does not pass
        subject.store.require_reachable()
        told = f"the stored model cannot be run: {reason_of(error)}"
        return None, (Verdict("runs", False, float("nan"), "loads and answers", told),)
    return evidence, tuple(
        judge(policy.kind, name, evidence, dict(bounds)) for name, bounds in policy.checks.items()
    )


def _measure(policy: Policy, subject: Subject) -> Evidence:
    if policy.kind == "classifier":
        return measure_classifier(subject, policy.needs)
    return measure_generator(subject, policy.needs, policy.features)


def _act(
    ledger: Ledger, subject: Subject, report: GateReport, pictures: dict[str, bytes]
) -> GateResult:
    """Keep the report, write the verdict down, and move the alias where it passed.

    The report says `promoted` only after it is true. A version that a person holds by then, however
    late that came, has passed and stays where it is.
    """
    result = _keep(ledger, subject, report, pictures)
    candidate, champion = subject.candidate, subject.champion
    failed = [verdict.check for verdict in report.verdicts if not verdict.passed]
    ledger.write(
        AuditEntry(
            model=candidate.name,
            action="verdict",
            by="gate",
            from_version=champion.version if champion else None,
            to_version=candidate.version,
            outcome=report.decision,
            policy_digest=report.policy_digest,
            artifact_digest=report.artifact_digest,
            report=result.uri,
            reason=f"not passed: {', '.join(failed)}" if failed else "all checks passed",
        )
    )
    if failed:
        return result
    grounds = Grounds("gate", "all checks passed", report.policy_digest, result.uri)
    try:
        moved = promote(ledger, candidate, grounds, champion.version if champion else None)
    except OnHold as held:
        hold = Hold(held.hold.who, held.hold.at_utc, held.hold.reason)
        return _keep(ledger, subject, replace(report, decision="on hold", hold=hold), pictures)
    if moved is None:
        return result
    return _keep(ledger, subject, replace(report, decision="promoted"), pictures)


def _report(
    subject: Subject,
    policy: Policy,
    verdicts: tuple[Verdict, ...],
    evidence: Evidence | None,
    seconds: float,
) -> GateReport:
    candidate, champion, images = subject.candidate, subject.champion, subject.images
    return GateReport(
        model=candidate.name,
        version=candidate.version,
        kind=policy.kind,
        decision="passed" if all(item.passed for item in verdicts) else "held back",
        verdicts=verdicts,
        champion=champion.version if champion else None,
        policy=policy.source,
        policy_digest=policy.digest,
        evaluation_set=images.digest,
        data_digest=images.manifest.digest,
        artifact_digest=candidate.tags.get(DIGEST_TAG, ""),
        engine=evidence.engine if evidence else "",
        test_images=len(images.rows),
        leaf_groups=len(set(images.groups)),
        judged_at_utc=utc_now(),
        judged_by=this_person(),
        machine=machine(),
        run_id=candidate.run_id,
        seconds=seconds,
    )


def _keep(
    ledger: Ledger,
    subject: Subject,
    report: GateReport,
    pictures: dict[str, bytes],
) -> GateResult:
    """Store the report here and in MLflow, and name it on the version."""
    store, version = ledger.store, subject.candidate
    moment = datetime.fromisoformat(report.judged_at_utc).strftime("%Y%m%dT%H%M%SZ")
    place = f"version-{version.version}/{moment}"
    page = report.save(store.settings.var_dir / "gate" / version.name / place, pictures)
    uri = store.log_run_artifacts(version, page.parent, f"gate/{place}")
    store.set_tags(
        version,
        {
            "gate.status": "failed" if report.decision == "held back" else "passed",
            "gate.policy": report.policy_digest,
            "gate.report": uri,
        },
    )
    return GateResult(report, page, uri)


def kind_of(settings: Settings, version: ModelVersion) -> ModelKind:
    """What the version is: by its name, or by its tag where the settings do not know the name.

    Whoever may write to MLflow may write the tag.
    """
    known: dict[str, ModelKind] = {
        settings.classifier_name: "classifier",
        settings.generator_name: "generator",
    }
    is_generator = version.tags.get(KIND_TAG) == "generator"
    return known.get(version.name, "generator" if is_generator else "classifier")
