"""A picture unlike anything learnt is called unknown; those as learnt are not."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from registry import Classifier, OutlierScore
from registry.outliers import DIRECTIONS, OUTLIERS_FILE
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier

LABELS = tuple(COLOURS)
CLASSES = 3
SPREAD = 10.0  # of the class means; the images of a class spread by about 1


def class_means(channels: int = 24) -> np.ndarray:
    return np.random.default_rng(99).normal(0, SPREAD, (CLASSES, channels))


def learnt(count: int, channels: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features around three class means, some channels more spread than others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    means = class_means(channels)
    noise = rng.normal(0, 1, (count, channels)) * np.linspace(0.5, 2, channels)
    return (means[labels] + noise).astype(np.float32), labels


def fitted(count: int = 600, channels: int = 24) -> OutlierScore:
    score = OutlierScore.fit(*learnt(count, channels))
    return score.with_threshold(score.score(learnt(count, channels, seed=1)[0]), 0.95)


def test_about_the_share_asked_for_counts_as_known() -> None:
    score = OutlierScore.fit(*learnt(600))
    validation, fresh = learnt(600, seed=1)[0], learnt(3000, seed=2)[0]
    for share in (0.8, 0.95):
        known = score.with_threshold(score.score(validation), share)
        assert (known.score(validation) <= known.threshold).mean() == pytest.approx(share, abs=0.01)
        assert (known.score(fresh) <= known.threshold).mean() == pytest.approx(share, abs=0.03)


def test_images_as_learnt_score_about_one() -> None:
    assert fitted().score(learnt(600, seed=3)[0]).mean() == pytest.approx(1, abs=0.2)


def test_features_far_from_every_class_are_unknown() -> None:
    score = fitted()
    far = np.random.default_rng(5).normal(0, 3 * SPREAD, (50, 24)).astype(np.float32)
    between = class_means().mean(axis=0, keepdims=True)
    assert (score.score(far) > score.threshold).all()
    assert (score.score(between) > score.threshold).all()
    assert (score.score(class_means()) < 0.1).all()


def test_a_step_along_a_narrow_direction_counts_more_than_along_a_wide_one() -> None:
    score = fitted()
    narrow, wide = class_means()[[0]], class_means()[[0]]
    narrow[0, 0] += 3
    wide[0, -1] += 3
    assert score.score(narrow)[0] > 4 * score.score(wide)[0]


def test_before_a_threshold_is_placed_nothing_is_unknown() -> None:
    score = OutlierScore.fit(*learnt(60))
    assert not (score.score(np.full((1, 24), 1e3, np.float32)) > score.threshold).any()


def test_the_score_is_the_mahalanobis_distance_of_unit_features_to_the_nearest_mean() -> None:
    features, labels = learnt(300, channels=5)
    pooled = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([pooled[labels == c].mean(axis=0) for c in range(CLASSES)])
    covariance = np.cov((pooled - means[labels]).T)
    covariance += 0.1 * np.trace(covariance) / 5 * np.eye(5)
    gaps = pooled[:20, None] - means[None]
    distances = np.einsum("nci,ij,ncj->nc", gaps, np.linalg.inv(covariance), gaps)
    score = OutlierScore.fit(features, labels).score(features[:20])
    assert score == pytest.approx(distances.min(axis=1) / 5, rel=1e-3)


def test_a_stored_score_says_the_same(tmp_path: Path) -> None:
    score, pooled = fitted(), learnt(100, seed=4)[0]
    score.save(tmp_path)
    loaded = OutlierScore.load(tmp_path)
    assert loaded is not None
    assert loaded.score(pooled) == pytest.approx(score.score(pooled), rel=1e-4)
    assert float(loaded.threshold) == pytest.approx(float(score.threshold))
    assert loaded.means.shape == (CLASSES, 24)


def test_a_model_that_was_stored_without_has_none(tmp_path: Path) -> None:
    assert OutlierScore.load(tmp_path) is None


def test_fewer_images_than_channels_are_enough() -> None:
    channels = DIRECTIONS + 64
    score = OutlierScore.fit(*learnt(60, channels))
    score = score.with_threshold(score.score(learnt(60, channels, 1)[0]), 0.95)
    assert score.directions.shape == (channels, DIRECTIONS)
    fresh = learnt(200, channels, seed=2)[0]
    values = score.score(fresh)
    assert np.isfinite(values).all()
    assert (values <= score.threshold).mean() > 0.8
    assert (score.score(fresh + 5) > score.threshold).all()


def test_what_lies_outside_the_kept_directions_counts_too() -> None:
    channels = DIRECTIONS + 64
    score = OutlierScore.fit(*learnt(600, channels))
    score = score.with_threshold(score.score(learnt(600, channels, seed=1)[0]), 0.95)
    aside = np.random.default_rng(6).normal(0, 1, channels)
    aside -= score.directions @ (score.directions.T @ aside)
    step = 100 * aside / np.linalg.norm(aside)
    assert score.score(score.means + step).min() > score.threshold


def test_a_class_with_one_image_is_known_by_it() -> None:
    pooled, labels = learnt(300)
    alone = np.full((1, 24), 20, np.float32)
    score = OutlierScore.fit(np.concatenate([pooled, alone]), np.append(labels, CLASSES))
    score = score.with_threshold(score.score(pooled), 0.95)
    assert score.score(alone)[0] == pytest.approx(0, abs=1e-6)
    aside = np.linspace(-20, 20, 24, dtype=np.float32)
    assert score.score(alone + aside)[0] > score.threshold


def test_one_image_of_each_class_still_gives_figures() -> None:
    pooled, labels = learnt(CLASSES)
    values = OutlierScore.fit(pooled, labels).score(learnt(30, seed=1)[0])
    assert np.isfinite(values).all()
    assert (values > 0).all()


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a colour classifier that has no outlier score yet."""
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder)
    return folder


