"""A generator is trained, measured, stored and registered in one traced run."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.images import decode, encode_png
from leafgate.manifest import SIDES, Manifest, ManifestRow, file_digest
from leafgate.settings import Settings
from registry import STAGING, Generator, ModelStore, ModelVersion, run_manifest
from tests.folders import images
from training.gan import train as training
from training.gan.config import GanConfig
from training.gan.unfinished import UnfinishedRun

CONFIG = GanConfig(
    family="conditional",
    epochs=2,
    batch_size=8,
    checkpoint_every=1,
    sample_every=1,
    evaluate_every=1,
    evaluate_samples=16,
    test_samples=32,
    features="lite0",
    seed=3,
)
QUICK = {"features": "pixels", "epoch_features": "pixels"}
SMALL = CONFIG.model_copy(
    update={"family": "vanilla", "image_size": 28, "loss": "cross_entropy", **QUICK}
)
LEVEL = {"train": 200, "validation": 90, "test": 20}
IMAGES = {"train": 8, "validation": 3, "test": 6}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two classes; the training side is bright, the others dark, so that a leak would show."""
    root = tmp_path_factory.mktemp("leaves")
    rows = []
    for name in ("rust", "scab"):
        (root / name).mkdir()
        for side in SIDES:
            for index in range(IMAGES[side]):
                rng = np.random.default_rng([index, len(side)])
                pixels = rng.integers(0, 40, (24, 24, 3), np.uint8) + np.uint8(LEVEL[side])
                file = root / name / f"{side}_{index}.png"
                file.write_bytes(encode_png(pixels))
                digest = file_digest(file)
                rows.append(ManifestRow(f"{name}/{file.name}", name, side, digest, digest))
    return Manifest(root, tuple(sorted(rows)))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(var_dir=tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="module")
def trained(settings: Settings, data: Manifest) -> ModelVersion:
    return training.train_generator(settings, data, CONFIG)


def run_of(settings: Settings, run_id: str) -> Any:
    return ModelStore(settings).client.get_run(run_id)


def steps_of(settings: Settings, run_id: str, metric: str) -> list[int]:
    points = ModelStore(settings).client.get_metric_history(run_id, metric)
    return sorted(point.step for point in points)


def test_a_trained_generator_is_registered_for_staging(
    settings: Settings, trained: ModelVersion
) -> None:
    assert trained.name == settings.generator_name
    assert trained.aliases == (STAGING,)
    description = Generator.load(ModelStore(settings).folder(trained)).description
    assert description.classes == ("rust", "scab")
    assert description.conditional
    assert (description.family, description.image_size) == ("conditional", 64)


