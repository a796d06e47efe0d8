"""A generator is trained, stored and registered in one traced run that can be resumed."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.images import decode, encode_png
from leafgate.manifest import SIDES, Manifest, ManifestRow, file_digest
from leafgate.settings import Settings
from registry import STAGING, Generator, ModelStore, ModelVersion
from training.gan import train as training
from training.gan.config import GanConfig
from training.gan.families import find_family
from training.gan.unfinished import UnfinishedRun

CONFIG = GanConfig(epochs=2, batch_size=8, checkpoint_every=1, sample_every=1, seed=3)
RESUMED = CONFIG.model_copy(update={"seed": 4, "checkpoint_every": 2, "sample_every": 1000})
LEVEL = {"train": 200, "validation": 90, "test": 20}
IMAGES = {"train": 8, "validation": 1, "test": 1}


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


def test_dcgan_has_the_shapes_of_its_paper_at_64_pixels() -> None:
    family = find_family("dcgan")
    generator, discriminator = family.build_generator(), family.build_discriminator()
    shapes = {layer.name: layer.output.shape[1:] for layer in generator.layers}
    assert [shapes[f"up_{n}"] for n in (256, 128, 64)] == [(8, 8, 256), (16, 16, 128), (32, 32, 64)]
    assert shapes["reshape"] == (4, 4, 512)
    assert generator.output_shape == (None, 64, 64, 3)
    assert {w.path: tuple(w.shape) for w in generator.trainable_weights} == {
        "project/kernel": (100, 8192),
        "project_norm/gamma": (8192,),
        "project_norm/beta": (8192,),
        "up_256/kernel": (4, 4, 256, 512),
        "up_256_norm/gamma": (256,),
        "up_256_norm/beta": (256,),
        "up_128/kernel": (4, 4, 128, 256),
        "up_128_norm/gamma": (128,),
        "up_128_norm/beta": (128,),
        "up_64/kernel": (4, 4, 64, 128),
        "up_64_norm/gamma": (64,),
        "up_64_norm/beta": (64,),
        "picture/kernel": (4, 4, 3, 64),
        "picture/bias": (3,),
    }
    downs = [layer for layer in discriminator.layers if layer.name.startswith("down_")]
    assert [layer.filters for layer in downs if hasattr(layer, "filters")] == [64, 128, 256, 512]
    assert [layer.negative_slope for layer in downs if not hasattr(layer, "filters")] == [0.2] * 4
    assert discriminator.output_shape == (None, 1)
    kernel = np.asarray(generator.get_layer("up_256").kernel)
    assert abs(kernel.std() - 0.02) < 1e-3


def test_a_trained_generator_is_registered_for_staging(
    settings: Settings, trained: ModelVersion
) -> None:
    assert trained.name == settings.generator_name
    assert trained.aliases == (STAGING,)
    description = Generator.load(ModelStore(settings).folder(trained)).description
    assert description.classes == ("rust", "scab")
    assert (description.family, description.image_size) == ("dcgan", 64)


def test_the_run_tells_configuration_data_losses_and_pictures(
    settings: Settings, trained: ModelVersion, data: Manifest, tmp_path: Path
) -> None:
    run = run_of(settings, trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.0002"
    assert run.data.params["images"] == "16"
    assert run.data.tags["data.digest"] == data.digest
    for metric in ("d_loss", "g_loss", "d_real", "d_fake", "images_per_second"):
        assert steps_of(settings, trained.run_id, metric) == [1, 2]
        assert math.isfinite(run.data.metrics[metric])
    store = ModelStore(settings)
    csv = store.run_artifact(trained, "training/losses.csv", tmp_path).read_text().splitlines()
    assert csv[0] == "epoch,d_loss,g_loss,d_real,d_fake,images_per_second"
    assert [line.split(",")[0] for line in csv[1:]] == ["1", "2"]
    for path in ("training/losses.png", "samples/epoch_0001.png", "samples/epoch_0002.png"):
        picture = decode(store.run_artifact(trained, path, tmp_path).read_bytes())
        assert picture.shape[0] > 400


def test_the_stored_generator_draws_the_same_picture_for_the_same_seed(
    settings: Settings, trained: ModelVersion, tmp_path: Path
) -> None:
    folder = ModelStore(settings).folder(trained)
    pictures = Generator.load(folder).generate(3, seed=CONFIG.seed)
    assert np.array_equal(pictures, Generator.load(folder).generate(3, seed=CONFIG.seed))
    assert not np.array_equal(pictures, Generator.load(folder).generate(3, seed=CONFIG.seed + 1))
    final = ModelStore(settings).run_artifact(trained, "samples/final.png", tmp_path)
    drawn_in_training = decode(final.read_bytes())[2:66, 2:66].astype(int)
    assert np.abs(drawn_in_training - pictures[0]).max() <= 1


def test_openvino_and_keras_forms_agree(settings: Settings, trained: ModelVersion) -> None:
    folder = ModelStore(settings).folder(trained)
    latents = np.random.default_rng(0).standard_normal((5, 100)).astype(np.float32)
    on_cpu = Generator.load(folder, "openvino").engine.run(latents)
    in_keras = Generator.load(folder, "tensorflow").engine.run(latents)
    assert on_cpu.shape == (5, 64, 64, 3)
    assert np.abs(on_cpu - in_keras).max() < 1e-3


def test_only_the_training_side_is_ever_read(
    data: Manifest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def look(gan: Any, images: np.ndarray, *rest: Any) -> None:
        assert images.shape == (8, 64, 64, 3)
        assert images.min() >= LEVEL["train"]
        raise StoppedError

    monkeypatch.setattr(training, "train", look)
    with pytest.raises(StoppedError):
        training.train_generator(settings, data, CONFIG.model_copy(update={"classes": ("rust",)}))


def test_a_finished_job_leaves_nothing_to_resume(
    settings: Settings, trained: ModelVersion, data: Manifest
) -> None:
    assert not UnfinishedRun.for_generator(settings, CONFIG, data).folder.exists()


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.gan import loop

    class QuietRun:
        run_id = "quiet"

        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            self.metrics = metrics

    def losses_after(name: str, *epochs: int) -> dict[str, float]:
        unfinished, run = UnfinishedRun(tmp_path / name), QuietRun()
        unfinished.begin(run.run_id)
        for last in epochs:
            config = RESUMED.model_copy(update={"epochs": last})
            gan = loop.build_gan(find_family("dcgan"), config)
            loop.train(gan, images, config, run, unfinished)  # type: ignore[arg-type]
        return {name: run.metrics[name] for name in ("d_loss", "g_loss")}

    images = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)
    assert losses_after("twice", 2, 3) == pytest.approx(losses_after("once", 3), rel=1e-3)


def test_a_training_that_diverges_fails_its_run_and_keeps_the_last_good_checkpoint(
    settings: Settings, data: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.gan import loop

    batches = loop.batches
    calls = iter([False, True])

    def poisoned(images: Any, *rest: Any) -> Iterator[Any]:
        bad = next(calls)
        return (batch / (0 if bad else 1) for batch in batches(images, *rest))

    monkeypatch.setattr(loop, "batches", poisoned)
    config = CONFIG.model_copy(update={"seed": 5})
    unfinished = UnfinishedRun.for_generator(settings, config, data)
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.raises(UserError, match=r"no longer finite in epoch 2.*ckpt-1.*learning_rate"),
    ):
        training.train_generator(settings, data, config)
    assert [losses.epoch for losses in unfinished.losses()] == [1]
    assert list(unfinished.checkpoints.glob("ckpt-1.index"))
    run = run_of(settings, unfinished.run_id or "")
    assert run.info.status == "FAILED"


def test_an_unknown_class_is_refused_before_a_run_is_opened(data: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no class 'moth'"):
        training.train_generator(Settings(var_dir=tmp_path), data, GanConfig(classes=("moth",)))
    assert not list(tmp_path.iterdir())
