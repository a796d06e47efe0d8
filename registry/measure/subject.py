"""What is measured, beside what, on which images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.checks.evidence import Origin
from registry.evaluation_set import EvaluationSet, Learnt, learnt_from, run_manifest
from registry.ledger import Ledger
from registry.store import ModelStore, ModelVersion
from registry.tracking import ENVIRONMENT_ARTIFACT

REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Subject:
    """champion: the version in production, if any; it may be the candidate itself. ledger: where
    other models that are asked must be on record.
    """

    store: ModelStore
    candidate: ModelVersion
    champion: ModelVersion | None
    images: EvaluationSet
    ledger: Ledger | None = None

    @property
    def rival(self) -> ModelVersion | None:
        """The champion, unless it is the candidate: what there is to compare with."""
        if self.champion is None or self.champion.version == self.candidate.version:
            return None
        return self.champion

    @property
    def settings(self) -> Settings:
        """Where the store is, and which engine is served."""
        return self.store.settings


def reason_of(error: Exception) -> str:
    """The first line of what went wrong, shortened: an error may print whole arrays."""
    lines = str(error).strip().splitlines()
    return lines[0][:REASON_CHARACTERS] if lines else repr(error)


def attempt(
    store: ModelStore, measurements: Mapping[str, Callable[[], Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """(what was found, why the rest was not), by name.

    A registry that does not answer is no fault of the model: UserError is raised then.
    """
    found, missing = {}, {}
    for name, measure in measurements.items():
        try:
            found[name] = measure()
        except Exception as error:  # noqa: BLE001 - whatever a stored model raises, it fails
            if isinstance(error, UserError):
                store.require_reachable()
            missing[name] = reason_of(error)
    return found, missing


def measure_origin(subject: Subject) -> Origin:
    """Where the candidate comes from, and whether it has met the images before."""
    store, candidate = subject.store, subject.candidate
    trained = run_manifest(store, candidate, None)
    leaks = learnt_from(trained, subject.images) if trained else Learnt((), ())
    tags = store.run_tags(candidate)
    data = tags.get("data.digest", "")
    there = store.has_run_artifact(candidate, ENVIRONMENT_ARTIFACT)
    facts = {
        "run": candidate.run_id,
        "data digest": data[:12] if trained and trained.has_digest(data) else "",
        "training manifest": "stored" if trained else "",
        "code": tags.get("git.commit", tags.get("leafgate.version", "")),
        "environment": "stored" if there else "",
    }
    return Origin(
        facts,
        leaks.seen,
        leaks.mates,
        store.run_metrics(candidate),
        subject.images.own,
        trained is not None and any(row.side != "test" for row in trained.rows),
        leaks.related,
    )
