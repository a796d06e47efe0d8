"""A policy says clearly what it asks for, or is refused with the line that is wrong."""

from pathlib import Path

import pytest

from leafgate.errors import UserError
from registry.checks import CHECKS, ModelKind
from registry.policy import load_policy
from tests.policies import write_policy


@pytest.mark.parametrize("kind", ["classifier", "generator"])
def test_the_policies_that_come_with_leafgate_ask_for_every_check(kind: ModelKind) -> None:
    assert set(load_policy(None, kind).checks) == set(CHECKS[kind])


def test_the_classifier_policy_asks_for_eighty_percent() -> None:
    policy = load_policy(None, "classifier")
    assert policy.checks["accuracy"] == {"at_least": 0.8}
    assert policy.checks["macro_f1"] == {"at_least": 0.8}


def test_only_what_is_asked_for_is_measured(tmp_path: Path) -> None:
    few = load_policy(write_policy(tmp_path, "accuracy: {at_least: 0.8}"), "classifier")
    assert few.needs == frozenset()
    assert load_policy(None, "classifier").needs >= {"forms", "corrupted", "latency", "champion"}


def test_optional_bounds_may_be_given_or_left_out(tmp_path: Path) -> None:
    text = "accuracy: {at_least: 0.8, lower_end_at_least: 0.75}"
    policy = load_policy(write_policy(tmp_path, text), "classifier")
    assert policy.checks["accuracy"] == {"at_least": 0.8, "lower_end_at_least": 0.75}


def test_a_policy_is_named_by_the_digest_of_its_text(tmp_path: Path) -> None:
    first = load_policy(write_policy(tmp_path, "accuracy: {at_least: 0.8}"), "classifier")
    other = load_policy(write_policy(tmp_path, "accuracy: {at_least: 0.81}"), "classifier")
    assert first.digest != other.digest
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: classifier\nchecks: {}", "line 2: it has no checks"),
        ("kind: classifier", "line 1: it has no checks"),
        ("kind: classifier\nchecks:\n  luck: {at_least: 1}", "line 3: unknown check 'luck'"),
        ("kind: classifier\nchecks:\n  accuracy:", "line 3: accuracy lacks at_least"),
        ("kind: classifier\nchecks:\n  accuracy: 0.8", "line 3: accuracy has bounds 0.8"),
        (
            "kind: classifier\nchecks:\n  accuracy:\n    at_least: high",
            "line 4: accuracy.at_least is 'high': give a number",
        ),
        ("kind: classifier\nchecks:\n  accuracy: {at_least: true}", "at_least is True"),
        ("kind: classifier\nchecks:\n  accuracy: {at_least: .nan}", "at_least is nan"),
        ("kind: classifier\nchecks:\n  accuracy: {atleast: 1}", "accuracy has no bound 'atleast'"),
        (
            "kind: classifier\nchecks:\n  champion:\n    worse_by_at_most: 0\n"
            "    if_not_shown_to_differ: maybe",
            "line 5: champion.if_not_shown_to_differ is 'maybe': give one of pass, hold",
        ),
        ("kind: classifier\nchecks: {coverage: {at_least: 1}}", "unknown check 'coverage'"),
        ("kind: generator\nchecks: {finite: }", "line 1: it is for a generator, the model is a"),
        ("kind: oracle\nchecks: {finite: }", "unknown kind 'oracle'"),
        ("checks: {finite: }", "no `kind`: write `kind: classifier`"),
        ("- nothing", "names no checks"),
        ("", "names no checks"),
        ("kind: classifier\nchecks: [", "line 2: not YAML"),
        ("kind: classifier\nchecks: [accuracy]", "line 2: a list"),
        ("kind: classifier\nchekcs: {}", "line 2: unknown 'chekcs'"),
        (
            "kind: classifier\nchecks:\n  finite:\n  finite:",
            "line 4: 'finite' is there already, in line 3",
        ),
        (
            "kind: classifier\nevaluation_set: 123456789012\nchecks: {finite: }",
            "line 2: evaluation_set is 123456789012.0: give the digest .* in quotes",
        ),
        ("kind: classifier\nfeatures: eyes\nchecks: {finite: }", "line 2: features is 'eyes'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=told):
        load_policy(file, "classifier")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no policy file .*nowhere\.yaml"):
        load_policy(tmp_path / "nowhere.yaml", "classifier")


@pytest.mark.parametrize(
    "checks",
    [
        "accuracy: {at_least: 0}",
        "accuracy: {at_least: -1}\nmacro_f1: {at_least: 0.0}",
        "unknowns: {let_through_at_most: 1, refused_at_most: 1}",
        "champion: {worse_by_at_most: 1, if_not_shown_to_differ: pass}",
    ],
)
def test_a_policy_that_lets_everything_pass_is_refused_unless_it_knows(
    checks: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"nothing can fail it.*i_know: true"):
        load_policy(write_policy(tmp_path, checks), "classifier")
    assert load_policy(write_policy(tmp_path, checks, top="i_know: true"), "classifier").checks
    with pytest.raises(UserError, match="line 2: i_know is 'yes, I do'"):
        load_policy(write_policy(tmp_path, checks, top="i_know: yes, I do"), "classifier")


def test_one_bound_that_can_be_missed_is_enough(tmp_path: Path) -> None:
    checks = "accuracy: {at_least: 0}\nunknowns: {let_through_at_most: 1, refused_at_most: 0.2}"
    assert load_policy(write_policy(tmp_path, checks), "classifier").checks
