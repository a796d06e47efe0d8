"""What leaks into an evaluation set: the image itself, or another picture of its leaf."""

from dataclasses import replace
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest, ManifestRow, Side
from registry.checks.no_leak import no_leak
from registry.evaluation_set import EvaluationSet, Learnt, _proven, learnt_from
from tests.evidence import classifier_evidence, origin

ROOT = Path("photos")


def row(image: str, side: Side, group: str) -> ManifestRow:
    """An image, named by its contents."""
    return ManifestRow(f"rust/{image}.jpg", "rust", side, group, image)


def manifest(*rows: ManifestRow) -> Manifest:
    return Manifest(ROOT, rows)


def judged_by(made: Manifest) -> EvaluationSet:
    return EvaluationSet(made, made.side("test"), made.side_digest("test"), own=False)


SOUND = manifest(row("a", "train", "1"), row("b", "validation", "2"), row("c", "test", "3"))


def test_a_sound_split_leaks_nothing() -> None:
    assert learnt_from(SOUND, judged_by(SOUND)) == Learnt((), ())


@pytest.mark.parametrize("side", ["train", "validation"])
def test_an_image_that_was_trained_or_validated_with_is_seen_wherever_it_lies(side: Side) -> None:
    moved = ManifestRow("elsewhere/x.jpg", "rust", side, "9", "c")
    assert learnt_from(manifest(moved), judged_by(SOUND)) == Learnt(("rust/c.jpg",), ())


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_mate_by_the_groups_of_the_evaluation_set_leaks(side: Side) -> None:
    judged = judged_by(manifest(row("c", "test", "3"), row("d", "train", "3")))
    trained = manifest(row("d", side, "another name"))
    assert learnt_from(trained, judged) == Learnt((), ("rust/c.jpg",))


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_mate_by_the_groups_of_the_training_manifest_leaks(side: Side) -> None:
    trained = manifest(row("c", "test", "leaf 7"), row("e", side, "leaf 7"))
    assert learnt_from(trained, judged_by(SOUND)) == Learnt((), ("rust/c.jpg",))


def test_groups_of_one_name_in_two_manifests_mean_nothing_to_each_other() -> None:
    trained = manifest(row("z", "train", "3"))
    assert learnt_from(trained, judged_by(SOUND)) == Learnt((), ())


def test_an_evaluation_set_is_named_by_its_own_images_alone() -> None:
    digest = SOUND.side_digest("test")
    more = manifest(*SOUND.rows, row("d", "train", "8"))
    assert more.side_digest("test") == digest
    assert manifest(row("c", "test", "4")).side_digest("test") != digest
    moved = ManifestRow("elsewhere/c.jpg", "rust", "test", "3", "c")
    assert manifest(moved).side_digest("test") == digest


def test_splits_without_an_image_in_common_prove_nothing_of_other_pictures_of_a_leaf() -> None:
    assert learnt_from(SOUND, judged_by(SOUND)).related
    assert not learnt_from(manifest(row("z", "train", "3")), judged_by(SOUND)).related
    related, apart = replace(origin(), own_set=False), replace(origin(), related=False)
    told = no_leak(classifier_evidence(origin=related)).sentence
    assert told.startswith("no test image, nor another")
    verdict = no_leak(classifier_evidence(origin=apart))
    assert verdict.passed
    assert "whether another picture of its leaf was cannot be told" in verdict.sentence


def test_a_split_without_a_test_image_judges_nothing() -> None:
    with pytest.raises(UserError, match="has no test image"):
        _proven(manifest(row("a", "train", "1")), "d", own=False)