def pictures(numbers: range) -> list[np.ndarray]:
    return [np.asarray(colour_picture(name, n)) for n in numbers for name in LABELS]


def test_the_classifier_says_which_pictures_are_unknown(colours: Path) -> None:
    plain = Classifier.load(colours, "openvino")
    assert [p.unknown_score for p in plain.predict(pictures(range(1)))] == [None] * CLASSES
    assert not any(p.unknown for p in plain.predict(pictures(range(1))))
    labels = np.tile(np.arange(CLASSES), 20)
    score = OutlierScore.fit(plain.outputs(pictures(range(20))).pooled, labels)
    known = plain.outputs(pictures(range(20, 40))).pooled
    judging = Classifier(
        plain.description, plain.engine, plain.head, score.with_threshold(score.score(known), 0.99)
    )
    white, black = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    answers = judging.predict([*pictures(range(40, 44)), white, black])
    assert [answer.unknown for answer in answers[-2:]] == [True, True]
    assert sum(answer.unknown for answer in answers[:-2]) <= 2
    assert all(answer.unknown_score is not None for answer in answers)
    assert [a.class_name for a in answers[:CLASSES]] == list(LABELS)


def test_the_score_beside_a_stored_network_is_loaded_with_it(colours: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(colours, tmp_path / "model"))
    assert Classifier.load(folder, "openvino").outliers is None
    OutlierScore.fit(*learnt(60, channels=3)).save(folder)
    assert Classifier.load(folder, "openvino").outliers is not None


def test_the_length_of_features_says_nothing() -> None:
    score, fresh = fitted(), learnt(50, seed=3)[0]
    assert score.score(3 * fresh) == pytest.approx(score.score(fresh), rel=1e-5)


def test_features_that_are_all_zero_are_unknown() -> None:
    score = fitted()
    assert score.score(np.zeros((1, 24), np.float32))[0] > score.threshold


def test_a_model_stored_before_features_had_unit_length_answers_as_it_did(tmp_path: Path) -> None:
    pooled, labels = learnt(300, channels=5)
    means = np.stack([pooled[labels == c].mean(axis=0) for c in range(CLASSES)])
    variances, directions = np.linalg.eigh(np.cov((pooled - means[labels]).T))
    np.savez(
        tmp_path / OUTLIERS_FILE,
        means=means,
        directions=directions,
        variances=variances,
        rest=variances.min(),
        threshold=np.float32(2.5),
    )
    stored = OutlierScore.load(tmp_path)
    assert stored is not None
    gaps = pooled[:20, None] - means[None]
    distances = (((gaps @ directions) ** 2) / variances).sum(axis=2)
    assert stored.score(pooled[:20]) == pytest.approx(distances.min(axis=1) / 5, rel=1e-3)
    assert float(stored.threshold) == 2.5
