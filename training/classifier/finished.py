"""From a fitted network to a stored one: forms, temperature, outlier score, and what was measured.

Everything is chosen on the validation side. The test side is looked at once, at the end; it has a
veto only: an int8 form that loses more than a point there is not preferred, and not kept.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels, load_images
from leafgate.manifest import Manifest, ManifestRow
from leafgate.metrics.calibration import fit_temperature
from leafgate.metrics.classification import accuracy
from leafgate.metrics.confidences import confidence_counts
from leafgate.progress import progress
from registry import (
    OPENVINO_CHOICES,
    Classifier,
    ClassifierDescription,
    Form,
    Judgement,
    OutlierScore,
    drop_int8,
    store_classifier,
    store_int8,
    write_description,
)
from training.classifier.backbones import LoadedBackbone, Network, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.network import build_network, extract_head
from training.data.pipeline import Labels
from training.devices import precision_for

FORMS: tuple[Form, ...] = ("fp32", "bf16", "int8")
QUICKEST_FIRST: tuple[Form, ...] = ("int8", "bf16")
TOLERANCE = 0.01  # of accuracy, that they may lose to fp32
ROUNDING = 1e-9  # of differences of shares
RANGE_IMAGES = 300  # that int8's ranges are measured on
OUTLIER_IMAGES = 5000
BATCH = 64


@dataclass(frozen=True)
class Side:
    """Images (n, size, size, 3) with their classes and leaf groups."""

    images: Pixels
    truth: Labels
    groups: tuple[str, ...]


@dataclass(frozen=True)
class FormTable:
    """Accuracy of each form on both sides, kept or not, the preferred one, and why it."""

    validation: dict[str, float]
    test: dict[str, float]
    preferred: Form
    reason: str


def store_finished(
    network: Network,
    config: ClassifierConfig,
    backbone: LoadedBackbone,
    manifest: Manifest,
    validation: Side,
    test: Side,
    folder: Path,
) -> FormTable:
    """Write the model into `folder` as it will be served."""
    described = ClassifierDescription(
        manifest.classes,
        config.image_size,
        backbone.name,
        backbone.weights,
        test_time_views=config.test_time_views,
    )
    final = fixed_network(network, config, backbone, len(manifest.classes))
    store_classifier(final, extract_head(final), described, folder)
    train_rows = _some(manifest.side("train"), OUTLIER_IMAGES, config.seed)
    images = _load(manifest, train_rows, config.image_size)
    store_int8(folder, images[:RANGE_IMAGES].astype(np.float32))
    table = keep_good_forms(folder, validation, test)
    described = replace(described, form=table.preferred, form_accuracy=table.test)
    write_description(described, folder)
    labels = np.array([manifest.classes.index(row.class_name) for row in train_rows])
    _add_outlier_score(folder, images, labels, validation, config.known_share)
    classifier = Classifier.load(folder, "openvino")
    judged = judge_all(classifier, validation.images)
    temperature = fit_temperature(judged.logits, validation.truth)
    classifier.description = replace(described, temperature=temperature)
    write_description(with_reference(classifier, judged), folder)
    return table


def with_reference(classifier: Classifier, judged: Judgement) -> ClassifierDescription:
    """Its description, with what it says of these pictures, none of which it has learnt from."""
    answers = classifier.answers(judged)
    told = Counter(answer.class_name for answer in answers)
    confidences = np.array([answer.confidence for answer in answers])
    return replace(
        classifier.description,
        reference_classes={name: told[name] for name in classifier.description.labels},
        reference_confidences=confidence_counts(confidences),
    )


def fixed_network(
    network: Network, config: ClassifierConfig, backbone: LoadedBackbone, classes: int
) -> Network:
    """The same network in float32, for pictures of the one size that will be served."""
    with precision_for("float32"):
        fresh = load_backbone(backbone.name, "none").network
        final = build_network(config, backbone._replace(network=fresh), classes, config.image_size)
    final.set_weights(network.get_weights())
    return final


def keep_good_forms(folder: Path, validation: Side, test: Side) -> FormTable:
    """`compare_forms`; an int8 form that is not preferred is removed: every form that is stored
    has to answer as well as the preferred one.
    """
    table = compare_forms(folder, validation, test)
    if table.preferred != "int8":
        drop_int8(folder)
    return table


def compare_forms(folder: Path, validation: Side, test: Side) -> FormTable:
    """Measure every form; the quickest that keeps up with fp32 is preferred."""
    on_validation, on_test = {}, {}
    with progress("comparing the stored forms", len(FORMS)) as advance:
        for form in FORMS:
            classifier = Classifier.load(folder, OPENVINO_CHOICES[form])
            on_validation[str(form)] = _accuracy(classifier, validation)
            on_test[str(form)] = _accuracy(classifier, test)
            advance(f"{form}: {on_test[str(form)]:.3f}")
    preferred, reason = preferred_form(on_validation, on_test)
    return FormTable(on_validation, on_test, preferred, reason)


def preferred_form(validation: Mapping[str, float], test: Mapping[str, float]) -> tuple[Form, str]:
    """int8, unless it loses more than a point of accuracy on one of the sides; then bf16, by the
    same rule (where a processor has none, fp32 is served instead); and why.
    """
    reason = ""
    for form in QUICKEST_FIRST:
        lost = [points_lost(figures, form) for figures in (validation, test)]
        if all(points <= TOLERANCE + ROUNDING for points in lost):  # not where one is no number
            told = f"{form} loses {max(*lost, 0) * 100:.1f} points of accuracy at most"
            return form, f"{reason}{told}"
        side, worst = ("validation", lost[0])
        if lost[0] <= TOLERANCE + ROUNDING:
            side, worst = ("test", lost[1])
        dropped = " and is not stored" if form == "int8" else ""
        told = f"{form} loses {worst * 100:.1f} points of accuracy on the {side} side{dropped}"
        reason += f"{told}; "
    return "fp32", reason.removesuffix("; ")


def points_lost(figures: Mapping[str, float], form: Form) -> float:
    """Accuracy that a form loses to fp32."""
    return figures["fp32"] - figures[form]


def judge_all(classifier: Classifier, images: Pixels) -> Judgement:
    """`Classifier.judge` in batches."""
    starts = range(0, len(images), BATCH)
    parts = [classifier.judge(images[start : start + BATCH]) for start in starts]
    return Judgement(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def pooled_features(classifier: Classifier, images: Pixels) -> NDArray[np.float32]:
    """(n, channels) of images as they are."""
    starts = range(0, len(images), BATCH)
    return np.concatenate([classifier.outputs(images[i : i + BATCH]).pooled for i in starts])


def load_side_for(manifest: Manifest, rows: tuple[ManifestRow, ...], size: int) -> Side:
    """Images of these rows as they will be served."""
    truth = np.array([manifest.classes.index(row.class_name) for row in rows], np.int64)
    return Side(_load(manifest, rows, size), truth, tuple(row.group for row in rows))


def _add_outlier_score(
    folder: Path, images: Pixels, labels: Labels, validation: Side, known_share: float
) -> None:
    classifier = Classifier.load(folder, "openvino")
    classifier.outliers = OutlierScore.fit(pooled_features(classifier, images), labels)
    known = judge_all(classifier, validation.images).scores
    classifier.outliers.with_threshold(known, known_share).save(folder)


def _accuracy(classifier: Classifier, side: Side) -> float:
    return accuracy(side.truth, judge_all(classifier, side.images).logits.argmax(axis=1))


def _some(rows: tuple[ManifestRow, ...], count: int, seed: int) -> tuple[ManifestRow, ...]:
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return tuple(rows[i] for i in order)


def _load(manifest: Manifest, rows: tuple[ManifestRow, ...], size: int) -> Pixels:
    files = [manifest.file(row) for row in rows]
    with progress("reading images as they will be served", len(files)) as advance:
        return load_images(files, size, advance)
