"""Each check of the gate: passes for evidence built to pass, fails for evidence built to fail."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from registry.checks import CHECKS, Verdict
from registry.checks.check import percentile
from registry.checks.evidence import Champion, Corrupted, Latency, Size
from tests.evidence import (
    LABELS,
    answers,
    classifier_evidence,
    generator_evidence,
    judged,
    likeness,
    origin,
    verdict,
)


def test_evidence_built_to_pass_passes_every_check() -> None:
    for kind, evidence in (
        ("classifier", classifier_evidence()),
        ("generator", generator_evidence()),
    ):
        found = judged(kind, evidence)  # type: ignore[arg-type]
        assert [item.check for item in found] == list(CHECKS[kind])  # type: ignore[index]
        assert [item.sentence for item in found if not item.passed] == []


@pytest.mark.parametrize(("wrong", "passed"), [(12, True), (13, False)])
def test_accuracy_passes_at_the_bound_and_fails_below(wrong: int, passed: bool) -> None:
    found = verdict("accuracy", classifier_evidence(answers=answers(wrong)), at_least=0.8)
    assert found.passed is passed
    assert found.figure == pytest.approx(1 - wrong / 60)


def test_accuracy_says_how_sure_it_is_and_what_a_narrow_pass_is_worth() -> None:
    """At 1,500 images a model that is truly at 0.79 passes "at least 0.80" 18 times in 100."""
    truth = np.zeros(1500, int)
    predicted = (np.arange(1500) % 5 == 0).astype(int)  # four in five are right
    alone = tuple(map(str, range(1500)))
    ours = answers(0, 1500, truth=truth, predicted=predicted, groups=alone)
    found = verdict("accuracy", classifier_evidence(answers=ours), at_least=0.8)
    assert found.passed
    assert found.sure == pytest.approx(0.5, abs=0.01)
    (times,) = [n for n in range(15, 20) if f"would pass {n} times in 100" in found.sentence]
    assert times == pytest.approx(17, abs=1)
    assert "truly at 79.0%" in found.sentence


def test_the_intervals_lower_end_may_be_asked_for_too() -> None:
    evidence = classifier_evidence(answers=answers(9))
    assert verdict("accuracy", evidence, at_least=0.8).passed
    assert not verdict("accuracy", evidence, at_least=0.8, lower_end_at_least=0.8).passed
    assert not verdict("macro_f1", evidence, at_least=0.8, lower_end_at_least=0.8).passed


def test_no_wrong_answer_among_few_is_not_called_certain() -> None:
    perfect = classifier_evidence(answers=answers(0, 20))
    bounds = {"at_least": 0.8, "lower_end_at_least": 0.8}
    assert not verdict("accuracy", perfect, **bounds).passed  # ten leaves: 0.69 to 1
    assert verdict("accuracy", classifier_evidence(answers=answers(0, 60)), **bounds).passed


def test_macro_f1_sees_a_class_that_accuracy_overlooks() -> None:
    truth = np.array([0] * 95 + [1] * 5)
    blind = classifier_evidence(
        answers=answers(0, 100, LABELS[:2], truth=truth, predicted=np.zeros(100, int))
    )
    assert verdict("accuracy", blind).passed
    found = verdict("macro_f1", blind)
    assert not found.passed
    assert "weakest class is healthy" in found.sentence
    recall = verdict("class_recall", blind)
    assert not recall.passed
    assert "worst class is healthy: 0.0% of its 5 test images" in recall.sentence


def test_a_class_without_test_images_fails_since_nothing_is_known_of_it() -> None:
    truth = np.zeros(60, int)
    ours = answers(0, truth=truth, predicted=truth)
    found = verdict("class_recall", classifier_evidence(answers=ours))
    assert not found.passed
    assert "no test image of healthy, rust" in found.sentence


def test_an_answer_that_is_no_known_class_is_wrong() -> None:
    predicted = answers(0).predicted.copy()
    predicted[:30] = -1
    lost = classifier_evidence(answers=answers(0, predicted=predicted))
    assert verdict("accuracy", lost).figure == 0.5
    assert not verdict("macro_f1", lost).passed


def test_what_is_missing_or_nan_fails_every_check() -> None:
    reason = "the network cannot be loaded"
    for kind, evidence in (
        ("classifier", classifier_evidence()),
        ("generator", generator_evidence()),
    ):
        for name, check in CHECKS[kind].items():  # type: ignore[index]
            for need in check.needs:
                found = verdict(name, replace(evidence, missing={need: reason}))
                assert (found.passed, reason in found.sentence) == (False, True)
    nothing = answers(0, 0)
    evidence = classifier_evidence(answers=nothing)
    for name in ("enough_images", "finite", "accuracy", "macro_f1", "class_recall", "calibration"):
        assert not verdict(name, evidence).passed
    for name in ("robustness", "unknowns", "latency", "size", "engine_forms", "provenance"):
        assert not verdict(name, classifier_evidence(**{NEEDS[name]: None})).passed
    flat = np.full((30, 8), np.nan)
    unlike = generator_evidence(likeness=likeness(generated=flat))
    assert not verdict("kernel_distance", unlike).passed
    assert not verdict("champion", unlike).passed


NEEDS = {
    name: next(need for need in check.needs if need != "champion")
    for name, check in CHECKS["classifier"].items()
    if set(check.needs) - {"champion"}
}


def test_evidence_that_a_check_cannot_cope_with_fails_it_and_ends_nothing() -> None:
    odd = classifier_evidence(corrupted=Corrupted(answers(0).truth, {}, {}))
    found = verdict("robustness", odd)
    assert not found.passed
    assert "cannot be judged: ValueError" in found.sentence


def test_confidences_that_are_no_numbers_fail() -> None:
    confidence = np.full(60, 0.95)
    confidence[7] = np.nan
    broken = classifier_evidence(answers=answers(confidence=confidence))
    assert not verdict("finite", broken).passed
    assert not verdict("calibration", broken).passed


def rival(wrong_at: range, images: int = 60, **overrides: Any) -> Champion:
    """A champion that is wrong at these images only."""
    predicted = answers(0, images).predicted.copy()
    predicted[wrong_at] = (predicted[wrong_at] + 1) % 3
    made = Champion(
        6, answers(0, images, predicted=predicted), LABELS, LABELS, np.ones(images, bool), 0, True
    )
    return replace(made, **overrides)


def against(wrong: int, champion_wrong: range, images: int = 300, **bounds: Any) -> Verdict:
    """The champion check; the candidate is wrong at the first `wrong` images."""
    evidence = classifier_evidence(
        answers=answers(wrong, images), champion=rival(champion_wrong, images)
    )
    usual = {"worse_by_at_most": 0.0, "if_not_shown_to_differ": "pass"}
    return verdict("champion", evidence, **{**usual, **bounds})


def test_one_shown_to_be_worse_is_held_back_unless_the_margin_allows_it() -> None:
    worse = against(60, range(0))
    assert (worse.passed, worse.outcome) == (False, "worse")
    assert worse.figure == pytest.approx(-0.2, abs=0.01)
    within = against(60, range(0), worse_by_at_most=0.25)
    assert (within.passed, within.outcome) == (True, "worse, within the margin")


def test_one_shown_to_be_better_passes() -> None:
    better = against(0, range(60))
    assert (better.passed, better.outcome) == (True, "better")


def test_not_shown_to_differ_is_a_verdict_of_its_own_that_the_policy_decides() -> None:
    alike = against(10, range(290, 300))
    assert (alike.passed, alike.outcome) == (True, "not shown to differ")
    held = against(10, range(290, 300), if_not_shown_to_differ="hold")
    assert (held.passed, held.outcome) == (False, "not shown to differ")


def test_a_policy_may_ask_that_a_loss_is_ruled_out() -> None:
    assert not against(10, range(290, 300), could_be_worse_by_at_most=0.001).passed
    assert against(10, range(290, 300), could_be_worse_by_at_most=0.2).passed


def test_the_first_version_has_no_champion_and_is_judged_on_the_rest() -> None:
    first = classifier_evidence(first=True, champion=None)
    assert verdict("champion", first).outcome == "no champion"
    assert all(item.passed for item in judged("classifier", first))
    lost = classifier_evidence(first=False, champion=None)
    assert not verdict("champion", lost).passed


def test_a_class_that_the_champion_lacks_is_left_out_and_one_that_is_lost_fails() -> None:
    truth = answers(0).truth
    other = rival(range(0), labels=LABELS[:2], fair=truth < 2)
    evidence = classifier_evidence(answers=answers(0), champion=other)
    added = verdict("classes", evidence)
    assert (added.passed, "added: rust" in added.sentence) == (True, True)
    assert "on 40 images" in verdict("champion", evidence).sentence

    lost = rival(range(0), candidate_labels=LABELS[1:])
    found = verdict("classes", classifier_evidence(champion=lost))
    assert (found.passed, "removed: blight" in found.sentence) == (False, True)
    assert verdict("classes", classifier_evidence(champion=lost), removed_at_most=1).passed


def test_images_that_the_champion_learnt_from_or_may_have_are_told() -> None:
    fair = np.arange(60) >= 20
    left_out = classifier_evidence(champion=rival(range(3), fair=fair, learnt=20))
    assert (
        "20 images that the champion learnt from are left out"
        in verdict("champion", left_out).sentence
    )
    untraced = classifier_evidence(champion=rival(range(3), traced=False))
    assert "may have seen these images before" in verdict("champion", untraced).sentence
    none = classifier_evidence(champion=rival(range(3), fair=np.zeros(60, bool), learnt=60))
    assert not verdict("champion", none).passed


def test_logged_figures_that_differ_fail_with_both() -> None:
    liar = classifier_evidence(origin=origin(test_accuracy=0.99, test_macro_f1=0.95))
    found = verdict("logged_figures", liar)
    assert not found.passed
    assert "accuracy: logged 0.9900, measured 0.9500" in found.sentence
    two_answers = classifier_evidence(
        origin=origin(test_accuracy=0.95 + 2 / 60, test_macro_f1=0.95)
    )
    assert verdict("logged_figures", two_answers).passed
    silent = classifier_evidence(origin=origin(test_accuracy=0.95))
    assert "logged no test_macro_f1" in verdict("logged_figures", silent).sentence
    nan = classifier_evidence(origin=origin(test_accuracy=math.nan, test_macro_f1=0.95))
    assert not verdict("logged_figures", nan).passed
    elsewhere = classifier_evidence(origin=replace(origin(), own_set=False))
    assert verdict("logged_figures", elsewhere).outcome == "not comparable"


def test_a_leak_fails_with_the_images_that_leak() -> None:
    seen = replace(origin(), seen=("rust/1.jpg", "rust/2.jpg"), mates=("blight/7.jpg",))
    for evidence in (classifier_evidence(origin=seen), generator_evidence(origin=seen)):
        found = verdict("no_leak", evidence)
        assert (found.passed, found.figure) == (False, 3)
        assert "rust/1.jpg, rust/2.jpg" in found.sentence
        assert "blight/7.jpg" in found.sentence


def test_one_whose_training_images_are_not_on_record_may_have_seen_them_all() -> None:
    found = verdict("no_leak", classifier_evidence(origin=replace(origin(), traced=False)))
    assert (found.passed, "not on record" in found.sentence) == (False, True)


def test_a_fact_that_is_missing_is_named() -> None:
    untraced = replace(origin(), facts={"run": "r1", "code": "", "environment": ""})
    found = verdict("provenance", classifier_evidence(origin=untraced))
    assert (found.passed, found.sentence) == (False, "missing: code, environment")


def test_the_worst_change_decides_robustness_unless_it_is_called_unknown() -> None:
    predicted = {"blur": answers(3).predicted, "noise": answers(40).predicted}
    nothing, much = np.zeros(60, bool), np.arange(60) < 30
    sure = Corrupted(answers(0).truth, predicted, {"blur": nothing, "noise": nothing})
    found = verdict("robustness", classifier_evidence(corrupted=sure))
    assert not found.passed
    assert "worst change is noise: 66.7%" in found.sentence
    modest = replace(sure, unknown={"blur": nothing, "noise": much})
    assert verdict("robustness", classifier_evidence(corrupted=modest)).passed


def test_strangers_let_through_and_real_images_refused_both_count() -> None:
    usual = classifier_evidence()
    assert usual.strangers is not None
    open_door = replace(usual.strangers, let_through=np.ones(8, bool))
    assert not verdict("unknowns", replace(usual, strangers=open_door)).passed
    shy = answers(unknown=np.arange(60) < 20)
    found = verdict("unknowns", classifier_evidence(answers=shy))
    assert not found.passed
    assert "33.3% of the real test images are refused" in found.sentence
    without = replace(usual, strangers=replace(open_door, scored=False))
    assert "without a score" in verdict("unknowns", without).sentence


def test_a_form_outside_its_margin_fails_and_is_named() -> None:
    forms = {"tensorflow": answers(3), "openvino-fp32": answers(3), "openvino-int8": answers(12)}
    found = verdict("engine_forms", classifier_evidence(forms=forms))
    assert not found.passed
    assert "outside its margin: openvino-int8" in found.sentence
    one = {"tensorflow": answers(3), "openvino-fp32": answers(4), "openvino-bf16": answers(5)}
    found = verdict("engine_forms", classifier_evidence(forms=one))
    assert "outside its margin: openvino-bf16" in found.sentence  # one answer may be lost, not two
    lost = {name: forms[name] for name in ("openvino-fp32",)}
    assert not verdict("engine_forms", classifier_evidence(forms=lost)).passed


def test_a_slower_one_fails_beside_the_champion_or_by_the_clock() -> None:
    slow = Latency(np.full(100, 30.0), np.full(100, 10.0), "openvino-int8")
    assert "3.00 times" in verdict("latency", classifier_evidence(latency=slow)).sentence
    assert not verdict("latency", classifier_evidence(latency=slow)).passed
    alone = classifier_evidence(latency=replace(slow, champion_ms=None))
    assert verdict("latency", alone).passed
    assert not verdict("latency", alone, p95_ms_at_most=29, times_champion_at_most=2).passed


def test_five_hiccups_in_a_hundred_do_not_decide_the_latency() -> None:
    ours = np.full(100, 10.0)
    ours[:5] = 900
    assert verdict("latency", classifier_evidence(latency=Latency(ours, None, "x"))).figure == 10
    ours[5] = 900
    assert not verdict("latency", classifier_evidence(latency=Latency(ours, None, "x"))).passed


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    assert percentile(list(range(1, 11)), 0.95) == 10
    assert percentile(list(range(1, 21)), 0.95) == 19
    assert math.isnan(percentile([], 0.95))


def test_one_that_is_too_large_fails() -> None:
    large = classifier_evidence(size=Size(200_000_000, None))
    assert verdict("size", large).figure == 200
    assert not verdict("size", large).passed
