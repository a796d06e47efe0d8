"""The gate's promises, with real MLflow on SQLite and small real Keras models."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import UserError
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore, rollback, run_gate
from tests.models import register_tiny_classifier, register_tiny_generator

NAME = "leaf-classifier"


def test_gate_promotes_a_classifier_that_is_right(
    settings: Settings, colour_manifest: Manifest
) -> None:
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)

    result = run_gate(settings, NAME)

    assert result.promoted
    assert ModelStore(settings).get(NAME, "production").version == version.version
    assert {item.check: item.figure for item in result.report.verdicts} == {
        "accuracy": 1.0,
        "macro_f1": 1.0,
    }


def test_gate_holds_back_a_wrong_classifier_and_leaves_production_alone(
    settings: Settings, colour_manifest: Manifest
) -> None:
    good = register_tiny_classifier(settings, manifest=colour_manifest)
    bad = register_tiny_classifier(settings, alias=None, manifest=colour_manifest, order=-1)

    result = run_gate(settings, NAME)

    store = ModelStore(settings)
    assert not result.promoted
    assert store.get(NAME, "production").version == good.version
    assert store.get(NAME, bad.version).tags["gate.status"] == "failed"
    assert "accuracy" in result.report.headline


def test_a_promotion_keeps_the_old_version_as_previous_and_rollback_brings_it_back(
    settings: Settings, colour_manifest: Manifest
) -> None:
    first = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    run_gate(settings, NAME)
    second = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    run_gate(settings, NAME)
    store = ModelStore(settings)
    assert store.get(NAME, "previous").version == first.version

    rollback(store, NAME)

    assert store.get(NAME, "production").version == first.version
    assert store.get(NAME, "previous").version == second.version


def test_the_report_is_an_artifact_for_people_and_machines(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)

    result = run_gate(settings, NAME)

    store = ModelStore(settings)
    path = f"gate/version-{version.version}/report.json"
    stored = json.loads(store.run_artifact(version, path, tmp_path).read_text())
    assert stored["decision"] == "promoted"
    assert stored["data_digest"] == colour_manifest.digest
    assert "promoted" in result.page.read_text()


def test_a_version_whose_artefact_was_changed_is_held_back_with_the_reason(
    settings: Settings, colour_manifest: Manifest
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    (stored,) = settings.var_dir.glob("mlflow/artifacts/**/model.json")
    stored.write_text(stored.read_text().replace("green", "mauve"))

    result = run_gate(settings, NAME)

    assert not result.promoted
    assert "changed after training" in result.report.verdicts[0].sentence


def test_changed_test_images_are_named_and_nothing_is_judged(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    moved = Manifest(tmp_path / "elsewhere", colour_manifest.rows)
    register_tiny_classifier(settings, alias=None, manifest=moved)

    with pytest.raises(UserError, match="missing or changed"):
        run_gate(settings, NAME)
    assert run_gate(settings, NAME, data=colour_manifest.root).promoted


def test_a_stricter_policy_holds_back_what_the_usual_one_promotes(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    policy = tmp_path / "policy.yaml"
    policy.write_text("kind: classifier\nchecks:\n  accuracy: {at_least: 1.01}\n")

    assert not run_gate(settings, NAME, policy_file=policy).promoted


def test_a_diverse_generator_passes(settings: Settings, photo_like: Manifest) -> None:
    register_tiny_generator(settings, alias=None, manifest=photo_like)

    result = run_gate(settings, "leaf-generator")

    assert result.promoted, result.report.lines()


def test_a_collapsed_generator_is_held_back(settings: Settings, photo_like: Manifest) -> None:
    register_tiny_generator(settings, alias=None, manifest=photo_like, spread=0)

    result = run_gate(settings, "leaf-generator")

    failed = {item.check for item in result.report.verdicts if not item.passed}
    assert failed == {"not_collapsed", "diverse"}


def test_an_unknown_version_is_answered_with_those_there_are(
    settings: Settings, colour_manifest: Manifest
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    with pytest.raises(UserError, match=r"no version 9.*1 \(staging\)"):
        run_gate(settings, NAME, version=9)


@pytest.fixture
def photo_like(colour_manifest: Manifest, tmp_path: Path) -> Manifest:
    """The colours again, as pictures with structure: what diversity is compared with."""
    from leafgate.manifest import file_digest

    rows = []
    for number, row in enumerate(colour_manifest.rows):
        file = tmp_path / "photos" / row.path
        file.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(number).integers(0, 255, (6, 6, 3)).astype(np.uint8)
        Image.fromarray(blocks).resize((40, 40)).save(file)
        rows.append(replace(row, sha256=file_digest(file)))
    return Manifest(tmp_path / "photos", tuple(rows))
