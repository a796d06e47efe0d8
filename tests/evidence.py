"""Made-up evidence of the gate, small and complete: tests override what they are about."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.images import Pixels, encode_png
from registry.checks import Evidence, ModelKind, Verdict, judge
from registry.checks.check import BoundValue
from registry.checks.evidence import (
    Answers,
    Champion,
    ClassifierEvidence,
    Corrupted,
    Gain,
    GeneratorEvidence,
    Latency,
    Likeness,
    Origin,
    Size,
    Strangers,
)

LABELS = ("blight", "healthy", "rust")
# Bounds that the evidence below meets.
BOUNDS: dict[ModelKind, dict[str, dict[str, BoundValue]]] = {
    "classifier": {
        "enough_images": {"at_least": 30},
        "provenance": {},
        "no_leak": {},
        "finite": {},
        "accuracy": {"at_least": 0.8},
        "macro_f1": {"at_least": 0.8},
        "class_recall": {"at_least": 0.5},
        "classes": {"removed_at_most": 0},
        "champion": {"worse_by_at_most": 0.02, "if_not_shown_to_differ": "pass"},
        "logged_figures": {"differ_by_at_most": 0.01},
        "calibration": {"error_at_most": 0.1},
        "robustness": {"misled_at_most": 0.4},
        "unknowns": {"let_through_at_most": 0.25, "refused_at_most": 0.1},
        "engine_forms": {
            "fp32_loses_at_most": 0.01,
            "bf16_loses_at_most": 0.02,
            "int8_loses_at_most": 0.05,
        },
        "latency": {"p95_ms_at_most": 50, "times_champion_at_most": 2},
        "size": {"megabytes_at_most": 100},
    },
    "generator": {
        "enough_images": {"at_least": 20},
        "provenance": {},
        "no_leak": {},
        "finite": {},
        "in_range": {"tolerance": 0.001},
        "not_collapsed": {"near_copies_at_most": 0.1},
        "diverse": {"at_least": 0.5},
        "kernel_distance": {"at_most": 0.5},
        "champion": {"worse_by_at_most": 0.1},
        "coverage": {"at_least": 0.3},
        "memorised": {"share_at_most": 0.3},
        "class_fidelity": {"at_least": 0.5},
        "augmentation_gain": {"lower_end_above": 0.0},
    },
}


def noise_images(count: int, side: int = 16, seed: int = 0) -> Pixels:
    """(count, side, side, 3) uint8 of no meaning."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def image_files(folder: Path, count: int, side: int = 16) -> tuple[Path, ...]:
    """`folder/<number>.png`, for evidence whose pictures are looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(folder / f"{number:03d}.png" for number in range(count))
    for file, image in zip(files, noise_images(count, side), strict=True):
        file.write_bytes(encode_png(image))
    return files


def answers(
    wrong: int = 3, images: int = 60, labels: tuple[str, ...] = LABELS, **overrides: Any
) -> Answers:
    """Answers in groups of two, the first `wrong` of which are wrong; as sure as they are right."""
    truth = np.arange(images) % len(labels)
    predicted = truth.copy()
    predicted[:wrong] = (truth[:wrong] + 1) % len(labels)
    made = Answers(
        labels,
        truth,
        predicted,
        np.full(images, 1 - wrong / max(images, 1)),
        np.zeros(images, bool),
        tuple(f"leaf {number // 2}" for number in range(images)),
    )
    return replace(made, **overrides)


def classifier_evidence(**overrides: Any) -> ClassifierEvidence:
    """A classifier that meets `BOUNDS`, with everything measured, beside a champion of version 6.

    No files: where pictures matter give `files`, one an answer.
    """
    ours = answers()
    images = len(ours)
    made = ClassifierEvidence(
        ours,
        engine="openvino-int8",
        first=False,
        champion=Champion(6, answers(4), LABELS, LABELS, np.ones(images, bool), 0, True),
        forms={
            "tensorflow": ours,
            "openvino-fp32": ours,
            "openvino-int8": answers(4),
            "pyfunc": answers(4),
        },
        corrupted=Corrupted(
            ours.truth,
            {"blur": answers(9).predicted, "other_background": answers(20).predicted},
            dict.fromkeys(("blur", "other_background"), np.zeros(images, bool)),
            {"blur": noise_images(1)[0], "other_background": noise_images(1, seed=1)[0]},
        ),
        strangers=Strangers(noise_images(8), ("wall", "page") * 4, np.arange(8) == 3, scored=True),
        latency=Latency(np.linspace(9, 14, 20), np.linspace(8, 13, 20), "openvino-int8"),
        size=Size(12_000_000, 11_000_000),
        origin=origin(test_accuracy=0.95, test_macro_f1=0.95),
    )
    return replace(made, **overrides)


def origin(**logged: float) -> Origin:
    """Of a version that has every fact and knew no test image."""
    return Origin({"run": "r1", "data": "d1", "code": "c1"}, (), (), logged, own_set=True)


def likeness(count: int = 30, **overrides: Any) -> Likeness:
    """Features of one distribution for all, of 8 numbers; every class is seen as it was asked."""
    rng = np.random.default_rng(0)
    asked = np.arange(count) % len(LABELS)
    generated, real, train = rng.standard_normal((3, count, 8))
    made = Likeness(
        "pixels",
        "pixels of made-up pictures",
        generated,
        real,
        train,
        labels=LABELS,
        asked=asked,
        seen=asked.copy(),
        champion=rng.standard_normal((count, 8)),
    )
    return replace(made, **overrides)


def generator_evidence(**overrides: Any) -> GeneratorEvidence:
    """A conditional generator of 30 pictures that meets `BOUNDS`, with everything measured."""
    images = noise_images(30, seed=2)
    made = GeneratorEvidence(
        (images / 127.5 - 1).astype(np.float32),
        images,
        noise_images(30, seed=3),
        engine="openvino-fp32",
        conditional=True,
        first=False,
        likeness=likeness(),
        origin=origin(),
        studied=True,
        gain=Gain(0.03, 0.01, 0.05),
    )
    return replace(made, **overrides)


def judged(
    kind: ModelKind,
    evidence: Evidence,
    bounds: Mapping[str, dict[str, BoundValue]] | None = None,
) -> tuple[Verdict, ...]:
    """Every check's verdict. bounds: in place of those of `BOUNDS`, by check."""
    asked = BOUNDS[kind] | dict(bounds or {})
    return tuple(judge(kind, name, evidence, given) for name, given in asked.items())


def verdict(name: str, evidence: Evidence, **bounds: BoundValue) -> Verdict:
    """One check, with the usual bounds or with these."""
    kind: ModelKind = "generator" if hasattr(evidence, "outputs") else "classifier"
    return judge(kind, name, evidence, bounds or BOUNDS[kind][name])
