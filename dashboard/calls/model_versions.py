"""Versions of the registered models: what they come to, where they come from, who moved them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dashboard.client import ApiClient

MOVE_SECONDS = 150.0  # the API itself gives up after 120
Move = Literal["promote", "rollback", "hold", "release"]
# Older versions logged the kernel distance of these features under the name that only Inception's
# may have; shown under today's, they stand beside newer ones.
OLD_KERNEL_NAME = re.compile(r"^(test|validation)_kid_(classifier|pixels)(?=_|$)")


@dataclass(frozen=True)
class Hold:
    """That a version is not to come into production, on whose word and why."""

    who: str
    at_utc: str
    reason: str


@dataclass(frozen=True)
class Version:
    """One version. gate: `passed`, `failed` or `not judged`; metrics: of its training run."""

    version: int
    aliases: tuple[str, ...]
    created_at_utc: str
    run_id: str
    gate: str
    held: Hold | None
    promoted_by: str | None
    promoted_at_utc: str | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from: its run, the images (by the digest of their manifest), the files
    that are served, and the code. Empty where it is not known.
    """

    run_id: str
    data_digest: str
    artifact_digest: str
    git_commit: str
    git_changed: bool
    leafgate_version: str


@dataclass(frozen=True)
class Curve:
    """One figure of the training over its epochs: (epoch, value), in order."""

    metric: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Confusion:
    """rows: true classes, columns: told ones, both in the order of `labels`; counts of images."""

    side: str
    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Study:
    """What an augmentation experiment found: the gain in `metric` by generated pictures.

    value, low, high: of the whole, with its interval; arms: the same of its parts, as the study
    stored them: name, value, low, high and what else it told.
    """

    version: int
    metric: str
    value: float
    low: float | None
    high: float | None
    arms: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Story:
    """All of one version. gate_report: the gate's own, as it stored it, and under `pictures` the
    checks that have one (see `gate_picture`); None where none was made.
    """

    version: Version
    params: Mapping[str, str]
    lineage: Lineage
    curves: tuple[Curve, ...]
    confusion: Confusion | None
    gate_report: Mapping[str, Any] | None
    mlflow_url: str


@dataclass(frozen=True)
class AuditLine:
    """One record of the audit trail."""

    number: int
    at_utc: str
    who: str
    action: str
    by: str
    from_version: int | None
    to_version: int | None
    outcome: str
    reason: str


@dataclass(frozen=True)
class Moved:
    """What became of a move. version: in production now; before: until then; told: a sentence."""

    version: int | None
    before: int | None
    who: str
    told: str


def versions(api: ApiClient, model: str, limit: int = 20) -> tuple[Version, ...]:
    """The newest versions, newest first; none for a model that has none."""
    answer = api.ask("GET", f"/models/{model}/versions", params={"limit": limit}).json()
    return tuple(_version(told) for told in answer["versions"])


def story(api: ApiClient, model: str, version: int) -> Story:
    """All that is known of a version."""
    told = api.ask("GET", f"/models/{model}/versions/{version}").json()
    seen = told["confusion"]
    return Story(
        version=_version(told),
        params=told["params"],
        lineage=Lineage(**told["lineage"]),
        curves=tuple(
            Curve(
                todays_name(each["metric"]),
                tuple((int(step), value) for step, value in each["points"]),
            )
            for each in told["curves"]
        ),
        confusion=Confusion(
            seen["side"], tuple(seen["labels"]), tuple(tuple(row) for row in seen["rows"])
        )
        if seen
        else None,
        gate_report=told["gate_report"],
        mlflow_url=told["mlflow_url"],
    )


def gate_picture(api: ApiClient, model: str, version: int, check: str) -> bytes:
    """The picture, a PNG, of one check of the version's gate report."""
    return api.ask("GET", f"/models/{model}/versions/{version}/gate/{check}").content


def studies(api: ApiClient, model: str) -> tuple[Study, ...]:
    """Those stored with versions of the generator, the newest version first."""
    answer = api.ask("GET", f"/models/{model}/studies").json()
    return tuple(
        Study(
            told["version"],
            told["metric"],
            told["value"],
            told["low"],
            told["high"],
            tuple(told["arms"]),
            told["about"],
        )
        for told in answer["studies"]
    )


def audit(api: ApiClient, model: str, limit: int = 50) -> tuple[AuditLine, ...]:
    """The newest records, newest first."""
    answer = api.ask("GET", f"/models/{model}/audit", params={"limit": limit}).json()
    return tuple(AuditLine(**told) for told in answer["records"])


def move(api: ApiClient, model: str, how: Move, version: int | None, reason: str) -> Moved:
    """Promote, hold or release a version, or roll back from the one in production. Scope admin."""
    said = {"version": version, "reason": reason}
    told = api.ask("POST", f"/models/{model}/{how}", json=said, timeout=MOVE_SECONDS).json()
    return Moved(told["version"], told["before"], told["who"], told["told"])


def _version(told: Mapping[str, Any]) -> Version:
    held = told["held"]
    return Version(
        version=told["version"],
        aliases=tuple(told["aliases"]),
        created_at_utc=told["created_at_utc"],
        run_id=told["run_id"],
        gate=told["gate"],
        held=Hold(**held) if held else None,
        promoted_by=told["promoted_by"],
        promoted_at_utc=told["promoted_at_utc"],
        metrics={todays_name(name): value for name, value in told["metrics"].items()},
    )


def todays_name(metric: str) -> str:
    """What a logged figure is called now: `test_kd_pixels` for `test_kid_pixels`."""
    return OLD_KERNEL_NAME.sub(r"\1_kd_\2", metric)
