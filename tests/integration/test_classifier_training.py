"""Training real networks, from a weights file that the test saves itself."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import keras
import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import Classifier, ModelStore, ModelVersion
from tests.backbones import TINY, add_tiny_backbone
from tests.integration.conftest import StartApi, api_settings
from tests.model_pages import opened
from tests.strict import as_strict_json
from training.classifier.backbones import BACKBONES, LoadedBackbone, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.features import FrozenViews
from training.classifier.finished import judge_all, load_side_for, with_reference
from training.classifier.halves import halves
from training.classifier.network import build_network, freeze_all, unfreeze_last
from training.classifier.train import train_classifier
from training.data.pipeline import LabelledImages

SIZE = 32
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    keras.utils.set_random_seed(3)
    keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    ).save_weights(file)
    return file


@pytest.fixture(scope="module")
def backbone(weights_file: Path) -> LoadedBackbone:
    return load_backbone("resnet50", str(weights_file))


def some_images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8)


def test_the_file_s_weights_are_the_ones_used(weights_file: Path, backbone: LoadedBackbone) -> None:
    again = load_backbone("resnet50", str(weights_file))
    assert backbone.weights == "file"
    pairs = zip(backbone.network.get_weights(), again.network.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_an_unknown_backbone_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'vgg'") as raised:
        load_backbone("vgg", "none")
    assert all(name in raised.value.fix for name in BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_gives_logits_and_the_last_feature_map_at_any_size(name: str) -> None:
    network = build_network(ClassifierConfig(backbone=name), load_backbone(name, "none"), 3)
    for size in (32, 64):
        shapes = network.compute_output_shape((2, size, size, 3))
        assert shapes["logits"] == (2, 3)
        assert shapes["features"][:3] == (2, size // 32, size // 32)


def test_stage_one_trains_the_head_alone_and_stage_two_the_last_layers_too(
    backbone: LoadedBackbone,
) -> None:
    network = build_network(ClassifierConfig(image_size=SIZE), backbone, 3)
    freeze_all(backbone.network)
    learning = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert learning == {"normalise", "logits"}
    unfreeze_last(backbone.network, 50)
    layers = backbone.network.layers
    assert not any(layer.trainable for layer in layers[:-50])
    frozen = [layer for layer in layers[-50:] if not layer.trainable]
    assert {type(layer).__name__ for layer in frozen} == {"BatchNormalization"}
    assert len(frozen) == 15


def test_while_fine_tuning_the_statistics_of_pretrained_normalisation_stay(
    backbone: LoadedBackbone,
) -> None:
    network = build_network(ClassifierConfig(image_size=SIZE), backbone, 3)
    unfreeze_last(backbone.network, 50)
    means = [v for v in backbone.network.variables if v.path.endswith("moving_mean")]
    before = [np.asarray(mean) for mean in means]
    network(some_images().astype(np.float32), training=True)
    assert all(np.array_equal(np.asarray(m), b) for m, b in zip(means, before, strict=True))


def near(found: Any, wanted: Any) -> bool:
    """But for what float16 and a processor's bfloat16 leave out."""
    exact = np.asarray(wanted)
    return bool(np.abs(np.asarray(found) - exact).max() < 0.05 * np.abs(exact).max())


@pytest.mark.parametrize("tuned", [0, 50])
def test_what_frozen_layers_made_is_what_the_whole_network_computes(
    backbone: LoadedBackbone, tuned: int
) -> None:
    config = ClassifierConfig(image_size=SIZE, stage1_views=2)
    network = build_network(config, backbone, 3)
    images = some_images()
    labels = np.zeros(len(images), np.int64)
    learnt = LabelledImages(lambda indices: images[indices], labels, SIZE, classes=3)
    frozen = FrozenViews(backbone, config, tuned, learnt, images, keep_bytes=2**30)
    head, whole = network.get_layer("head"), network(images.astype(np.float32), training=False)
    for pooled in (frozen.validated.pooled, frozen.learnt.pooled[0]):
        assert near(head(pooled.astype(np.float32)), whole["logits"])
    assert frozen.keeps_maps == bool(tuned)
    if tuned:
        cut = halves(backbone.network, tuned)
        assert cut is not None
        assert near(
            cut.tail(frozen.validated.maps.astype(np.float32), training=False), whole["features"]
        )
        assert frozen.learnt.maps.shape == (2, len(images), *frozen.map_shape)
    views = frozen.learnt.pooled
    assert views.shape == (2, len(images), 2048)
    assert np.abs(views[0].astype(np.float32) - views[1]).mean() > 1e-3  # each view is another
    again = FrozenViews(backbone, config, tuned, learnt, images, keep_bytes=2**30)
    assert np.array_equal(views, again.learnt.pooled)