def test_the_run_tells_configuration_data_and_every_epoch(
    settings: Settings, trained: ModelVersion, data: Manifest, tmp_path: Path
) -> None:
    run = run_of(settings, trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["loss"] == "hinge"
    assert run.data.params["images"] == "16"
    assert run.data.tags["data.digest"] == data.digest
    assert run.data.tags["features.used"] == "lite0"
    assert run.data.tags["features.epoch"] == "pixels", "what judges does not choose the epoch"
    measured = ("d_loss", "g_loss", "d_real", "d_fake", "d_gradient", "g_gradient")
    for metric in (*measured, "images_per_second", "validation_kd_pixels"):
        assert steps_of(settings, trained.run_id, metric) == [1, 2]
        assert math.isfinite(run.data.metrics[metric])
    store = ModelStore(settings)
    lines = store.run_artifact(trained, "training/epochs.csv", tmp_path).read_text().splitlines()
    assert lines[0].startswith("epoch,d_loss,g_loss,d_real,d_fake,d_gradient,g_gradient")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


def test_the_run_has_figures_pictures_and_a_report(
    settings: Settings, trained: ModelVersion, tmp_path: Path
) -> None:
    store, metrics = ModelStore(settings), run_of(settings, trained.run_id).data.metrics
    assert metrics["test_generated_images"] == 32
    assert metrics["test_real_images"] == 12
    named = ("fd_lite0", "precision_lite0", "coverage_lite0", "diversity")
    kernel = [f"kd_lite0{part}" for part in ("", "_low", "_high", "_reference", "_noise")]
    assert all(math.isfinite(metrics[f"test_{name}"]) for name in (*named, *kernel))
    assert not [name for name in metrics if {"fid", "kid"} & set(name.split("_"))]
    for path in (
        "evaluation/losses.png",
        "evaluation/progress.gif",
        "evaluation/samples.png",
        "evaluation/interpolation.png",
        "evaluation/neighbours.png",
        "samples/epoch_0002.png",
    ):
        picture = decode(store.run_artifact(trained, path, tmp_path).read_bytes())
        assert min(picture.shape[:2]) >= 28
    page = store.run_artifact(trained, "evaluation/report.html", tmp_path).read_text()
    assert "memorise" in page
    events = store.run_artifact(trained, "training/tensorboard", tmp_path)
    assert list(events.glob("events.out.tfevents.*"))


def test_the_stored_generator_draws_the_asked_class_alike_on_both_engines(
    settings: Settings, trained: ModelVersion
) -> None:
    folder = ModelStore(settings).folder(trained)
    on_cpu, in_keras = Generator.load(folder, "openvino"), Generator.load(folder, "tensorflow")
    pictures = on_cpu.generate(3, seed=1, class_name="scab")
    assert np.array_equal(pictures, on_cpu.generate(3, seed=1, class_name="scab"))
    assert not np.array_equal(pictures, on_cpu.generate(3, seed=2, class_name="scab"))
    there = in_keras.generate(3, seed=1, class_name="scab").astype(int)
    assert np.abs(there - pictures).max() <= 1


def test_only_the_training_side_is_learnt_from(
    data: Manifest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def look(gan: Any, live: Any, images: Any, *rest: Any) -> None:
        pixels = images.read(np.arange(len(images)))
        assert pixels.shape == (8, 28, 28, 3)
        assert pixels.min() >= LEVEL["train"]
        raise StoppedError

    monkeypatch.setattr(training, "train", look)
    with pytest.raises(StoppedError):
        training.train_generator(settings, data, SMALL.model_copy(update={"classes": ("rust",)}))


def test_the_gate_finds_the_split_of_a_generator_of_some_classes(
    settings: Settings, data: Manifest
) -> None:
    config = SMALL.model_copy(update={"classes": ("rust",), "epochs": 1, "test_samples": 16})
    version = training.train_generator(settings, data, config)
    store = ModelStore(settings)
    assert Generator.load(store.folder(version)).description.classes == ("rust",)
    found = run_manifest(store, version)
    assert found is not None
    assert found.digest == data.digest
    assert store.client.get_run(version.run_id).data.metrics["test_real_images"] == IMAGES["test"]


def test_a_finished_job_leaves_nothing_to_resume(
    settings: Settings, trained: ModelVersion, data: Manifest
) -> None:
    assert not UnfinishedRun.for_generator(settings, CONFIG, data).folder.exists()


def test_a_training_that_diverges_fails_its_run_and_keeps_the_last_good_checkpoint(
    settings: Settings, data: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.gan import loop

    batches = loop.batches
    calls = iter([False, True])

    def poisoned(*arguments: Any) -> Iterator[Any]:
        bad = next(calls)
        return ((images / (0 if bad else 1), k) for images, k in batches(*arguments))

    monkeypatch.setattr(loop, "batches", poisoned)
    config = SMALL.model_copy(update={"seed": 5})
    unfinished = UnfinishedRun.for_generator(settings, config, data)
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.raises(UserError, match=r"no longer finite in epoch 2.*ckpt-1.*learning_rate"),
    ):
        training.train_generator(settings, data, config)
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1]
    assert list(unfinished.checkpoints.glob("ckpt-1.index"))
    assert run_of(settings, unfinished.run_id or "").info.status == "FAILED"


def test_a_collapse_fails_the_run_with_the_best_epoch_kept(
    settings: Settings, data: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.gan.validation import Validation

    look = Validation.look

    def alike(self: Validation, generator: Any, epoch: Any) -> Any:
        diversity = 0.5 if epoch.epoch == 1 else 0.01
        return replace(look(self, generator, epoch), diversity=diversity)

    monkeypatch.setattr(Validation, "look", alike)
    config = SMALL.model_copy(update={"seed": 6, "epochs": 9, "collapsed_looks": 2})
    with pytest.raises(UserError, match=r"collapsed.*best.npz \(epoch \d, the best\)") as told:
        training.train_generator(settings, data, config)
    assert told.value.code == "training_collapsed"
    unfinished = UnfinishedRun.for_generator(settings, config, data)
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1, 2, 3]
    assert run_of(settings, unfinished.run_id or "").info.status == "FAILED"


def test_an_unknown_class_is_refused_before_a_run_is_opened(data: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no class 'moth'"):
        training.train_generator(Settings(var_dir=tmp_path), data, GanConfig(classes=("moth",)))
    assert not list(tmp_path.iterdir())


def test_any_folder_of_images_trains_a_generator_that_learns_no_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = images(tmp_path / "any", 8)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    command = ["train", "generator", "--data", str(root), "--unsigned", "features=pixels"]
    settings = ["epochs=1", "batch_size=4", "evaluate_samples=16", "test_samples=16"]
    refused = CliRunner().invoke(app, [*command, "family=conditional", *settings])
    assert isinstance(refused.exception, UserError)
    assert "no class folders" in refused.exception.problem
    done = CliRunner().invoke(app, [*command, "family=vanilla", *settings])
    assert done.exit_code == 0, done.output
    assert "all its images are learnt as one, 'any'" in done.output
    assert "leaf-generator version 1 is in staging" in done.output
