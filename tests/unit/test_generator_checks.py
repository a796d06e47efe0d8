"""The generator's checks of the gate: evidence built to pass, and built to fail."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from registry.checks.evidence import Gain, Likeness, SecondOpinion
from registry.checks.generator_champion import relative_difference
from tests.evidence import generator_evidence, likeness, noise_images, verdict


def test_nan_outputs_fail() -> None:
    outputs = generator_evidence().outputs.copy()
    outputs[3, 0, 0, 0] = np.nan
    assert not verdict("finite", generator_evidence(outputs=outputs)).passed
    assert not verdict("in_range", generator_evidence(outputs=outputs)).passed


def test_outputs_beyond_the_range_of_pixels_fail() -> None:
    outputs = generator_evidence().outputs * np.float32(1.5)
    assert not verdict("in_range", generator_evidence(outputs=outputs)).passed


def test_a_generator_with_one_picture_has_collapsed() -> None:
    same = np.repeat(noise_images(1), 30, axis=0)
    found = verdict("not_collapsed", generator_evidence(images=same))
    assert (found.passed, found.figure) == (False, 1.0)
    assert not verdict("diverse", generator_evidence(images=same)).passed


def test_one_real_picture_over_and_over_has_a_distance_of_about_one_and_covers_nothing() -> None:
    rng = np.random.default_rng(1)
    real = rng.standard_normal((400, 8))
    again = likeness(real=real, generated=np.repeat(real[:1], 400, axis=0))
    figures = [
        verdict(
            "kernel_distance",
            generator_evidence(
                likeness=replace(again, generated=np.repeat(real[i : i + 1], 400, axis=0))
            ),
        ).figure
        for i in range(0, 400, 10)
    ]
    assert np.mean(figures) == pytest.approx(1, abs=0.25)
    assert not verdict("coverage", generator_evidence(likeness=again)).passed
    alike = likeness(real=real, generated=rng.standard_normal((400, 8)))
    assert verdict("kernel_distance", generator_evidence(likeness=alike)).figure < 0.02
    assert verdict("coverage", generator_evidence(likeness=alike)).passed


def test_a_distance_is_called_kid_with_inceptions_features_only() -> None:
    sentence = verdict("kernel_distance", generator_evidence()).sentence
    assert sentence.startswith("kernel distance (pixels features) is")
    inception = generator_evidence(likeness=likeness(name="inception"))
    assert verdict("kernel_distance", inception).sentence.startswith("KID is")


def opinion(generated: float, champion: float = 0.0, count: int = 200) -> SecondOpinion:
    """Of a classifier to which pictures lie so far from real ones."""
    rng = np.random.default_rng(7)
    sets = rng.standard_normal((3, count, 8))
    return SecondOpinion("version 3", sets[0] + generated, sets[1], sets[2] + champion)


def apart(generated: float, champion: float = 0.0, **overrides: Any) -> Likeness:
    """The same of the features that judge."""
    far = opinion(generated, champion)
    sets = {"generated": far.generated, "real": far.real, "champion": far.champion}
    return likeness(**sets | overrides)


def test_a_distance_stands_with_its_interval_between_real_training_pictures_and_noise() -> None:
    noise = np.random.default_rng(4).standard_normal((50, 8)) + 5
    sentence = verdict("kernel_distance", generator_evidence(likeness=apart(0.3, noise=noise)))
    found = re.search(
        r"is (\S+) \(95 % interval (\S+) to (\S+)\).*training pictures get (\S+), pure noise gets "
        r"(\S+)\. ",
        sentence.sentence,
    )
    assert found is not None
    value, low, high, training, worst = map(float, found.groups())
    assert low < value < high < worst
    assert abs(training) < low


def test_a_distance_within_the_bound_to_one_set_of_features_alone_is_no_pass() -> None:
    near, far = apart(0.1), opinion(2)
    both = verdict("kernel_distance", generator_evidence(likeness=replace(near, own=opinion(0.1))))
    assert (both.passed, both.outcome) == (True, "")
    assert "With the own classifier's features it is" in both.sentence
    for evidence in (replace(near, own=far), replace(apart(2), own=opinion(0.1))):
        found = verdict("kernel_distance", generator_evidence(likeness=evidence))
        assert (found.passed, found.outcome) == (False, "features disagree")
        assert "no clear pass" in found.sentence
    neither = verdict("kernel_distance", generator_evidence(likeness=replace(apart(2), own=far)))
    assert (neither.passed, neither.outcome) == (False, "")


def test_a_champion_beaten_to_one_set_of_features_alone_stays() -> None:
    better, worse = apart(0.1, 0.8), opinion(0.8, 0.1)
    agreed = verdict(
        "champion", generator_evidence(likeness=replace(better, own=opinion(0.1, 0.8)))
    )
    assert agreed.passed
    found = verdict("champion", generator_evidence(likeness=replace(better, own=worse)))
    assert not found.passed
    assert found.figure < 0, "better, to the features that judge"
    assert found.outcome == "features disagree"
    assert "no clear win" in found.sentence


def test_two_versions_that_are_alike_are_not_held_back_for_signs_that_luck_decides() -> None:
    alike, other = apart(0.3, 0.3), opinion(0.3, 0.3)
    own = SecondOpinion("", np.asarray(other.champion), other.real, other.generated)
    ours = relative_difference(alike.real, alike.generated, np.asarray(alike.champion))
    theirs = relative_difference(own.real, own.generated, np.asarray(own.champion))
    assert ours.value * theirs.value < 0
    assert verdict("champion", generator_evidence(likeness=replace(alike, own=own))).passed


def test_without_a_classifier_that_knows_the_classes_the_second_column_says_so() -> None:
    alone = apart(0.1, no_own="leaf-classifier version 3 does not know the class 'rust'")
    for check in ("kernel_distance", "champion"):
        found = verdict(check, generator_evidence(likeness=alone))
        assert found.passed
        assert "own classifier's features do not count: leaf-classifier version 3" in found.sentence


def test_the_verdict_says_what_chose_the_epoch() -> None:
    def sentence(chosen_with: str) -> str:
        like = likeness(chosen_with=chosen_with)
        return verdict("kernel_distance", generator_evidence(likeness=like)).sentence

    assert "chosen with the same features (pixels), on validation images" in sentence("pixels")
    assert "chosen with other features (classifier)" in sentence("classifier")
    assert "epoch" not in sentence("")


def test_a_replay_of_training_images_is_memorised() -> None:
    usual = likeness()
    replay = generator_evidence(likeness=replace(usual, generated=usual.train + 1e-6))
    found = verdict("memorised", replay)
    assert not found.passed
    assert found.figure == 1


def test_pictures_further_from_real_ones_than_the_champions_fail() -> None:
    away = generator_evidence(likeness=likeness(generated=likeness().generated + 2))
    found = verdict("champion", away)
    assert not found.passed
    first = generator_evidence(first=True, likeness=likeness(champion=None))
    assert verdict("champion", first).outcome == "no champion"


def test_class_fidelity_counts_what_was_asked_for_and_does_not_apply_to_the_unconditional() -> None:
    other = likeness(seen=(likeness().asked + 1) % 3)
    found = verdict("class_fidelity", generator_evidence(likeness=other))
    assert (found.passed, found.figure) == (False, 0)
    free = generator_evidence(conditional=False, likeness=other)
    assert verdict("class_fidelity", free).outcome == "does not apply"
    one_bad = likeness().seen.copy()
    one_bad[likeness().asked == 2] = 0
    skewed = generator_evidence(likeness=likeness(seen=one_bad))
    assert verdict("class_fidelity", skewed).passed
    assert not verdict("class_fidelity", skewed, at_least=0.5, worst_class_at_least=0.1).passed


def test_a_gain_must_be_shown_where_it_was_studied() -> None:
    doubtful = generator_evidence(gain=Gain(0.02, -0.01, 0.05))
    assert not verdict("augmentation_gain", doubtful).passed
    never = generator_evidence(gain=None, studied=False)
    assert verdict("augmentation_gain", never).outcome == "not studied"
    unread = generator_evidence(gain=None, studied=True)
    assert not verdict("augmentation_gain", unread).passed
