"""The loop: the best epoch is what stays, and a resumed training ends where one whole does."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leafgate.images import Pixels, resize
from registry import GeneratorDescription
from registry.extractors import PixelFeatures
from training.data.pipeline import LabelledImages
from training.gan import loop
from training.gan.checkpoints import Checkpoints
from training.gan.config import GanConfig
from training.gan.networks import build_gan, live_generator
from training.gan.step import compiled_step
from training.gan.train import describe
from training.gan.unfinished import Epoch, UnfinishedRun
from training.gan.validation import Validation

CONFIG = GanConfig(
    family="vanilla",
    epochs=3,
    batch_size=8,
    ema=0.9,
    augment=("colour", "translation", "cutout"),
    balanced=True,
    checkpoint_every=2,
    sample_every=1000,
    evaluate_every=1,
    evaluate_samples=16,
)
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1), np.uint8)
LABELS = np.arange(16) % 2


class QuietRun:
    """A run that keeps what was logged last, and of which epochs anything was."""

    run_id = "quiet"

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics = metrics
        self.epochs.append(step)

    def log_picture(self, png: bytes, path: str) -> None:
        self.picture = png


def images(size: int = 28) -> Pixels:
    return np.stack([resize(image, size) for image in IMAGES])


def data(size: int = 28) -> LabelledImages:
    return LabelledImages(lambda indices: images(size)[indices], LABELS, size, 2)


def train(folder: Path, config: GanConfig, validation: Any = None) -> tuple[Any, QuietRun]:
    """Train from what `folder` holds; the GAN and the run."""
    unfinished, run = UnfinishedRun(folder), QuietRun()
    if not folder.exists():
        unfinished.begin(run.run_id)
    gan = build_gan(config, 2)
    live = live_generator(gan, describe(config, gan, ("a", "b")))
    real = images(config.image_size)
    looks = validation or Validation.of(PixelFeatures(), real, config.evaluate_samples)
    seen = data(config.image_size)
    loop.train(gan, live, seen, looks, config, run, unfinished)  # type: ignore[arg-type]
    return gan, run


@pytest.mark.parametrize("family", ["vanilla", "conditional"])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    family: str, tmp_path: Path
) -> None:
    config = CONFIG
    if family == "conditional":  # with the vectors of its spectral norms
        config = CONFIG.model_copy(update={"family": family, "image_size": 64, "loss": "hinge"})
    config = config.model_copy(update={"precision": "float32"})
    _, whole = train(tmp_path / "once", config)
    train(tmp_path / "twice", config.model_copy(update={"epochs": 2}))
    _, resumed = train(tmp_path / "twice", config)
    assert (whole.epochs, resumed.epochs) == ([1, 2, 3], [3]), "what was done is not done again"
    for name in ("d_loss", "g_loss", "validation_kd_pixels"):
        assert resumed.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-3)


def test_the_best_epoch_is_what_stays_and_not_the_last(tmp_path: Path) -> None:
    seen: dict[int, np.ndarray] = {}
    distances = {1: 0.3, 2: 0.1, 3: 0.2}

    class Looks:
        name = "validation_distance"

        def look(self, generator: Any, epoch: Epoch) -> Epoch:
            seen[epoch.epoch] = generator.generate(2, seed=1)
            return replace(epoch, distance=distances[epoch.epoch], diversity=1.0)

        def named(self, epoch: Epoch) -> dict[str, float]:
            return epoch.metrics

    gan, _ = train(tmp_path / "run", CONFIG, Looks())
    kept = live_generator(gan, GeneratorDescription("vanilla", 100, 28, 1, ("a", "b")))
    assert np.array_equal(kept.generate(2, seed=1), seen[2])
    assert not np.array_equal(seen[2], seen[3])
    assert Checkpoints(gan, UnfinishedRun(tmp_path / "run")).best == (2, 0.1)


def test_time_is_up_after_so_many_minutes_of_training() -> None:
    config = CONFIG.model_copy(update={"minutes": 0.5})
    epochs = [Epoch(n, 0, 0, 0, 0, seconds=14) for n in (1, 2)]
    assert not loop.time_is_up(epochs, config)
    assert loop.time_is_up([*epochs, replace(epochs[0], epoch=3)], config)
    assert not loop.time_is_up(epochs * 100, CONFIG)


def test_a_step_has_a_batch_for_every_update_of_the_discriminator() -> None:
    config = GanConfig(family="wgan_gp", batch_size=3)
    assert loop.images_a_step(16, config) == 15
    assert loop.images_a_step(12, config) == 10
    assert loop.steps_an_epoch(31, config) == 2
    assert [images.shape[0] for images, _ in loop.batches(data(), config, 1)] == [15]


def test_one_hots_are_those_of_the_images_and_none_where_no_class_can_be_asked_for() -> None:
    asked = GanConfig(family="conditional", batch_size=4, balanced=False)
    for images, one_hots in loop.batches(data(), asked, 1):
        for image, one_hot in zip(images, one_hots, strict=True):
            index = int(np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))[0])
            assert one_hot.argmax() == LABELS[index]
    assert next(loop.batches(data(), CONFIG, 1))[1].shape == (8, 0)


def test_the_averaged_generator_remembers_little_at_first() -> None:
    config = CONFIG.model_copy(update={"batch_size": 16, "precision": "float32"})
    gan = build_gan(config, 2)
    assert gan.keeps_average
    start = gan.generator.get_weights()[0]
    loop.train_epoch(compiled_step(gan, config), data(), config, 1)
    now, mean = gan.generator.get_weights()[0], gan.averaged.get_weights()[0]
    kept = 2 / 11  # after one step, whatever the decay
    assert np.abs(now - start).max() > 1e-4
    np.testing.assert_allclose(mean, kept * start + (1 - kept) * now, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_learns_and_its_averages_stay_in_float32(precision: str) -> None:
    config = CONFIG.model_copy(update={"precision": precision})
    gan = build_gan(config, 2)
    assert {str(variable.dtype) for variable in gan.averaged.variables} == {"float32"}
    before = gan.generator.get_weights()[0]
    epoch = loop.train_epoch(compiled_step(gan, config), data(), config, 1)
    assert np.isfinite([epoch.d_loss, epoch.g_loss, epoch.g_gradient]).all()
    assert np.abs(gan.generator.get_weights()[0] - before).max() > 0


def test_a_run_killed_after_its_time_was_up_is_only_finished(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"minutes": 1e-6, "epochs": 50})
    train(tmp_path / "run", config)
    unfinished = UnfinishedRun(tmp_path / "run")
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1]
    train(tmp_path / "run", config)
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1]


def test_validation_images_that_are_all_alike_leave_diversity_open() -> None:
    alike = np.full((4, 28, 28, 1), 7, np.uint8)
    validation = Validation.of(PixelFeatures(), alike, 16)
    gan = build_gan(CONFIG, 2)
    live = live_generator(gan, GeneratorDescription("vanilla", 100, 28, 1, ("a", "b")))
    epoch = validation.look(live, Epoch(1, 0, 0, 0, 0))
    assert np.isfinite(epoch.distance)
    assert np.isnan(epoch.diversity)


def test_each_epoch_has_an_order_of_its_own_and_rare_classes_come_as_often_when_balanced() -> None:
    config = CONFIG.model_copy(update={"batch_size": 16, "balanced": False})
    first, again, second = (next(loop.batches(data(), config, n))[0] for n in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    rare = LabelledImages(lambda indices: IMAGES[indices], (np.arange(16) == 0).astype(int), 28, 2)
    asked = GanConfig(family="conditional", batch_size=16, balanced=True)
    drawn = [next(loop.batches(rare, asked, epoch))[1][:, 1].mean() for epoch in range(1, 40)]
    assert 0.4 < np.mean(drawn) < 0.6, "though one image in sixteen is of that class"
