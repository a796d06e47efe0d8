"""Which stored form a CPU runs: int8 where it keeps up, fp32 where it does not, and why."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from registry import Classifier
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier
from training.classifier.finished import FORMS, Side, keep_good_forms, preferred_form


def figures(fp32: float, int8: float) -> dict[str, float]:
    return dict(zip(FORMS, (fp32, fp32, int8), strict=True))


@pytest.mark.parametrize("int8", [0.95, 0.945, 0.94, 0.97])
def test_int8_is_preferred_within_a_point(int8: float) -> None:
    form, reason = preferred_form(figures(0.95, int8), figures(0.95, 0.95))
    assert form == "int8"
    assert f"loses {max(0.95 - int8, 0) * 100:.1f} points" in reason


def test_int8_that_loses_more_on_validation_is_not_preferred() -> None:
    form, reason = preferred_form(figures(0.95, 0.926), figures(0.95, 0.95))
    assert form == "bf16"
    assert "2.4 points" in reason
    assert "validation side" in reason
    assert "not stored" in reason


def test_the_test_side_has_a_veto() -> None:
    form, reason = preferred_form(figures(0.95, 0.95), figures(0.96, 0.925))
    assert form == "bf16"
    assert "3.5 points" in reason
    assert "test side" in reason


def test_the_test_side_cannot_speak_for_int8() -> None:
    form, reason = preferred_form(figures(0.95, 0.9), figures(0.9, 0.99))
    assert form == "bf16"
    assert "validation side" in reason


def test_the_reason_names_the_larger_loss_of_both_sides() -> None:
    form, reason = preferred_form(figures(0.95, 0.947), figures(0.95, 0.942))
    assert form == "int8"
    assert "0.8 points of accuracy at most" in reason


def test_an_accuracy_that_is_no_number_never_speaks_for_int8() -> None:
    nothing = figures(float("nan"), float("nan"))
    assert preferred_form(nothing, nothing)[0] == "fp32"


def test_bf16_has_no_say_where_int8_keeps_up() -> None:
    poor = {"fp32": 0.95, "bf16": 0.2, "int8": 0.95}
    assert preferred_form(poor, poor)[0] == "int8"


def test_where_int8_and_bf16_lose_too_much_fp32_is_served_and_both_are_named() -> None:
    poor = {"fp32": 0.95, "bf16": 0.9, "int8": 0.8}
    form, reason = preferred_form(poor, poor)
    assert form == "fp32"
    assert "int8 loses 15.0 points" in reason
    assert "bf16 loses 5.0 points" in reason


@pytest.fixture
def colours() -> Side:
    """Three pictures of each colour."""
    truth = np.arange(9) % 3
    images = [np.asarray(colour_picture(tuple(COLOURS)[c], n)) for n, c in enumerate(truth)]
    return Side(np.stack(images), truth, tuple(map(str, range(9))))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two classifiers of colours, one always right and one always wrong."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("right", "wrong")}
    store_tiny_classifier(folders["right"])
    store_tiny_classifier(folders["wrong"], order=-1)
    return folders


def with_int8(stored: dict[str, Path], name: str, folder: Path) -> Path:
    """The right classifier in `folder`, with the named one in the place of its int8 form."""
    shutil.copytree(stored["right"], folder, dirs_exist_ok=True)
    for suffix in ("xml", "bin"):
        source = stored[name] / f"openvino/fp32.{suffix}"
        shutil.copy(source, folder / f"openvino/int8.{suffix}")
    return folder


def test_an_int8_form_that_loses_accuracy_is_measured_and_not_kept(
    colours: Side, stored: dict[str, Path], tmp_path: Path
) -> None:
    folder = with_int8(stored, "wrong", tmp_path)
    table = keep_good_forms(folder, colours, colours)
    assert table.test == {"fp32": 1, "bf16": 1, "int8": 0}
    assert table.preferred == "bf16"
    assert sorted(file.name for file in (folder / "openvino").iterdir()) == ["fp32.bin", "fp32.xml"]
    with pytest.raises(UserError, match=r"has no openvino/int8\.xml"):
        Classifier.load(folder, "openvino-int8")


def test_an_int8_form_that_keeps_up_is_kept(
    colours: Side, stored: dict[str, Path], tmp_path: Path
) -> None:
    folder = with_int8(stored, "right", tmp_path)
    assert keep_good_forms(folder, colours, colours).preferred == "int8"
    judged = Classifier.load(folder, "openvino-int8").judge(colours.images)
    assert (judged.logits.argmax(axis=1) == colours.truth).all()
