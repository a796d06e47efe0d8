"""Each check holds back a generator that was built to fail it, and passes one built to pass."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.images import load_images
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from tests.models import register_tiny_classifier, register_tiny_generator
from tests.policies import failed_checks, write_policy
from tests.policies import only_verdict as verdict


def test_a_generator_that_replays_its_training_images(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(
        tmp_path, "memorised: {share_at_most: 0.5}", "generator", "features: pixels"
    )
    register_tiny_generator(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy, "leaf-generator").passed

    register_tiny_generator(
        settings, alias=None, manifest=colour_manifest, network=replaying_network(colour_manifest)
    )
    replay = verdict(settings, policy, "leaf-generator")
    assert not replay.passed
    assert replay.figure > 0.9


def test_a_collapsed_generator(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    checks = "not_collapsed: {near_copies_at_most: 0.2}\ndiverse: {at_least: 0.3}"
    policy = write_policy(tmp_path, checks, "generator")
    register_tiny_generator(settings, alias=None, manifest=colour_manifest)
    assert failed_checks(settings, policy, "leaf-generator") == set()
    register_tiny_generator(settings, alias=None, manifest=colour_manifest, spread=0)
    assert failed_checks(settings, policy, "leaf-generator") == {"not_collapsed", "diverse"}


def test_a_generator_of_other_pictures_than_were_asked_for(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    checks = (
        "class_fidelity: {at_least: 0.8}\nkernel_distance: {at_most: 0.4}\n"
        "champion: {worse_by_at_most: 0.1}"
    )
    policy = write_policy(tmp_path, checks, "generator", "features: classifier")
    register_tiny_classifier(settings, manifest=colour_manifest)
    conditional = partial(
        register_tiny_generator, settings, alias=None, manifest=colour_manifest, conditional=True
    )
    conditional()
    assert failed_checks(settings, policy, "leaf-generator") == set()
    conditional(network=wrong_colours())
    assert failed_checks(settings, policy, "leaf-generator") == {
        "class_fidelity",
        "kernel_distance",
        "champion",
    }


def replaying_network(manifest: Manifest) -> Any:
    """Gives back a training image for every latent."""
    import keras

    files = [manifest.file(row) for row in manifest.side("train")]
    images = load_images(files, 32).astype(np.float32) / 127.5 - 1
    noise = keras.Input((8,))
    chosen = keras.layers.Dense(len(images), activation="softmax", use_bias=False)
    shown = keras.layers.Dense(32 * 32 * 3, use_bias=False)
    network = keras.Model(noise, keras.layers.Reshape((32, 32, 3))(shown(chosen(noise))))
    rng = np.random.default_rng(0)
    chosen.set_weights([rng.normal(0, 1000, (8, len(images)))])
    shown.set_weights([images.reshape(len(images), -1)])
    return network


def wrong_colours() -> Any:
    """A grey picture, whatever was asked for."""
    import keras

    inputs = keras.Input((8 + 3,))
    dense = keras.layers.Dense(32 * 32 * 3, activation="tanh", kernel_initializer="zeros")
    return keras.Model(inputs, keras.layers.Reshape((32, 32, 3))(dense(inputs)))
