"""What the API tells of registered versions: the shape of its answers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Literal

from pydantic import BaseModel, Field

from leafgate.audit import AuditRecord
from registry import DIGEST_TAG, ModelVersion, RunDetails, RunRecord, Study

WHO_TEXT = "`another user` to callers without the scope admin, unless it is the caller"
UTC_TEXT = "UTC, ISO 8601 with milliseconds"
MOMENT = "2026-01-31T12:00:00.000Z"
VERDICTS: dict[str, Literal["passed", "failed"]] = {"passed": "passed", "failed": "failed"}


class VersionHold(BaseModel):
    """That a version is not to come into production, on whose word and why."""

    who: str = Field(description=WHO_TEXT)
    at_utc: str = Field(description=UTC_TEXT, examples=[MOMENT])
    reason: str


class VersionFacts(BaseModel):
    """One version of a model, with the figures of its training run."""

    version: int = Field(examples=[3])
    aliases: list[str] = Field(examples=[["production"]])
    created_at_utc: str = Field(description=UTC_TEXT, examples=[MOMENT])
    run_id: str = Field(description="of the MLflow run; empty: it came from none")
    gate: Literal["passed", "failed", "not judged"] = Field(description="the gate's last verdict")
    held: VersionHold | None = Field(description="null: nobody holds it back")
    promoted_by: str | None = Field(description=f"who put it into production last; {WHO_TEXT}")
    promoted_at_utc: str | None = Field(description="when that was")
    metrics: dict[str, float] = Field(
        description="last value of each; what is no finite number is left out",
        examples=[{"test_macro_f1": 0.97}],
    )


class ModelVersions(BaseModel):
    """The newest versions, newest first."""

    versions: list[VersionFacts]


class Lineage(BaseModel):
    """Where a version comes from. Empty, and false, where that is not on record."""

    run_id: str
    data_digest: str = Field(description="of the manifest of its images")
    artifact_digest: str = Field(description="SHA-256 over the stored model's files")
    git_commit: str
    git_changed: bool = Field(description="whether the code differed from that commit")
    leafgate_version: str


class MetricCurve(BaseModel):
    """One figure over the steps (epochs) that it was logged for, thinned to at most 500."""

    metric: str = Field(examples=["val_loss"])
    points: list[tuple[int, float]] = Field(description="step and value, in order")


class ConfusionTable(BaseModel):
    """Counts of images. rows: true classes, columns: told ones, both in the order of `labels`."""

    side: Literal["test"] = "test"
    labels: list[str]
    rows: list[list[int]]


class VersionStory(VersionFacts):
    """All that is known of one version."""

    params: dict[str, str] = Field(
        description="of its training; of a file only the name", examples=[{"epochs": "30"}]
    )
    lineage: Lineage
    curves: list[MetricCurve] = Field(description="what was logged for more than one step")
    confusion: ConfusionTable | None = Field(description="null: there is none, as of a generator")
    gate_report: dict[str, Any] | None = Field(
        description="as the gate stored it, and `pictures`: the checks that have one (see "
        "/models/{name}/versions/{version}/gate/{check}); null: none was made"
    )
    mlflow_url: str = Field(description="where a person finds it in MLflow")


class StudyResult(BaseModel):
    """What an augmentation experiment found: the gain by generated pictures, and its interval."""

    version: int = Field(description="of the generator that made them")
    metric: str = Field(examples=["macro F1"])
    value: float
    low: float | None = Field(description="of the 95 % interval; null: not known")
    high: float | None = Field(description="likewise")
    arms: list[dict[str, Any]] = Field(
        description="its parts, each with name, value, low, high and what else the study says"
    )
    about: dict[str, Any] = Field(description="all else that it says")


class Studies(BaseModel):
    """Those stored with the newest versions, newest version first."""

    studies: list[StudyResult]


class AuditLine(BaseModel):
    """One record of the audit trail, without its hashes and its signature."""

    number: int
    at_utc: str = Field(description=UTC_TEXT, examples=[MOMENT])
    who: str = Field(description=WHO_TEXT)
    action: str = Field(examples=["moved"])
    by: str = Field(description="what caused it", examples=["gate"])
    from_version: int | None
    to_version: int | None
    outcome: str = Field(description="a verdict's; empty for others")
    reason: str


class Audit(BaseModel):
    """The newest records, newest first."""

    records: list[AuditLine]


def facts_of_version(
    version: ModelVersion, run: RunRecord | None, held: AuditRecord | None
) -> VersionFacts:
    """held: the record that holds it back."""
    tags = version.tags
    return VersionFacts(
        version=version.version,
        aliases=list(version.aliases),
        created_at_utc=_moment(version.created_at_ms),
        run_id=version.run_id,
        gate=VERDICTS.get(tags.get("gate.status", ""), "not judged"),
        held=VersionHold(who=held.who, at_utc=held.at_utc, reason=held.reason) if held else None,
        promoted_by=tags.get("promoted.by"),
        promoted_at_utc=tags.get("promoted.at"),
        metrics=run.metrics if run else {},
    )


def story_of(
    facts: VersionFacts,
    version: ModelVersion,
    run: RunRecord | None,
    details: RunDetails | None,
    gate_report: dict[str, Any] | None,
    mlflow_url: str,
) -> VersionStory:
    """run, details: None where the run is gone."""
    params = run.params if run else {}
    seen = details.confusion if details else None
    return VersionStory(
        **facts.model_dump(),
        params={name: _without_folder(value) for name, value in params.items()},
        lineage=lineage_of(version, run.tags if run else {}),
        curves=[
            MetricCurve(metric=name, points=list(points))
            for name, points in (details.curves if details else {}).items()
        ],
        confusion=ConfusionTable(labels=seen.labels, rows=seen.confusion) if seen else None,
        gate_report=gate_report,
        mlflow_url=mlflow_url,
    )


def lineage_of(version: ModelVersion, tags: dict[str, str]) -> Lineage:
    """tags: of its run, of which `data.root` is nobody's business here."""
    return Lineage(
        run_id=version.run_id,
        data_digest=tags.get("data.digest", ""),
        artifact_digest=version.tags.get(DIGEST_TAG, ""),
        git_commit=tags.get("git.commit", ""),
        git_changed=tags.get("git.changed") == "true",
        leafgate_version=tags.get("leafgate.version", ""),
    )


def study_result(version: int, study: Study) -> StudyResult:
    """version: with whose run it was stored."""
    return StudyResult(
        version=version,
        metric=study.metric,
        value=study.value,
        low=study.low,
        high=study.high,
        arms=[arm.model_dump() for arm in study.arms],
        about=study.about,
    )


def audit_of(records: Iterable[AuditRecord]) -> Audit:
    """In the order given."""
    names = AuditLine.model_fields
    return Audit(
        records=[AuditLine(**{name: getattr(each, name) for name in names}) for each in records]
    )


def _without_folder(value: str) -> str:
    """Of an absolute path its last part: where somebody keeps files is not told."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(value)
        if path.is_absolute():
            return path.name
    return value


def _moment(milliseconds: int) -> str:
    """As the audit trail writes it."""
    told = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")
