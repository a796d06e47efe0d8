"""What a run keeps is believed only as far as it is checked: links, tags, reports, studies."""

from pathlib import Path

import pytest

from registry import gate_picture, gate_report, study_of, version_reader
from registry.versions import RunRecord
from tests.versions import (
    CLASSIFIER,
    STAMP,
    Told,
    add_version,
    artifact_file,
)

REPORT = f"gate/version-1/{STAMP}"


def test_an_artifact_that_is_a_link_out_of_its_run_is_none(told: Told, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{}")
    link = artifact_file(told, "evaluation/link.json")
    link.symlink_to(tmp_path / "own.json")
    ring = artifact_file(told, "evaluation/ring.json")
    ring.symlink_to(ring)
    reader = version_reader(told.settings)
    assert reader.artifact(told.whole.run_id, "evaluation/link.json", 100) is None
    assert reader.artifact(told.whole.run_id, "evaluation/ring.json", 100) is None
    for each in (link, ring):
        each.unlink()


def test_tables_of_another_shape_and_other_stores_of_artifacts_are_left_to_mlflow(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, expected = told.whole.run_id, version_reader(told.settings)
    for name in ("registry.sqlite_file.TAGS", "registry.sqlite_versions.RUN"):
        reader = version_reader(told.settings)
        with monkeypatch.context() as patch:
            patch.setattr(name, "SELECT word FROM runs")
            assert reader.versions(CLASSIFIER, 9) == expected.versions(CLASSIFIER, 9)
            assert reader.run(run_id) == expected.run(run_id)
            assert reader.files(run_id, REPORT) == expected.files(run_id, REPORT)
    monkeypatch.setattr("registry.sqlite_versions.folder_of", lambda _: None)
    assert version_reader(told.settings).files(run_id, REPORT) == expected.files(run_id, REPORT)


@pytest.mark.parametrize(
    "tag",
    [
        "runs:/{run}/gate/version-1/../../x",
        "runs:/{run}/gate/version-2/20260131T120000Z",
        "runs:/{other}/gate/version-1/20260131T120000Z",
        "runs:/{run}/evaluation",
        "file:///etc",
        "runs:/{run}/gate/version-1/20260131T120000Z/more",
    ],
)
def test_a_tag_that_names_no_report_of_its_own_is_not_followed(
    told: Told, tag: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader = version_reader(told.settings)
    named = tag.format(run=told.whole.run_id, other=told.bare.run_id)
    version = told.store.get(CLASSIFIER, told.whole.version)
    version.tags["gate.report"] = named
    assert gate_report(reader, version) is None
    assert gate_picture(reader, version, "accuracy") is None
    assert "names no report of its own" in caplog.text


@pytest.mark.parametrize("text", ["{", "[]", "NaN", '{"a": "\\ud800"}', "[" * 50_000])
def test_a_report_that_cannot_be_told_on_is_none(told: Told, text: str) -> None:
    file = artifact_file(told, f"{REPORT}/report.json")
    whole = file.read_bytes()
    file.write_text(text)
    version = told.store.get(CLASSIFIER, told.whole.version)
    assert gate_report(version_reader(told.settings), version) is None
    file.write_bytes(whole)


@pytest.mark.parametrize("word", ["NaN", "-Infinity", "1e999", "null"])
def test_a_report_with_a_figure_that_is_not_finite_is_told_without_it(
    told: Told, word: str
) -> None:
    file = artifact_file(told, f"{REPORT}/report.json")
    whole = file.read_bytes()
    file.write_text(f'{{"figure": {word}}}')
    version = told.store.get(CLASSIFIER, told.whole.version)
    found = gate_report(version_reader(told.settings), version)
    file.write_bytes(whole)
    assert found is not None
    assert found["figure"] is None


def test_a_study_may_name_its_metric_and_keeps_what_else_it_says(told: Told) -> None:
    study = {"value": 1, "low": 0, "high": 2, "metric": "accuracy", "made_at": "2026"}
    version = add_version(told.store, CLASSIFIER, {"study/gain.json": study})
    found = study_of(version_reader(told.settings), version.run_id)
    assert found is not None
    assert (found.metric, found.value, found.arms, found.about) == (
        "accuracy",
        1.0,
        [],
        {"made_at": "2026"},
    )
    told.store.client.delete_model_version(CLASSIFIER, str(version.version))


def test_a_run_that_is_gone_leaves_its_version_told(told: Told) -> None:
    assert version_reader(told.settings).run("no/such/run") is None
    assert RunRecord.of("1", "FAILED", {}, {}, []).is_finished is False
