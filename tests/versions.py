"""A registry with versions that have all that the API tells of, and some that are damaged."""

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from leafgate.settings import Settings
from registry import ModelStore, ModelVersion, start_run
from registry.checks import Verdict
from registry.report import Decision, GateReport, Hold

CLASSIFIER, GENERATOR = "leaf-classifier", "leaf-generator"
ROOT = "/home/trainer/secret-photos"
STAMP = "20260131T120000Z"
EPOCHS = 5
CONFUSION: dict[str, Any] = {
    "labels": ["grün", "rust"],
    "confusion": [[9, 1], [0, 10]],
    "images": 20,
}
STUDY: dict[str, Any] = {
    "value": 0.03,
    "low": 0.01,
    "high": 0.05,
    "seeds": 8,
    "baseline": {"macro F1": 0.91},
    "arms": [{"name": "rust", "value": 0.1, "low": 0.02, "high": 0.2, "images": 40}],
}
BROKEN_STUDIES: tuple[Any, ...] = (
    {"value": 0.03, "low": 0.01},
    {"value": float("nan"), "low": 0.0, "high": 0.1},
    {"value": 0.0, "low": 0.1, "high": -0.1},
    ["a list"],
)


@dataclass(frozen=True)
class Told:
    """What was stored. whole: a classifier with everything; bare: one of a run with nothing."""

    settings: Settings
    store: ModelStore
    whole: ModelVersion
    bare: ModelVersion
    studied: ModelVersion


def png() -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(buffer, "PNG")
    return buffer.getvalue()


def fill(settings: Settings) -> Told:
    """Store two versions of the classifier, and one of the generator for each study.

    None is in production: there is nothing that could be served.
    """
    store = ModelStore(settings)
    for name in (CLASSIFIER, GENERATOR):
        store.client.create_registered_model(name)
    whole = add_version(store, CLASSIFIER, {"evaluation/test.json": CONFUSION}, trained=True)
    bare = add_version(store, CLASSIFIER, {})
    store.set_alias(CLASSIFIER, "staging", bare.version)
    store.set_alias(CLASSIFIER, "previous", whole.version)
    store.set_alias(CLASSIFIER, "champion", whole.version)
    keep_report(store, whole, "promoted")
    generators = [
        add_version(store, GENERATOR, {"study/gain.json": study})
        for study in (STUDY, *BROKEN_STUDIES)
    ]
    return Told(settings, store, store.get(CLASSIFIER, whole.version), bare, generators[0])


def add_version(
    store: ModelStore, name: str, documents: Mapping[str, Any], trained: bool = False
) -> ModelVersion:
    """A version of a run with those artifacts. trained: and with figures, settings and tags."""
    with start_run(store.settings, "train") as run:
        for path, value in documents.items():
            run.log_json(value, path)
        if trained:
            run.log_params({"epochs": EPOCHS, "weights": f"{ROOT}/weights.h5", "flips": True})
            run.set_tags({"data.root": ROOT, "data.digest": "d" * 64, "git.commit": "c" * 40})
            run.set_tags({"git.changed": "true"})
            for epoch in range(1, EPOCHS + 1):
                run.log_metrics({"val_loss": 1 / epoch, "lost": float("nan")}, step=epoch)
            run.log_metrics({"val_loss": 0.125}, step=EPOCHS)  # once more, as a resumed job does
            run.log_metrics({"test_macro_f1": 0.95, "test_nothing": float("nan")})
            run.log_metrics({"test_endless": float("inf")})
    source = store.client.get_run(run.run_id).info.artifact_uri
    made = store.client.create_model_version(name, source, run.run_id)
    version = store.get(name, int(made.version))
    if trained:
        store.set_tags(version, {"artifact.digest": "a" * 64, "gate.status": "passed"})
        store.set_tags(version, {"promoted.by": "ada", "promoted.at": "2026-01-31T12:00:00.000Z"})
    return store.get(name, version.version)


def keep_report(
    store: ModelStore,
    version: ModelVersion,
    decision: Decision,
    stamp: str = STAMP,
    hold: Hold | None = None,
) -> None:
    """Store a gate report with the run, where the gate stores its own."""
    why = f"could not read {ROOT}/rust/1.jpg"
    verdicts = (
        Verdict("accuracy", True, 0.95, "at least 0.9", "accuracy is 0.95"),
        Verdict("size", False, float("nan"), "at most 90 MB", why),
    )
    report = GateReport(
        model=version.name,
        version=version.version,
        kind="classifier",
        decision=decision,
        verdicts=verdicts,
        champion=None,
        policy="leaf-classifier.yaml",
        policy_digest="p" * 64,
        evaluation_set="e" * 64,
        data_digest="d" * 64,
        artifact_digest="a" * 64,
        engine="openvino-int8",
        test_images=20,
        leaf_groups=10,
        judged_at_utc="2026-01-31T12:00:00.000Z",
        judged_by="ada",
        machine="two cores",
        run_id=version.run_id,
        seconds=1.0,
        hold=hold,
    )
    with tempfile.TemporaryDirectory() as folder:
        report.save(Path(folder), {"accuracy": png()})
        (Path(folder) / "size.png").write_text("<html>no picture</html>")
        uri = store.log_run_artifacts(
            version, Path(folder), f"gate/version-{version.version}/{stamp}"
        )
    store.set_tags(version, {"gate.report": uri})


def artifact_file(told: Told, path: str) -> Path:
    """Where an artifact of `whole` lies on disk."""
    uri = told.store.client.get_run(told.whole.run_id).info.artifact_uri
    return Path(uri.removeprefix("file://")) / path


def as_stored(report: bytes) -> dict[str, Any]:
    """A report.json, without the folder that nobody is told of."""
    return dict(json.loads(report.decode().replace(ROOT, "…")))
