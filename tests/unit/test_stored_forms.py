"""Which stored form a CPU runs: int8 where it keeps up, fp32 where it does not, and why."""

import pytest

from training.classifier.finished import FORMS, preferred_form


def figures(fp32: float, int8: float) -> dict[str, float]:
    return dict(zip(FORMS, (fp32, fp32, int8), strict=True))


@pytest.mark.parametrize("int8", [0.95, 0.945, 0.94, 0.97])
def test_int8_is_preferred_within_a_point(int8: float) -> None:
    form, reason = preferred_form(figures(0.95, int8), figures(0.95, 0.95))
    assert form == "int8"
    assert f"loses {max(0.95 - int8, 0) * 100:.1f} points" in reason


def test_int8_that_loses_more_on_validation_is_not_preferred() -> None:
    form, reason = preferred_form(figures(0.95, 0.926), figures(0.95, 0.95))
    assert form == "fp32"
    assert "2.4 points" in reason
    assert "validation side" in reason


def test_the_test_side_has_a_veto() -> None:
    form, reason = preferred_form(figures(0.95, 0.95), figures(0.96, 0.925))
    assert form == "fp32"
    assert "3.5 points" in reason
    assert "test side" in reason


def test_the_test_side_cannot_speak_for_int8() -> None:
    form, reason = preferred_form(figures(0.95, 0.9), figures(0.9, 0.99))
    assert form == "fp32"
    assert "validation side" in reason


def test_the_reason_names_the_larger_loss_of_both_sides() -> None:
    form, reason = preferred_form(figures(0.95, 0.947), figures(0.95, 0.942))
    assert form == "int8"
    assert "0.8 points of accuracy at most" in reason


def test_an_accuracy_that_is_no_number_never_speaks_for_int8() -> None:
    nothing = figures(float("nan"), float("nan"))
    assert preferred_form(nothing, nothing)[0] == "fp32"


def test_bf16_is_measured_but_does_not_decide() -> None:
    poor = {"fp32": 0.95, "bf16": 0.2, "int8": 0.95}
    assert preferred_form(poor, poor)[0] == "int8"
