"""The end of a training: what was stored is measured on images that nothing has seen."""

from collections.abc import Mapping, Sequence

import numpy as np

from leafgate.errors import UserError
from leafgate.manifest import Manifest, Side
from leafgate.progress import tell
from registry import FeatureExtractor, Generator, Run, find_extractor
from training.data.pipeline import load_side
from training.gan.config import GanConfig
from training.gan.evaluation.evidence import MOST_TRAINING, LabelledSide, gather
from training.gan.evaluation.measure import GeneratorEvaluation, measure
from training.gan.evaluation.page import page
from training.gan.evaluation.pictures import pictures, progress_gif
from training.gan.pictures import loss_curves
from training.gan.unfinished import UnfinishedRun
from training.gan.validation import Validation

SEED = 20_191_001  # of the pictures that are measured; any number, but always the same


def log_outcome(
    run: Run,
    stored: Generator,
    config: GanConfig,
    manifest: Manifest,
    unfinished: UnfinishedRun,
    validation: Validation,
    judging: FeatureExtractor,
) -> GeneratorEvaluation:
    """Measure the stored generator on the test side; log figures, pictures and the report.

    manifest: rows of the classes learnt from alone; judging: what the figures are computed with.
    """
    evidence = gather(
        stored,
        judging,
        _classifier(run, (judging, validation.extractor), manifest.classes),
        _labelled(fewer_to_learn_from(manifest), "train", config),
        _labelled(manifest, "test", config),
        config.test_samples,
        SEED,
        validation.extractor.name,
    )
    result = measure(evidence)
    tell(result.line())
    drawn = pictures(evidence, result)
    drawn["losses.png"] = loss_curves(unfinished.epochs(), validation.name)
    frames = [file.read_bytes() for file in unfinished.samples]
    if frames:
        drawn["progress.gif"] = progress_gif(frames)
    _log_training(run, unfinished)
    _log_evaluation(run, result, drawn)
    return result


def _log_training(run: Run, unfinished: UnfinishedRun) -> None:
    run.log_file(unfinished.epochs_file, "training")
    run.log_folder(unfinished.board, "training/tensorboard")


def _log_evaluation(run: Run, result: GeneratorEvaluation, drawn: Mapping[str, bytes]) -> None:
    run.log_metrics(result.metrics("test"))
    run.log_json(result.as_dict(), "evaluation/test.json")
    for name, data in drawn.items():
        run.log_picture(data, f"evaluation/{name}")
    run.log_text(page(result, drawn), "evaluation/report.html")


def fewer_to_learn_from(manifest: Manifest) -> Manifest:
    """At most 5,000 training rows, in which copies are looked for, so that memory has a bound.

    Chosen at random, but always the same; the other sides stay, and with them the classes.
    """
    rows = manifest.side("train")
    order = np.random.default_rng(SEED).permutation(len(rows))[:MOST_TRAINING]
    others = (row for row in manifest.rows if row.side != "train")
    return Manifest(manifest.root, tuple(sorted((*others, *(rows[i] for i in order)))))


def _labelled(manifest: Manifest, side: Side, config: GanConfig) -> LabelledSide:
    return LabelledSide(*load_side(manifest, side, config.image_size, config.channels))


def _classifier(
    run: Run, there: Sequence[FeatureExtractor], classes: tuple[str, ...]
) -> FeatureExtractor | None:
    """One that knows the classes, where there is one. there: loaded already."""
    for extractor in there:
        if extractor.name == "classifier":
            return extractor
    try:
        return find_extractor(run.settings, "classifier", classes)
    except UserError:
        return None
