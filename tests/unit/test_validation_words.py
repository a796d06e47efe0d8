"""Values that do not fit are named with the rule, in plain words: no paths, types or secrets."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from leafgate.errors import UserError
from leafgate.settings import load_settings
from leafgate.validation_words import assignment_problem, name_of
from training.classifier.config import ClassifierConfig
from training.config import read_config

OF_PYDANTIC = re.compile(
    r"Input should|Field required|Value error|pydantic|\[type=|unable to parse|Extra inputs|For "
    r"further|\w\.\d"
)


class Kinds(BaseModel):
    """One field of each kind of rule."""

    model_config = {"extra": "forbid"}

    count: int = Field(1, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    even: int = Field(2, multiple_of=2)
    mode: Literal["off", "on"] = "off"
    flag: bool = False
    name: str = Field("a", min_length=1, max_length=3, pattern="^[a-z]+$")
    numbers: tuple[int, ...] = Field((1,), min_length=1, max_length=2)
    table: dict[str, int] = Field(default_factory=dict)
    inner: "Kinds | None" = None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"count": "x"}, "count='x' must be a whole number"),
        ({"count": 1.5}, "count=1.5 must be a whole number"),
        ({"count": 0}, "count=0 must be at least 1"),
        ({"count": 10}, "count=10 must be at most 9"),
        ({"count": None}, "count=None must be a whole number"),
        ({"share": "x"}, "share='x' must be a number"),
        ({"share": 0}, "share=0 must be more than 0"),
        ({"share": 1}, "share=1 must be less than 1"),
        ({"share": float("nan")}, "share=nan must be a finite number"),
        ({"even": 3}, "even=3 must be a multiple of 2"),
        ({"mode": "up"}, "mode='up' must be 'off' or 'on'"),
        ({"flag": "perhaps"}, "flag='perhaps' must be true or false"),
        ({"name": ""}, "name='' must have at least 1 characters"),
        ({"name": "abcd"}, "name must have at most 3 characters"),
        ({"name": "A"}, "name='A' does not have the right form"),
        ({"name": 7}, "name=7 must be text"),
        ({"numbers": [1, "x"]}, "entry 2 of numbers='x' must be a whole number"),
        ({"numbers": []}, "numbers=[] must have at least 1 entries"),
        ({"numbers": 7}, "numbers=7 must be a list"),
        ({"table": 7}, "table=7 must be an object of names and values"),
        ({"inner": {"count": "x"}}, "count='x' must be a whole number"),
        ({"cuont": 1}, "cuont=1: there is no setting 'cuont'"),
    ],
)
def test_every_rule_has_words(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Kinds(**values)
    problems = [assignment_problem(name_of(each), each) for each in raised.value.errors()]
    assert problems == [told]


def test_a_setting_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, rule in (
        ("API_PORT", "ninety", "='ninety' must be a whole number"),
        ("API_PORT", "0", "='0' must be more than 0"),
        ("STAGING_MODE", "half", "='half' must be 'off', 'shadow' or 'canary'"),
        ("KEEP_UPLOADS", "perhaps", "='perhaps' must be true or false"),
        ("JWT_LEEWAY_SECONDS", "301", "='301' must be at most 300"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"LEAFGATE_{name}", value)
            with pytest.raises(UserError) as raised:
                load_settings(_env_file=None)
        assert f"LEAFGATE_{name}{rule}" in raised.value.problem
        assert not OF_PYDANTIC.search(raised.value.problem)


def test_a_secret_that_does_not_fit_is_not_shown() -> None:
    for name in ("jwt_secret", "audit_key", "database_url", "redis_url"):
        with pytest.raises(UserError) as raised:
            load_settings(_env_file=None, **{name: ["geheim"]})
        assert f"LEAFGATE_{name.upper()} must be text" in raised.value.problem
        assert "geheim" not in str(raised.value)


@pytest.mark.parametrize("pair", ["epochs=[", "epochs={a", "epochs=: :", "epochs=*x", "epochs=%"])
def test_a_pair_that_is_no_yaml_is_named(pair: str) -> None:
    with pytest.raises(UserError) as raised:
        read_config(ClassifierConfig, None, [pair])
    assert "epochs=" in raised.value.problem
    assert "\n" not in raised.value.problem
    assert not OF_PYDANTIC.search(str(raised.value))


def test_a_configuration_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    for data, words in (
        (b"patience: 5 # \xfc", "is not UTF-8"),
        (b"\xff\xfee\x00", "is not UTF-8"),
    ):
        (tmp_path / "job.yaml").write_bytes(data)
        with pytest.raises(UserError, match=words):
            read_config(ClassifierConfig, tmp_path / "job.yaml", [])
    (tmp_path / "job.yaml").write_bytes(b"\xef\xbb\xbfpatience: 5\n")  # as Windows saves it
    assert read_config(ClassifierConfig, tmp_path / "job.yaml", []).patience == 5
