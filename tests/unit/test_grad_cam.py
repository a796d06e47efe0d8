"""The head in NumPy says what Keras says, and its Grad-CAM is the one of automatic derivatives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from leafgate.errors import UserError
from registry import (
    Classifier,
    Explanation,
    Head,
    grad_cam,
)
from tests.colours import COLOURS
from tests.models import store_tiny_classifier
from training.classifier.backbones import load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.network import build_head, build_network, extract_head

CLASSES, CHANNELS = 4, 6
CONFIG = ClassifierConfig(backbone="resnet18", image_size=32, hidden_units=16)
LABELS = tuple(COLOURS)
EXPLAIN = """
import sys
from pathlib import Path
import numpy as np
from registry import Classifier

picture = np.full((32, 32, 3), (30, 60, 220), np.uint8)
picture[:, :16] = (210, 40, 30)
explained = Classifier.load(Path(sys.argv[1]), "openvino").explain(picture, "red")
assert explained.class_name == "red" and explained.heat.max() == 1
assert "tensorflow" not in sys.modules, "TensorFlow was imported"
assert "keras" not in sys.modules, "Keras was imported"
"""


def shaken(network: Any) -> Any:
    """With random weights everywhere, as after learning; variances stay positive."""
    rng = np.random.default_rng(0)
    for variable in network.variables:
        low, high = (0.5, 2) if "variance" in variable.path else (-1, 1)
        variable.assign(rng.uniform(low, high, variable.shape))
    return network


@pytest.fixture(params=[True, False], ids=["hidden layer", "linear"])
def network(request: pytest.FixtureRequest) -> Any:
    """One convolution, then the head that a backbone with or without weights gets."""
    pixels = keras.Input((20, 16, 3))
    features = keras.layers.Conv2D(CHANNELS, 3, strides=4, activation="relu")(pixels)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    logits = build_head(CONFIG, request.param, CHANNELS, CLASSES)(pooled)
    return shaken(keras.Model(pixels, {"logits": logits, "features": features}))


def pictures(count: int = 5) -> Any:
    return tf.constant(np.random.default_rng(1).normal(0, 1, (count, 20, 16, 3)), tf.float32)


def features_of(network: Any, images: Any) -> np.ndarray:
    return np.asarray(network(images, training=False)["features"])


def test_the_head_says_what_the_keras_network_says(network: Any) -> None:
    said = network(pictures(), training=False)
    head = extract_head(network)
    assert head.has_hidden == ("hidden" in {x.name for x in network.get_layer("head").layers})
    pooled = np.asarray(said["features"]).mean(axis=(1, 2))
    assert np.allclose(head.logits(pooled), said["logits"], atol=1e-4)


@pytest.mark.parametrize("weights", ["file", "none"])
def test_the_head_of_a_built_network_says_what_the_network_says(weights: Any) -> None:
    backbone = load_backbone("resnet18", "none")._replace(weights=weights)
    network = build_network(CONFIG, backbone, CLASSES, 32)
    shaken(network.get_layer("head"))
    images = np.random.default_rng(2).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    said = network(images, training=False)
    head = extract_head(network)
    assert head.has_hidden == (weights != "none")
    pooled = np.asarray(said["features"]).mean(axis=(1, 2))
    assert np.allclose(head.logits(pooled), said["logits"], atol=1e-3)


@pytest.mark.parametrize("class_index", range(CLASSES))
def test_the_closed_form_is_the_grad_cam_of_automatic_derivatives(
    network: Any, class_index: int
) -> None:
    head = extract_head(network)
    for features in features_of(network, pictures()):
        assert np.allclose(
            grad_cam(head, features, class_index),
            taped_grad_cam(network, features, class_index),
            atol=1e-4,
        )


def test_the_classes_have_maps_of_their_own(network: Any) -> None:
    head, features = extract_head(network), features_of(network, pictures(1))[0]
    maps = [grad_cam(head, features, index) for index in range(CLASSES)]
    assert max(float(np.abs(maps[0] - other).max()) for other in maps[1:]) > 0.1


def taped_grad_cam(network: Any, features: np.ndarray, class_index: int) -> np.ndarray:
    """As Selvaraju et al. 2017 write it: derivatives by each place, averaged to channel weights."""
    places = tf.constant(features[None])
    with tf.GradientTape() as tape:
        tape.watch(places)
        pooled = network.get_layer("pooled")(places)
        logit = network.get_layer("head")(pooled, training=False)[0, class_index]
    weights = tf.reduce_mean(tape.gradient(logit, places), axis=(1, 2))
    heat = np.maximum(np.asarray(tf.reduce_sum(places * weights[:, None, None], axis=-1))[0], 0)
    return heat / max(float(heat.max()), 1e-12)


@pytest.mark.parametrize("hidden", [0, 5])
def test_the_gradient_is_what_a_small_step_shows(hidden: int) -> None:
    rng = np.random.default_rng(4)
    head = Head(
        rng.uniform(0.5, 2, CHANNELS), rng.normal(0, 1, CHANNELS),
        rng.normal(0, 1, (CHANNELS, hidden)), rng.normal(0, 1, hidden),
        rng.normal(0, 1, (hidden or CHANNELS, CLASSES)), rng.normal(0, 1, CLASSES),
    )  # fmt: skip
    pooled, step = rng.normal(0, 1, CHANNELS), 1e-6
    steps = head.logits(pooled + step * np.eye(CHANNELS)) - head.logits(pooled[None])
    for index in range(CLASSES):
        assert np.allclose(head.gradient(pooled, index), steps[:, index] / step, atol=1e-4)


def test_where_nothing_speaks_for_the_class_nothing_is_hot() -> None:
    head = Head.linear(-np.ones((3, 2), np.float32), np.zeros(2, np.float32))
    heat = grad_cam(head, np.ones((4, 5, 3), np.float32), 0)
    assert heat.shape == (4, 5)
    assert not heat.any()


def test_a_stored_head_says_the_same(network: Any, tmp_path: Path) -> None:
    head, pooled = extract_head(network), np.random.default_rng(3).random((7, CHANNELS))
    head.save(tmp_path)
    loaded = Head.load(tmp_path)
    assert loaded.has_hidden == head.has_hidden
    assert np.allclose(loaded.logits(pooled), head.logits(pooled), atol=1e-5)
    assert np.allclose(loaded.gradient(pooled[0], 1), head.gradient(pooled[0], 1), atol=1e-5)


def test_a_model_without_a_head_is_to_be_trained_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no head\.npz"):
        Head.load(tmp_path)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a colour classifier."""
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder)
    return folder


def explained(folder: Path, class_name: str | None) -> Explanation:
    """For a picture that is blue but for its upper left quarter, which is red."""
    picture = np.full((32, 32, 3), COLOURS["blue"], np.uint8)
    picture[:16, :16] = COLOURS["red"]
    return Classifier.load(folder, "openvino").explain(picture, class_name)


def test_the_map_is_hot_where_the_colour_of_the_class_is(stored: Path) -> None:
    heat = explained(stored, "red").heat
    assert heat.shape == (8, 8)
    assert heat[:4, :4].min() == pytest.approx(1, abs=1e-3)
    assert max(heat[4:].max(), heat[:, 4:].max()) < 0.5


def test_without_a_class_the_predicted_one_is_explained(stored: Path) -> None:
    answer = explained(stored, None)
    assert answer.class_name == answer.prediction.class_name == "blue"
    assert answer.heat[:4, :4].max() < answer.heat[4:, 4:].min() == pytest.approx(1, abs=1e-3)


def test_a_class_the_model_does_not_know_cannot_be_explained(stored: Path) -> None:
    with pytest.raises(ValueError):
        explained(stored, "violet")


def test_a_grad_cam_needs_neither_tensorflow_nor_keras(stored: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN, str(stored)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
