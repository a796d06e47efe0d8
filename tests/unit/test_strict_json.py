"""What is not finite is null in every JSON that LeafGate writes, and `not known` where it reads."""

import ast
from datetime import UTC, datetime
from math import inf, isnan, nan
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dashboard.calls.model_versions import Study
from dashboard.forest import verdict
from leafgate.strict_json import as_number, dump_json, load_json
from registry import VersionReader, study_of
from registry.checks.augmentation_gain import augmentation_gain
from registry.checks.evidence import Gain
from registry.run_documents import confusion_of
from sql import Entry, PredictionRecord
from sql.records import rows_of
from tests.evidence import generator_evidence
from tests.strict import as_strict_json
from training.classifier.memory import Position, TrainingMemory

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("tests/", "var/", "build/")
# They may import nothing of ours; or they are what the others call.
OWN = {"leafgate/strict_json.py", "registry/pyfunc_worker.py"}


def reading(text: str) -> VersionReader:
    """A registry in which every artifact is that text."""

    class OneArtifact:
        def artifact(self, *_: object) -> bytes:
            return text.encode()

    return cast(VersionReader, OneArtifact())


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (nan, "null"),
        ([1.5, inf, -inf], "[1.5, null, null]"),
        ({"bins": ({"accuracy": nan},)}, '{"bins": [{"accuracy": null}]}'),
        (np.float32(0.5), "0.5"),
        (np.float32("nan"), "null"),
        ({"counts": np.arange(3)}, '{"counts": [0, 1, 2]}'),
        (np.array([[1.0, nan]]), "[[1.0, null]]"),
        ({nan: 1}, '{"null": 1}'),
        ("NaN, said so", '"NaN, said so"'),
        ("Blattläuse", '"Blattläuse"'),
    ],
)
def test_what_is_not_finite_is_written_as_null(value: object, written: str) -> None:
    assert dump_json(value) == written
    as_strict_json(written)


def test_what_json_has_no_form_for_needs_a_form() -> None:
    assert dump_json({"at": Path("a"), "x": nan}, default=str) == '{"at": "a", "x": null}'
    with pytest.raises(TypeError, match="PosixPath has no form"):
        dump_json(Path("a"))


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "null"])
def test_a_figure_that_is_not_known_is_read_however_it_was_written(word: str) -> None:
    assert load_json(f'{{"a": [{word}, 1.5]}}') == {"a": [None, 1.5]}
    assert isnan(as_number(load_json(word)))


def test_no_json_is_written_without_the_helper() -> None:
    found = [
        f"{name}:{node.lineno}"
        for file in ROOT.glob("[a-z]*/**/*.py")
        if not (name := file.relative_to(ROOT).as_posix()).startswith(ELSEWHERE)
        if name not in OWN and "json" in (text := file.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and _lets_nan_through(node)
    ]
    assert not found, "use leafgate.strict_json.dump_json"


def _lets_nan_through(call: ast.Call) -> bool:
    if ast.unparse(call.func) == "to_json" and not call.keywords:
        return ast.unparse(call.args[0]) == "rows"  # pydantic's, in sql/records.py
    return ast.unparse(call.func) in ("json.dumps", "json.dump")


@pytest.mark.parametrize("word", ["null", "NaN"])
def test_a_confusion_matrix_beside_figures_that_are_not_known_is_there(word: str) -> None:
    text = (
        f'{{"labels": ["a"], "confusion": [[3]], "ece": {word}, "bins": [{{"accuracy": {word}}}]}}'
    )
    found = confusion_of(reading(text), "1")
    assert found is not None
    assert (found.labels, found.confusion) == (["a"], [[3]])


@pytest.mark.parametrize("word", ["null", "NaN"])
def test_a_study_without_an_interval_is_shown_as_one_that_tells_nothing(word: str) -> None:
    arm = f'{{"name": "rust", "value": {word}, "low": {word}, "high": 0.2}}'
    text = f'{{"value": 0.03, "low": {word}, "high": {word}, "arms": [{arm}], "p": {word}}}'
    found = study_of(reading(text), "1")
    assert found is not None
    assert (found.value, found.low, found.high) == (0.03, None, None)
    arms = tuple(each.model_dump() for each in found.arms)
    shown = Study(1, found.metric, found.value, found.low, found.high, arms, found.about)
    assert verdict(shown)[0] == "unknown"
    judged = augmentation_gain(generator_evidence(gain=Gain(0.03, nan, nan)), 0.0)
    assert not judged.passed
    assert "nan" not in judged.sentence
    assert judged.outcome == "not known"


def test_a_figure_that_is_not_finite_is_logged_as_not_known() -> None:
    """SQL Server refuses NaN, and SQLite takes it for NULL: the log would depend on the database.

    What an older LeafGate left in the outbox has NaN.
    """
    known: dict[str, Any] = {"id": "1", "request_id": "1", "at_utc": datetime.now(UTC)}
    record = PredictionRecord(**known, status=200, latency_ms=1, confidence=nan, unknown_score=inf)
    text = Entry(predictions=(record,)).as_json()
    as_strict_json(text)
    old = text.replace('"confidence":null', '"confidence":NaN')
    for each in (text, old.replace('"unknown_score":null', '"unknown_score":Infinity')):
        (row,) = rows_of(each)["predictions"]
        assert (row["confidence"], row["unknown_score"]) == (None, None)


def test_a_training_goes_on_from_a_figure_that_json_cannot_hold(tmp_path: Path) -> None:
    memory = TrainingMemory(tmp_path)
    for position in (
        Position(rows=({"loss": 0.5, "f1": nan, "stage": "head"},)),
        Position(best=0.25, epoch=3),
    ):
        memory.save(position, [np.zeros(2)], [])
        with np.load(tmp_path / "checkpoint.npz") as stored:
            as_strict_json(str(stored["position"]))
        found = memory.load()
        assert found is not None
        assert (found[0].best, found[0].epoch) == (position.best, position.epoch)
        assert str(found[0].rows) == str(position.rows)
