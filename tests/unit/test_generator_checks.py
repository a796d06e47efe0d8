"""The generator's checks of the gate: evidence built to pass, and built to fail."""

from dataclasses import replace

import numpy as np
import pytest

from registry.checks.evidence import Gain
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
