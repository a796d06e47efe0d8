"""What the gate does with a verdict, with real MLflow on SQLite and small real Keras models."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leafgate.audit_key import trusted_keys
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import (
    GateResult,
    Ledger,
    ModelStore,
    Question,
    audit_problems,
    gate_picture,
    gate_report,
    run_gate,
    version_reader,
    watch,
)
from registry.watching import _unjudged
from tests.models import register_tiny_classifier, register_tiny_generator
from tests.policies import write_policy

NAME = "leaf-classifier"
LENIENT = "accuracy: {at_least: 0.8}\nmacro_f1: {at_least: 0.8}"


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    return write_policy(tmp_path, LENIENT)


def gate(settings: Settings, policy: Path, **more: object) -> GateResult:
    question = Question(NAME, policy_file=policy, **more)  # type: ignore[arg-type]
    return run_gate(open_ledger(settings), question)


def problems(settings: Settings) -> tuple[str, ...]:
    ledger = open_ledger(settings)
    return audit_problems(ledger.store, NAME, ledger.records(NAME), trusted_keys(settings))


def test_a_classifier_that_is_right_goes_to_production_and_every_step_is_on_record(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)

    result = gate(settings, lenient)

    assert result.report.decision == "promoted"
    assert ModelStore(settings).get(NAME, "production").version == version.version
    records = open_ledger(settings).records(NAME)
    assert [record.action for record in records] == ["staged", "verdict", "moving", "moved"]
    assert records[1].policy_digest == result.report.policy_digest
    assert records[3].artifact_digest == version.tags["artifact.digest"]
    assert records[3].report == result.uri
    assert problems(settings) == ()


def test_a_wrong_classifier_is_held_back_and_production_left_alone(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    good = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    gate(settings, lenient)
    bad = register_tiny_classifier(settings, alias=None, manifest=colour_manifest, order=-1)

    result = gate(settings, lenient)

    store = ModelStore(settings)
    assert not result.passed
    assert store.get(NAME, "production").version == good.version
    assert store.get(NAME, bad.version).tags["gate.status"] == "failed"
    assert "accuracy" in result.report.headline
    assert open_ledger(settings).records(NAME)[-1].outcome == "held back"
    assert problems(settings) == ()


def test_the_report_is_an_artifact_for_people_and_machines(
    settings: Settings, colour_manifest: Manifest, lenient: Path, tmp_path: Path
) -> None:
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)

    result = gate(settings, lenient)

    store = ModelStore(settings)
    path = result.uri.removeprefix(f"runs:/{version.run_id}/")
    stored = json.loads(store.run_artifact(version, f"{path}/report.json", tmp_path).read_text())
    assert stored["decision"] == "promoted"
    assert stored["evaluation_set"] == colour_manifest.side_digest("test")
    assert "promoted" in result.page.read_text()
    reader, told = version_reader(settings), store.get(NAME, version.version)
    assert gate_report(reader, told) == {
        **stored,
        "pictures": sorted(file.stem for file in result.page.parent.glob("*.png")),
    }
    assert (
        gate_picture(reader, told, "accuracy") == (result.page.parent / "accuracy.png").read_bytes()
    )


def test_a_version_whose_artefact_was_changed_is_refused_with_the_reason(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    (stored,) = settings.var_dir.glob("mlflow/artifacts/**/model.json")
    stored.write_text(stored.read_text().replace("green", "mauve"))

    with pytest.raises(UserError, match="changed after training") as refused:
        gate(settings, lenient)

    assert refused.value.code == "artifact_changed"
    assert "verdict" not in {record.action for record in open_ledger(settings).records(NAME)}


def test_what_is_measured_is_the_form_that_will_be_served(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert gate(settings, lenient).report.engine == "openvino-fp32"
    served = settings.model_copy(update={"engine": "openvino-bf16"})
    assert gate(served, lenient).report.engine == "openvino-bf16"


def test_a_local_copy_that_was_changed_is_replaced(
    settings: Settings, colour_manifest: Manifest
) -> None:
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    store = ModelStore(settings)
    file = store.folder(version) / "model.json"
    text = file.read_text()
    file.write_text(text.replace("green", "mauve"))
    assert (store.folder(version) / "model.json").read_text() == text


def test_a_version_whose_artefact_is_gone_is_refused_with_the_reason(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    import shutil

    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    (stored,) = settings.var_dir.glob("mlflow/artifacts/**/model.json")
    shutil.rmtree(stored.parents[2])

    with pytest.raises(UserError, match=f"the files of {version} are gone") as refused:
        gate(settings, lenient)
    assert refused.value.code == "artifact_missing"


def test_a_registry_that_does_not_answer_is_no_fault_of_the_model(
    settings: Settings,
    colour_manifest: Manifest,
    lenient: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(*_: object) -> None:
        raise UserError("MLflow does not answer", "wait", code="registry_error")

    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    ledger = open_ledger(settings)
    monkeypatch.setattr(ModelStore, "folder", silent)
    monkeypatch.setattr(ModelStore, "require_reachable", silent)
    with pytest.raises(UserError, match="does not answer"):
        run_gate(ledger, Question(NAME, policy_file=lenient))
    assert "verdict" not in {record.action for record in ledger.records(NAME)}


def test_changed_test_images_are_named_and_nothing_is_judged(
    settings: Settings, colour_manifest: Manifest, lenient: Path, tmp_path: Path
) -> None:
    moved = Manifest(tmp_path / "elsewhere", colour_manifest.rows)
    register_tiny_classifier(settings, alias=None, manifest=moved)

    with pytest.raises(UserError, match="missing or changed"):
        gate(settings, lenient)
    assert gate(settings, lenient, data=colour_manifest.root).passed


def test_a_policy_may_name_the_evaluation_set_wherever_the_candidate_was_trained(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    """Champion and candidate are then measured on it, and never compared across sets."""
    named = colour_manifest.side_digest("test")
    checks = f"{LENIENT}\nchampion: {{worse_by_at_most: 0, if_not_shown_to_differ: pass}}\nno_leak:"
    policy = write_policy(tmp_path, checks, top=f"evaluation_set: '{named[:16]}'")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert gate(settings, policy).passed

    turned = {"train": "test", "test": "train", "validation": "validation"}
    other = Manifest(
        colour_manifest.root,
        tuple(replace(row, side=turned[row.side]) for row in colour_manifest.rows),  # type: ignore[arg-type]
    )
    register_tiny_classifier(settings, alias=None, manifest=other)
    result = gate(settings, policy)
    assert result.report.evaluation_set == named
    assert [item.check for item in result.report.verdicts if not item.passed] == [
        "champion",  # nine images are too few to tell
        "no_leak",
    ]

    unknown = write_policy(tmp_path, LENIENT, top="evaluation_set: 'abcdef123456'")
    with pytest.raises(
        UserError, match=f"abcdef123456, found were: {other.side_digest('test')[:12]}"
    ):
        gate(settings, unknown)


def test_images_that_the_champion_learnt_from_are_left_out_of_the_comparison(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "champion: {worse_by_at_most: 0, if_not_shown_to_differ: pass}")
    rows = colour_manifest.side("test")
    half = {row.path for row in rows[::2]}
    leaky = Manifest(
        colour_manifest.root,
        tuple(replace(r, side="train") if r.path in half else r for r in colour_manifest.rows),
    )
    register_tiny_classifier(settings, manifest=leaky)
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)

    (verdict,) = gate(settings, policy).report.verdicts

    assert not verdict.passed
    assert f"only {len(rows) - len(half)} images" in verdict.sentence
    assert f"learnt from {len(half)}" in verdict.sentence


def test_gates_at_once_on_one_model_take_turns_and_promote_it_once(
    settings: Settings, colour_manifest: Manifest, lenient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    from registry import gate as gate_module

    measure, busy = gate_module._measure, threading.Lock()

    def measure_alone(*arguments: Any) -> object:
        assert busy.acquire(blocking=False), "two gates measure at once"
        try:
            return measure(*arguments)
        finally:
            busy.release()

    monkeypatch.setattr(gate_module, "_measure", measure_alone)
    results: list[GateResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(gate(settings, lenient))) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(result.report.decision for result in results) == ["passed"] * 9 + ["promoted"]
    actions = [record.action for record in open_ledger(settings).records(NAME)]
    assert (actions.count("verdict"), actions.count("moved")) == (10, 1)
    assert problems(settings) == ()


def test_a_champion_that_came_meanwhile_makes_the_gate_measure_again(
    settings: Settings, colour_manifest: Manifest, lenient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry import force  # type: ignore[attr-defined]
    from registry import gate as gate_module

    first = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    second = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    keep = gate_module._keep
    meanwhile = [first]

    def interrupted(ledger: Ledger, *arguments: object) -> GateResult:
        if meanwhile:
            force(ledger, meanwhile.pop(), "somebody was faster")
        return keep(ledger, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gate_module, "_keep", interrupted)
    result = gate(settings, lenient)
    assert (result.report.decision, result.report.champion) == ("promoted", first.version)
    assert ModelStore(settings).get(NAME, "production").version == second.version
    assert problems(settings) == ()


def test_a_version_on_hold_is_judged_and_not_promoted_however_late_the_hold_came(
    settings: Settings, colour_manifest: Manifest, lenient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry import gate as gate_module
    from registry import hold, release  # type: ignore[attr-defined]

    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    measure = gate_module._measure

    def held_meanwhile(*arguments: Any) -> object:
        monkeypatch.setattr(gate_module, "_measure", measure)
        hold(open_ledger(settings), version, "wait for the harvest", "ada")
        return measure(*arguments)

    monkeypatch.setattr(gate_module, "_measure", held_meanwhile)
    result = gate(settings, lenient)

    store = ModelStore(settings)
    assert (result.report.decision, result.passed) == ("on hold", False)
    assert "is on hold: all checks passed, but ada holds it: wait for the" in result.report.headline
    assert store.get(NAME, version.version).tags["gate.status"] == "passed"
    assert store.find(NAME, "production") is None
    records = open_ledger(settings).records(NAME)
    assert [record.action for record in records] == ["staged", "held", "verdict"]
    assert problems(settings) == ()
    assert _unjudged(open_ledger(settings), NAME) == []  # a watch does not judge it again

    release(open_ledger(settings), version, "it is in")
    assert gate(settings, lenient).report.decision == "promoted"
    assert problems(settings) == ()


def test_an_unknown_model_or_version_is_answered_with_those_there_are(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    with pytest.raises(UserError, match=r"no version 9.*1 \(staging\)"):
        gate(settings, lenient, version=9)
    with pytest.raises(UserError, match="leaf-clasifier has no version"):
        run_gate(open_ledger(settings), Question("leaf-clasifier"))


def test_watching_gates_what_is_staged_and_what_comes_and_nothing_twice(
    settings: Settings, colour_manifest: Manifest, lenient: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    ledger, stopped = open_ledger(settings), threading.Event()
    verdicts = watch(ledger, Question(NAME, policy_file=lenient), 0.01, stopped)
    assert next(verdicts).report.version == 1
    for _ in range(2):
        register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert [next(verdicts).report.version for _ in range(2)] == [2, 3]
    stopped.set()
    assert list(verdicts) == []
    judged_before = watch(ledger, Question(NAME, policy_file=lenient), 0.01, threading.Event())
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert next(judged_before).report.version == 4


def test_the_policies_that_come_with_leafgate_judge_a_generator(
    settings: Settings, colour_manifest: Manifest
) -> None:
    register_tiny_classifier(settings, manifest=colour_manifest)
    register_tiny_generator(settings, alias=None, manifest=colour_manifest, spread=0)
    result = run_gate(open_ledger(settings), Question("leaf-generator"))
    failed = {item.check for item in result.report.verdicts if not item.passed}
    assert {"enough_images", "not_collapsed", "diverse"} <= failed
