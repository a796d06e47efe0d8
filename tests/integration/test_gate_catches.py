"""Each check holds back a stored model that was built to fail it, and passes one built to pass."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leafgate.gating import open_ledger
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore, ModelVersion
from tests.colours import make_colour_folder
from tests.models import colour_network, register_tiny_classifier
from tests.policies import only_verdict as verdict
from tests.policies import write_policy
from training.data.folder import scan_folder
from training.data.split import split

Register = Callable[..., ModelVersion]


def test_one_that_lies_in_its_logged_figures(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "logged_figures: {differ_by_at_most: 0.01}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, order=-1)
    liar = verdict(settings, policy)
    assert not liar.passed
    assert "accuracy: logged 1.0000, measured 0.0000" in liar.sentence

    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, logged={})
    assert "logged no test_accuracy" in verdict(settings, policy).sentence


def test_one_trained_on_test_images_or_on_other_pictures_of_their_leaves(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "no_leak:")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    test = colour_manifest.side("test")[0]
    copy = replace(test, path=f"again/{Path(test.path).name}", side="train", group="another")
    learnt = Manifest(colour_manifest.root, (*colour_manifest.rows, copy))
    register_tiny_classifier(settings, alias=None, manifest=learnt)
    cheat = verdict(settings, policy)
    assert not cheat.passed
    assert f"1 test image were learnt from ({test.path})" in cheat.sentence

    mate = replace(colour_manifest.side("train")[0], group=test.group)
    rows = (mate if row.path == mate.path else row for row in colour_manifest.rows)
    register_tiny_classifier(
        settings, alias=None, manifest=Manifest(colour_manifest.root, tuple(rows))
    )
    assert "of which another picture was learnt from" in verdict(settings, policy).sentence


def test_one_that_nobody_can_trace(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "provenance:")
    version = register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    ledger = open_ledger(settings)
    ledger.store.client.set_tag(version.run_id, "data.digest", "0" * 64)
    ledger.store.client.delete_tag(version.run_id, "git.commit")
    ledger.store.client.delete_tag(version.run_id, "leafgate.version")
    assert verdict(settings, policy).sentence == "missing: data digest, code"


def test_a_slower_one(settings: Settings, colour_manifest: Manifest, tmp_path: Path) -> None:
    policy = write_policy(tmp_path, "latency: {p95_ms_at_most: 5000, times_champion_at_most: 3}")
    register_tiny_classifier(settings, manifest=colour_manifest)
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, network=slow_network())
    slow = verdict(settings, policy)
    assert not slow.passed
    assert "times the champion's" in slow.sentence

    lenient = write_policy(tmp_path, "latency: {p95_ms_at_most: 5000, times_champion_at_most: 900}")
    assert verdict(settings, lenient).passed
    strict = write_policy(tmp_path, "latency: {p95_ms_at_most: 0.01, times_champion_at_most: 900}")
    assert not verdict(settings, strict).passed


def test_a_badly_calibrated_one(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "calibration: {error_at_most: 0.1}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, temperature=100.0)
    assert not verdict(settings, policy).passed


def test_one_that_is_worse_than_the_champion_on_the_same_images(
    settings: Settings, tmp_path: Path
) -> None:
    images = scan_folder(make_colour_folder(tmp_path / "images", each=20))
    manifest = split(images, (0.4, 0.1, 0.5))
    policy = write_policy(tmp_path, "champion: {worse_by_at_most: 0, if_not_shown_to_differ: pass}")
    register_tiny_classifier(settings, alias=None, manifest=manifest)
    assert verdict(settings, policy).outcome == "no champion"
    register_tiny_classifier(settings, ("red", "green", "blue"), alias=None, manifest=manifest)
    alike = verdict(settings, policy)
    assert (alike.passed, alike.outcome) == (True, "not shown to differ")

    register_tiny_classifier(settings, alias=None, manifest=manifest, network=blind_network())
    worse = verdict(settings, policy)
    assert (worse.passed, worse.outcome) == (False, "worse")
    assert "against version 2" in worse.sentence
    assert ModelStore(settings).get("leaf-classifier", "production").version == 2


def test_one_that_is_blind_to_a_class(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "class_recall: {at_least: 0.5}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    register_tiny_classifier(
        settings, alias=None, manifest=colour_manifest, network=blind_network()
    )
    blind = verdict(settings, policy)
    assert not blind.passed
    assert "the worst class is green: 0.0%" in blind.sentence


def test_one_that_knows_fewer_classes_or_other_ones(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "classes: {removed_at_most: 0}")
    register_tiny_classifier(settings, manifest=colour_manifest)
    register_tiny_classifier(settings, ("green", "red"), alias=None, manifest=colour_manifest)
    fewer = verdict(settings, policy)
    assert not fewer.passed
    assert "removed: blue" in fewer.sentence

    register_tiny_classifier(
        settings, ("red", "green", "blue"), alias=None, manifest=colour_manifest
    )
    turned = verdict(settings, policy)
    assert turned.passed
    assert "in another order" in turned.sentence


def test_one_whose_answers_are_no_numbers(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "finite:")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    network = colour_network()
    dense = network.layers[-1]
    dense.set_weights([np.full_like(weight, np.nan) for weight in dense.get_weights()])
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, network=network)
    assert not verdict(settings, policy).passed
    accurate = write_policy(tmp_path, "accuracy: {at_least: 0.1}")
    assert not verdict(settings, accurate).passed


def test_one_with_a_stored_form_that_answers_otherwise(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = "{fp32_loses_at_most: 0.01, bf16_loses_at_most: 0.05, int8_loses_at_most: 0.05}"
    policy = write_policy(tmp_path, f"engine_forms: {margins}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed

    import registry.engine as engine

    export = engine.store_network

    def botched(network: Any, folder: Path) -> None:
        export(network, folder)
        wrong = colour_network(order=-1)
        wrong.export(str(folder / "openvino/fp32.xml"), format="openvino", verbose=False)

    monkeypatch.setattr("registry.classifier_model.store_network", botched)
    network = colour_network()
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, network=network)
    other = verdict(settings, policy)
    assert not other.passed
    assert "outside its margin: openvino-fp32, openvino-bf16, pyfunc" in other.sentence


def test_one_that_cannot_say_that_it_does_not_know(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "unknowns: {let_through_at_most: 0.3, refused_at_most: 0.3}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, outliers=True)
    assert verdict(settings, policy).passed

    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert "without a score" in verdict(settings, policy).sentence


def test_one_that_fails_in_the_dark(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    policy = write_policy(tmp_path, "robustness: {misled_at_most: 0.5}")
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, policy).passed
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest, order=-1)
    assert not verdict(settings, policy).passed


def test_one_that_is_too_large(
    settings: Settings, colour_manifest: Manifest, tmp_path: Path
) -> None:
    register_tiny_classifier(settings, alias=None, manifest=colour_manifest)
    assert verdict(settings, write_policy(tmp_path, "size: {megabytes_at_most: 1}")).passed
    assert not verdict(settings, write_policy(tmp_path, "size: {megabytes_at_most: 0.01}")).passed


def slow_network() -> Any:
    """Knows the colours, after a detour that changes nothing."""
    import keras

    pixels = keras.Input((32, 32, 3))
    detour = pixels
    for _ in range(5):
        detour = keras.layers.Conv2D(64, 5, padding="same", activation="relu")(detour)
    nothing = keras.layers.Conv2D(3, 1, kernel_initializer="zeros", use_bias=False)(detour)
    outputs = colour_network()(keras.layers.Add()([pixels, nothing]))
    return keras.Model(pixels, outputs)


def blind_network() -> Any:
    """Knows the colours but green, which it never says."""
    network = colour_network()
    dense = network.layers[-1]
    kernel, bias = dense.get_weights()
    bias[1] -= 1000
    dense.set_weights([kernel, bias])
    return network
