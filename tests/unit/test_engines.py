"""Every stored form answers alike, and is run by the name it was asked for by."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from registry import Classifier, store_int8
from registry.engine import ENGINES, EngineChoice, Form, computes_bf16, load_engine
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier

LABELS = tuple(COLOURS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a colour classifier in every form."""
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder)
    store_int8(folder, pictures(range(10)).astype(np.float32))
    return folder


def pictures(numbers: range) -> np.ndarray:
    """(n, 32, 32, 3) uint8, the classes in turn."""
    return np.stack([np.asarray(colour_picture(name, n, 32)) for n in numbers for name in LABELS])


@pytest.mark.parametrize("choice", ENGINES)
def test_every_form_gives_the_same_answers(stored: Path, choice: EngineChoice) -> None:
    answers = Classifier.load(stored, choice).predict(pictures(range(10, 14)))
    assert [answer.class_name for answer in answers] == list(LABELS) * 4
    exact = Classifier.load(stored, "tensorflow").predict(pictures(range(10, 14)))
    assert [a.confidence for a in answers] == pytest.approx([e.confidence for e in exact], abs=0.1)


@pytest.mark.parametrize("choice", ENGINES)
def test_an_engine_says_which_it_is(stored: Path, choice: EngineChoice) -> None:
    assert load_engine(stored, choice).name == choice


@pytest.mark.parametrize("form", ["fp32", "bf16", "int8"])
def test_openvino_means_the_form_that_the_model_prefers(
    stored: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.engine.computes_bf16", lambda: True)
    assert load_engine(stored, "openvino", form).name == f"openvino-{form}"


def test_a_processor_without_bf16_serves_fp32_instead_and_says_why(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.engine.computes_bf16", lambda: False)
    engine = load_engine(stored, "openvino", "bf16")
    assert engine.name == "openvino-fp32"
    assert "prefers bf16" in engine.reason


def test_a_processor_that_is_held_to_avx2_computes_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    assert not computes_bf16.__wrapped__()


def test_a_serving_engine_answers_as_the_plain_one_alone_and_among_many(stored: Path) -> None:
    plain = Classifier.load(stored, "openvino-fp32")
    serving = Classifier.load(stored, "openvino-fp32", serving_threads=2)
    images = pictures(range(10, 14))
    assert serving.engine.lanes == 2
    expected = [answer.confidence for answer in plain.predict(images)]
    assert [serving.predict(images[i : i + 1])[0].confidence for i in range(12)] == pytest.approx(
        expected, abs=1e-5
    )
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda i: serving.predict(images[i : i + 1])[0], [*range(12)] * 9))
    assert [answer.confidence for answer in answers] == pytest.approx(expected * 9, abs=1e-5)


def test_the_choice_by_name_wins_over_what_the_model_prefers(stored: Path) -> None:
    assert load_engine(stored, "openvino-fp32", "int8").name == "openvino-fp32"


@pytest.mark.parametrize(("card", "name"), [(False, "openvino-int8"), (True, "tensorflow")])
def test_auto_is_tensorflow_on_a_graphics_card_and_openvino_without(
    stored: Path, card: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.engine._gpu_is_there", lambda: card)
    assert load_engine(stored, "auto", "int8").name == name


def test_a_form_that_was_not_stored_is_named(stored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stored, tmp_path / "model"))
    (folder / "openvino" / "int8.xml").unlink()
    with pytest.raises(UserError, match=r"openvino/int8\.xml") as raised:
        load_engine(folder, "openvino-int8")
    assert "LEAFGATE_ENGINE" in raised.value.fix


def test_the_engine_reports_to_nobody() -> None:
    """Its makers' statistics would fork the service, which would then hear a SIGTERM of its own."""
    code = (
        "from registry.openvino_library import load_openvino; load_openvino(); import nncf; "
        "from nncf.telemetry import wrapper; from openvino.tools import ovc; "
        "print(type(ovc.telemetry).__module__, type(wrapper.telemetry).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "MagicMock"]
