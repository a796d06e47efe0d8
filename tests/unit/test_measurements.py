"""A measurement that fails is evidence against the model, unless the registry is to blame."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from leafgate.errors import UserError
from registry.measure.subject import attempt, reason_of
from registry.store import ModelStore


@dataclass
class Store:
    """Only answers, or does not."""

    answers: bool = True

    def require_reachable(self) -> None:
        if not self.answers:
            raise UserError("MLflow does not answer", "wait", code="registry_error")


def attempted(store: Store, error: Exception) -> Any:
    def fail() -> None:
        raise error

    return attempt(cast(ModelStore, store), {"size": lambda: 7, "forms": fail})


def test_what_fails_is_kept_with_its_reason_and_the_rest_is_measured() -> None:
    assert attempted(Store(), ValueError("no int8 here\nand more")) == (
        {"size": 7},
        {"forms": "no int8 here"},
    )
    gone = UserError("the files are gone", "train it again", code="artifact_missing")
    assert attempted(Store(), gone)[1] == {"forms": "the files are gone: train it again"}


def test_a_registry_that_does_not_answer_is_not_held_against_the_model() -> None:
    gone = UserError("the files are gone", "train it again", code="artifact_missing")
    with pytest.raises(UserError, match="does not answer"):
        attempted(Store(answers=False), gone)


def test_a_reason_is_short_and_never_empty() -> None:
    assert reason_of(ValueError("x" * 9999)) == "x" * 300
    assert reason_of(ValueError()) == "ValueError()"
