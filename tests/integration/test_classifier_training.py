"""Training a real ResNet50 in two stages, from a weights file that the test saves itself."""

from pathlib import Path

import keras
import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import Classifier, ModelStore
from training.classifier.backbones import BACKBONES, LoadedBackbone, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.network import augmentation, build_network, freeze_all, unfreeze_last
from training.classifier.train import train_classifier

SIZE = 32


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
    return load_backbone("resnet50", str(weights_file), SIZE)


def test_the_file_s_weights_are_the_ones_used(weights_file: Path, backbone: LoadedBackbone) -> None:
    again = load_backbone("resnet50", str(weights_file), SIZE)
    assert backbone.weights == "file"
    pairs = zip(backbone.network.get_weights(), again.network.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_a_file_that_holds_no_such_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights file"):
        load_backbone("resnet50", "nowhere.h5", SIZE)
    wrong = tmp_path / "wrong.weights.h5"
    wrong.write_bytes(b"words")
    with pytest.raises(UserError, match="does not hold weights"):
        load_backbone("resnet50", str(wrong), SIZE)


def test_without_a_network_imagenet_is_refused_and_auto_goes_on_from_scratch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://...: None -- no route to host")

    monkeypatch.setattr("keras.src.applications.resnet.file_utils.get_file", offline)
    with pytest.raises(UserError, match="could not be downloaded") as raised:
        load_backbone("resnet50", "imagenet", SIZE)
    assert "weights=none" in raised.value.fix
    loaded = load_backbone("resnet50", "auto", SIZE)
    assert loaded.weights == "none"
    assert "no route to host" in loaded.note


def test_an_unknown_backbone_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="'vgg'") as raised:
        load_backbone("vgg", "none", SIZE)
    assert all(name in raised.value.fix for name in BACKBONES)


def test_stage_one_trains_the_head_alone_and_stage_two_the_last_layers_too(
    backbone: LoadedBackbone,
) -> None:
    network = build_network(ClassifierConfig(image_size=SIZE), backbone, 3)
    freeze_all(backbone.network)
    head = {"probabilities", "dense"}
    learning = {v.path.split("/")[0].rsplit("_", 1)[0] for v in network.trainable_variables}
    assert not backbone.network.trainable_variables
    assert learning & head
    unfreeze_last(backbone.network, 50)
    assert [layer.trainable for layer in backbone.network.layers] == [False] * 125 + [True] * 50
    shapes = [tuple(layer.output.shape[1:]) for layer in network.layers[-5:]]
    assert shapes == [(2048,), (2048,), (256,), (256,), (3,)]


def test_augmentation_keeps_shape_and_range_and_can_be_off() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (4, SIZE, SIZE, 3)).astype(np.float32)
    changed = np.asarray(augmentation(ClassifierConfig(image_size=SIZE))(images, training=True))
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.abs(changed - images).mean() > 1
    off = dict.fromkeys(("rotation", "zoom", "translation", "contrast", "brightness"), 0)
    still = augmentation(ClassifierConfig(image_size=SIZE, flip=False, **off))  # type: ignore[arg-type]
    assert np.array_equal(np.asarray(still(images, training=True)), images)


def test_two_stages_end_in_a_staged_version_with_everything_logged(
    settings: Settings, colour_manifest: Manifest, weights_file: Path, tmp_path: Path
) -> None:
    config = ClassifierConfig(
        weights=str(weights_file), image_size=SIZE, stage1_epochs=1, stage2_epochs=1, batch_size=8
    )
    version = train_classifier(settings, colour_manifest, config)

    store = ModelStore(settings)
    assert version.aliases == ("staging",)
    tags, metrics = store.run_tags(version), store.run_metrics(version)
    assert tags["data.digest"] == colour_manifest.digest
    assert tags["weights.used"] == "file"
    assert {"val_accuracy", "test_accuracy", "test_macro_f1_low"} <= set(metrics)
    for path in ("data/manifest.csv", "environment/environment.json", "evaluation/test.json"):
        assert store.run_artifact(version, path, tmp_path).is_file()
    for path in ("evaluation/confusion.png", "training/curves.png", "training/history.csv"):
        assert store.run_artifact(version, path, tmp_path).is_file()

    folder = store.folder(version)
    images = np.random.default_rng(0).integers(0, 255, (3, 50, 40, 3)).astype(np.uint8)
    by_openvino = Classifier.load(folder, "openvino").probabilities(images)
    by_tensorflow = Classifier.load(folder, "tensorflow").probabilities(images)
    assert by_openvino.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert by_openvino == pytest.approx(by_tensorflow, abs=1e-3)
    assert Classifier.load(folder).description.labels == colour_manifest.classes