def test_maps_that_do_not_fit_into_memory_are_not_kept(backbone: LoadedBackbone) -> None:
    config = ClassifierConfig(image_size=SIZE, stage1_views=4)
    images = some_images()
    learnt = LabelledImages(lambda indices: images[indices], np.zeros(len(images), int), SIZE, 3)

    def frozen(maps: float) -> FrozenViews:
        given = FrozenViews(backbone, config, 50, learnt, images, 0)
        each = 2 * np.prod(given.map_shape) * len(images)
        return FrozenViews(backbone, config, 50, learnt, images, maps * each)

    assert (frozen(6).map_views, frozen(6).keeps_maps) == (4, True)
    assert (frozen(3).map_views, frozen(3).keeps_maps) == (2, True), "fewer views are kept"
    assert frozen(3).learnt.maps.shape[0] == 2
    assert frozen(3).learnt.pooled.shape[0] == 4
    assert not frozen(1).keeps_maps
    assert not frozen(1).learnt.maps.size


@dataclass(frozen=True)
class Trained:
    """What a training left. artifacts: the folder of its run's."""

    settings: Settings
    version: ModelVersion
    artifacts: Path


@pytest.fixture(scope="module")
def trained(
    empty_store: Path, colour_manifest: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """Two stages of a tiny network."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(empty_store, folder / "var")
    settings = Settings(_env_file=None, var_dir=folder / "var", inception_weights="none")  # type: ignore[call-arg]
    add_tiny_backbone()
    weights = folder / "tiny.weights.h5"
    load_backbone(TINY, "none").network.save_weights(weights)
    config = ClassifierConfig(
        backbone=TINY,
        weights=str(weights),
        image_size=SIZE,
        stage1_views=2,
        stage1_epochs=2,
        stage2_epochs=1,
        batch_size=8,
    )
    version = train_classifier(settings, colour_manifest, config)
    uri = ModelStore(settings).client.get_run(version.run_id).info.artifact_uri
    return Trained(settings, version, Path(unquote(urlparse(str(uri)).path)))


def test_two_stages_end_in_a_staged_version_with_everything_logged(
    trained: Trained, colour_manifest: Manifest, tmp_path: Path
) -> None:
    settings, version = trained.settings, trained.version
    store = ModelStore(settings)
    assert version.aliases == ("staging",)
    tags, metrics = store.run_tags(version), store.run_metrics(version)
    assert tags["data.digest"] == colour_manifest.digest
    assert tags["data.leaks"] == "0"
    assert tags["weights.used"] == "file"
    assert {
        "val_accuracy",
        "test_accuracy",
        "test_macro_f1_low",
        "test_macro_f1_high",
        "test_ece_before",
        "test_ece",
        "test_accuracy_fp32",
        "test_accuracy_bf16",
        "test_accuracy_int8",
        "test_macro_f1_8_views",
    } <= set(metrics)

    def logged(path: str) -> Path:
        return store.run_artifact(version, path, tmp_path)

    for path in (
        "data/manifest.csv",
        "data/report.html",
        "data/report.json",
        "environment/environment.json",
        "evaluation/report.html",
        "evaluation/confusion.png",
        "evaluation/reliability.png",
        "evaluation/robustness.png",
        "training/curves.png",
    ):
        assert logged(path).stat().st_size > 100, path
    assert json.loads(logged("data/leaks.json").read_text())["leaks"] == []
    told = as_strict_json(logged("evaluation/test.json").read_bytes())
    assert told["macro_f1"]["low"] <= told["macro_f1"]["value"] <= told["macro_f1"]["high"]
    assert told["forms"]["preferred"] in ("int8", "bf16", "fp32")
    with logged("training/history.csv").open() as stream:
        stages = [row["stage"] for row in csv.DictReader(stream)]
    assert stages == ["stage 1: head"] * 2 + ["stage 2: last 50 layers"]
    assert not list((settings.var_dir / "training").rglob("*.npz")), "nothing is left behind"

    folder = store.folder(version)
    images = np.random.default_rng(0).integers(0, 255, (3, 50, 40, 3)).astype(np.uint8)
    by_openvino = Classifier.load(folder, "openvino-fp32").probabilities(images)
    by_tensorflow = Classifier.load(folder, "tensorflow").probabilities(images)
    assert by_openvino.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert by_openvino == pytest.approx(by_tensorflow, abs=1e-3)
    classifier = Classifier.load(folder)
    assert classifier.description.labels == colour_manifest.classes
    assert classifier.description.form == told["forms"]["preferred"]
    held_out = load_side_for(colour_manifest, colour_manifest.side("validation"), SIZE)
    served = Classifier.load(folder, "openvino")
    said = with_reference(served, judge_all(served, held_out.images))
    assert classifier.description == said
    assert sum(said.reference_classes.values()) == len(held_out.truth) > 0
    assert classifier.explain(images[0]).heat.shape == (1, 1)


MIRRORED = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from pathlib import Path
from tests.backbones import TINY, add_tiny_backbone
from training.classifier.backbones import load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.fit import fit_stages
from training.classifier.memory import TrainingMemory
from training.classifier.network import build_network
from training.data.pipeline import LabelledImages
import sys

images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
labels = np.arange(16) % 2
add_tiny_backbone()
config = ClassifierConfig(backbone=TINY, image_size=32, scratch_batch_size=8,
                          scratch_epochs=2, scratch_small_epochs=0)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    backbone = load_backbone(TINY, "none")
    network = build_network(config, backbone, 2)
    train = LabelledImages(lambda indices: images[indices], labels, 32, 2)
    memory = TrainingMemory(Path(sys.argv[1]))
    memory.begin("run")
    rows = fit_stages(network, backbone, config, train, (images, labels), memory,
                      lambda figures, step: None)
assert len(rows) == 2 and all(np.isfinite(row["loss"]) for row in rows)
print("replicas", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).num_replicas_in_sync)
"""


def test_every_json_file_of_a_training_is_valid_json(trained: Trained) -> None:
    files = sorted(trained.artifacts.rglob("*.json"))
    assert {"test.json", "forms.json", "report.json", "leaks.json", "environment.json"} <= {
        file.name for file in files
    }
    for file in files:
        as_strict_json(file.read_bytes())
    assert "null" in (trained.artifacts / "evaluation/test.json").read_text(), "of an empty bin"


@pytest.mark.parametrize("written_by", ["this version", "an older one, with NaN"])
def test_the_confusion_matrix_of_a_training_is_in_the_api_and_on_the_page(
    trained: Trained, written_by: str, start_api: StartApi, tmp_path: Path
) -> None:
    file = trained.artifacts / "evaluation/test.json"
    stored = file.read_text()
    told = as_strict_json(stored)
    if written_by != "this version":
        file.write_text(stored.replace("null", "NaN"))
    try:
        name, number = trained.version.name, trained.version.version
        api = start_api(api_settings(trained.settings.var_dir, tmp_path))
        answer = api.client.get(f"/models/{name}/versions/{number}").json()
        assert answer["confusion"]["labels"] == told["labels"]
        assert answer["confusion"]["rows"] == told["confusion"]
        assert sum(map(sum, told["confusion"])) == told["images"] > 0
        app = opened(api, "models", version=str(number), model=name)
        assert not app.exception
        assert not any("stored no confusion matrix" in each.value for each in app.caption)
        assert [row.tolist() for row in app.dataframe[0].value.to_numpy()] == told["confusion"]
    finally:
        file.write_text(stored)


def test_several_devices_share_each_batch(tmp_path: Path) -> None:
    """Two logical CPUs stand in for two GPUs."""
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path / "job")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "replicas 2" in done.stdout, done.stderr[-3000:]
