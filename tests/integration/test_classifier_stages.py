"""Two stages on pretrained weights: stopped anywhere they go on as if they had not been."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from leafgate.errors import UserError
from tests.backbones import TINY, add_tiny_backbone
from training.classifier.backbones import load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.fit import fit_stages
from training.classifier.memory import Row, TrainingMemory
from training.classifier.network import build_network
from training.classifier.recipe import recipe
from training.data.pipeline import LabelledImages

LABELS = np.arange(12) % 2
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
IMAGES[LABELS == 1] //= 2


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ClassifierConfig:
    file = tmp_path_factory.mktemp("weights") / "resnet18.weights.h5"
    keras.utils.set_random_seed(5)
    load_backbone("resnet18", "none").network.save_weights(file)
    return ClassifierConfig(
        backbone="resnet18",
        weights=str(file),
        image_size=32,
        batch_size=4,
        hidden_units=8,
        stage1_epochs=3,
        stage1_views=2,
        stage2_epochs=2,
        precision="float32",
    )


def fitted(
    config: ClassifierConfig, folder: Path, stop_after: int = -1, logged: list[int] | None = None
) -> tuple[Row, ...]:
    """The figures of every epoch, from a network built anew; goes on where `folder` is.

    stop_after: an epoch that is kept and not logged. logged: takes the epochs that are.
    """
    keras.utils.set_random_seed(config.seed)
    backbone = load_backbone(config.backbone, config.weights)
    network = build_network(config, backbone, 2)
    train = LabelledImages(lambda indices: IMAGES[indices], LABELS, 32, 2)
    config = recipe(config, backbone, len(LABELS))
    memory = TrainingMemory(folder)
    if memory.run_id is None:
        memory.begin("run")

    def stop(figures: dict[str, float], epoch: int) -> None:
        if epoch == stop_after:
            raise Stopped
        if logged is not None:
            logged.append(epoch)

    return fit_stages(network, backbone, config, train, (IMAGES, LABELS), memory, stop)


@pytest.fixture(scope="module")
def small(config: ClassifierConfig, tmp_path_factory: pytest.TempPathFactory) -> ClassifierConfig:
    """The same on a smaller backbone, the first half of which stays frozen."""
    add_tiny_backbone()
    file = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    keras.utils.set_random_seed(5)
    load_backbone(TINY, "none").network.save_weights(file)
    changes = {"backbone": TINY, "weights": str(file), "unfrozen_layers": 3}
    return config.model_copy(update=changes)


@pytest.fixture(scope="module")
def traced() -> list[str]:
    """The names of the models whose step was traced, by `straight`."""
    return []


@pytest.fixture(scope="module")
def straight(
    small: ClassifierConfig, tmp_path_factory: pytest.TempPathFactory, traced: list[str]
) -> tuple[Row, ...]:
    step = keras.Model.train_step

    def noted(model: Any, batch: Any) -> Any:
        traced.append(model.name)
        return step(model, batch)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keras.Model, "train_step", noted)
        return fitted(small, tmp_path_factory.mktemp("straight") / "job")


def test_the_step_of_either_stage_is_traced_once(
    straight: tuple[Row, ...], traced: list[str]
) -> None:
    """Building a graph takes longer than many an epoch."""
    assert len({row["stage"] for row in straight}) == len(traced) == 2


@pytest.mark.parametrize(("epoch", "stage"), [(2, "stage 1"), (4, "stage 2")])
def test_a_training_stopped_in_either_stage_ends_as_if_it_had_not_been(
    small: ClassifierConfig,
    straight: tuple[Row, ...],
    epoch: int,
    stage: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(Stopped):
        fitted(small, tmp_path / "job", stop_after=epoch)
    found = TrainingMemory(tmp_path / "job").load()
    assert found is not None
    assert len(found[0].rows) == epoch
    logged: list[int] = []
    resumed = fitted(small, tmp_path / "job", logged=logged)
    assert logged == list(range(epoch, len(straight) + 1))
    assert [row["stage"] for row in resumed] == [row["stage"] for row in straight]
    assert str(resumed[epoch - 1]["stage"]).startswith(stage)
    for name in ("loss", "val_loss"):
        assert [row[name] for row in resumed] == pytest.approx(
            [row[name] for row in straight], rel=1e-4
        )


def test_the_checkpoint_of_a_cached_stage_holds_the_head_alone(
    config: ClassifierConfig, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        fitted(config, tmp_path / "job", stop_after=1)
    assert (tmp_path / "job" / "checkpoint.npz").stat().st_size < 2**20


def test_a_training_that_diverges_is_told_with_the_remedy(
    config: ClassifierConfig, tmp_path: Path
) -> None:
    wild = config.model_copy(update={"stage1_learning_rate": 1e38})
    with pytest.raises(UserError, match=r"stage 1: head: .*loss became") as raised:
        fitted(wild, tmp_path / "job")
    assert "lower learning rate" in raised.value.fix


def test_a_stage_that_makes_it_worse_leaves_the_linear_model(
    small: ClassifierConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So few images may be worth no more than a linear model: it is told, and kept."""
    alone = small.model_copy(update={"hidden_units": 0, "stage1_epochs": 0, "stage2_epochs": 0})
    worse = alone.model_copy(update={"stage2_epochs": 1, "stage2_learning_rate": 0.5})
    answers = []
    for number, config in enumerate((alone, worse)):
        keras.utils.set_random_seed(config.seed)
        backbone = load_backbone(config.backbone, config.weights)
        network = build_network(config, backbone, 2)
        train = LabelledImages(lambda indices: IMAGES[indices], LABELS, 32, 2)
        memory = TrainingMemory(tmp_path / str(number))
        memory.begin("run")
        final = recipe(config, backbone, len(LABELS))
        fit_stages(network, backbone, final, train, (IMAGES, LABELS), memory, lambda *_: None)
        found = network(IMAGES.astype(np.float32), training=False)["logits"]
        answers.append(np.asarray(found))
    assert answers[0] == pytest.approx(answers[1], rel=1e-3, abs=1e-3)
    assert (answers[0].argmax(axis=1) == LABELS).mean() > 0.9
    told = capsys.readouterr().err
    assert "a linear model on the frozen features: validation accuracy 1.000" in told
    assert "no epoch was better; the network is kept as it was" in told


def test_features_beyond_what_is_kept_of_them_are_told(
    small: ClassifierConfig, tmp_path: Path
) -> None:
    add_tiny_backbone()
    network = load_backbone(TINY, "none").network
    network.set_weights([1e5 * (np.abs(each) + 1) for each in network.get_weights()])
    file = tmp_path / "huge.weights.h5"
    network.save_weights(file)
    with pytest.raises(UserError, match="the features of tiny are no numbers, or beyond 65504"):
        fitted(small.model_copy(update={"weights": str(file)}), tmp_path / "job")


def test_without_cached_views_both_stages_learn_from_new_ones(
    small: ClassifierConfig, tmp_path: Path
) -> None:
    rows = fitted(
        small.model_copy(update={"stage1_views": 0, "stage1_epochs": 1}), tmp_path / "job"
    )
    assert [str(row["stage"])[:7] for row in rows] == ["stage 1", "stage 2", "stage 2"]
    assert np.isfinite([float(row["val_loss"]) for row in rows]).all()
