"""Small real models, stored and registered as training does it."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from leafgate.audit_key import trusted_keys
from leafgate.gating import open_ledger
from leafgate.manifest import Manifest
from leafgate.metrics.confidences import confidence_counts
from leafgate.settings import Settings
from registry import (
    PRODUCTION,
    Classifier,
    ClassifierDescription,
    GeneratorDescription,
    Head,
    ModelStore,
    ModelVersion,
    OutlierScore,
    force,
    restore,
    start_run,
    store_classifier,
    store_generator,
)
from registry.kept_copies import folder_digest
from registry.pyfunc import StoredKind
from tests.colours import COLOURS, colour_picture

PERFECT = {"test_accuracy": 1.0, "test_macro_f1": 1.0}


def colour_network(labels: tuple[str, ...] = tuple(COLOURS), size: int = 32, order: int = 1) -> Any:
    """A network that knows the colours above by their mean; order=-1 makes it always wrong.

    Its feature map is the picture itself at a quarter of the size.
    """
    import keras

    pixels = keras.Input((size, size, 3))
    features = keras.layers.AveragePooling2D(4)(pixels)
    mean = keras.layers.GlobalAveragePooling2D()(features)
    dense = keras.layers.Dense(len(labels))
    network = keras.Model(pixels, {"logits": dense(mean), "features": features})
    head = colour_head(labels, order)
    dense.set_weights([head.kernel, head.bias])
    return network


def colour_head(labels: tuple[str, ...], order: int = 1) -> Head:
    """The last layer of that network."""
    centres = np.array([COLOURS[name] for name in labels], np.float32)
    kernel, bias = centres.T / 2000, -(centres**2).sum(axis=1) / 4000
    return Head.linear(order * kernel, order * bias)


def noise_network(
    latent: int = 8,
    size: int = 32,
    spread: float = 1.0,
    conditional: tuple[str, ...] = (),
) -> Any:
    """A generator of blocky noise; spread=0 makes it collapse onto one picture.

    conditional: names of COLOURS that can be asked for, about which the noise then lies.
    """
    import keras

    keras.utils.set_random_seed(1)
    start = keras.initializers.RandomNormal(stddev=max(spread, 1e-9), seed=1)
    noise = keras.Input((latent + len(conditional),))
    dense = keras.layers.Dense(8 * 8 * 3, activation="tanh", kernel_initializer=start)
    small = keras.layers.Reshape((8, 8, 3))(dense(noise))
    if conditional:
        kernel, bias = dense.get_weights()
        kernel[:latent] *= 0.05
        colours = np.array([COLOURS[name] for name in conditional], np.float32)
        kernel[latent:] = np.tile(np.arctanh(colours / 127.5 - 1), 8 * 8)
        dense.set_weights([kernel, bias])
    return keras.Model(noise, keras.layers.UpSampling2D(size // 8)(small))


def store_tiny_classifier(
    folder: Path,
    labels: tuple[str, ...] = tuple(COLOURS),
    size: int = 32,
    order: int = 1,
    temperature: float = 1.0,
    network: Any = None,
    outliers: bool = False,
) -> None:
    """Write a colour classifier. labels: named as COLOURS or not, they stand for the colours in
    that order. outliers: it can tell what is unknown. Stored once, and copied from then on.
    """
    if network is None:
        made = _stored_classifier(labels, size, order, temperature, outliers)
        shutil.copytree(made.name, folder, dirs_exist_ok=True)
    else:
        _write_classifier(folder, labels, network, order, temperature)
        if outliers:
            add_tiny_outlier_score(folder)


@cache
def _stored_classifier(
    labels: tuple[str, ...], size: int, order: int, temperature: float, outliers: bool
) -> "tempfile.TemporaryDirectory[str]":
    made = tempfile.TemporaryDirectory()
    network = colour_network(_colours_for(labels), size, order)
    store_tiny_classifier(
        Path(made.name), labels, size, order, temperature, network, outliers=outliers
    )
    return made


def _write_classifier(
    folder: Path, labels: tuple[str, ...], network: Any, order: int, temperature: float
) -> None:
    description = ClassifierDescription(
        labels,
        int(network.input_shape[1]),
        "colours",
        "none",
        temperature,
        reference_classes=dict.fromkeys(labels, 20),
        reference_confidences=confidence_counts(np.linspace(0.4, 1, 20 * len(labels))),
    )
    store_classifier(network, colour_head(_colours_for(labels), order), description, folder)


def _colours_for(labels: tuple[str, ...]) -> tuple[str, ...]:
    return labels if set(labels) <= set(COLOURS) else tuple(COLOURS)


def add_tiny_outlier_score(folder: Path) -> None:
    """Let the colour classifier in `folder` call unknown what has none of its colours."""
    classifier = Classifier.load(folder, "openvino")
    labels = np.arange(60) % len(classifier.description.labels)
    names = [classifier.description.labels[label] for label in labels]
    images = [np.asarray(colour_picture(name, n)) for n, name in enumerate(names)]
    pooled = classifier.outputs(images).pooled
    score = OutlierScore.fit(pooled, labels)
    score.with_threshold(1.5 * score.score(pooled), 1.0).save(folder)


def register_tiny_classifier(
    settings: Settings,
    labels: tuple[str, ...] = tuple(COLOURS),
    size: int = 32,
    alias: str | None = "production",
    manifest: Manifest | None = None,
    order: int = 1,
    outliers: bool = False,
    temperature: float = 1.0,
    logged: Mapping[str, float] | None = None,
    network: Any = None,
) -> ModelVersion:
    """Register a colour classifier; it gets `alias` besides `staging`.

    logged: figures of its run; without, those of one that is always right. network: another one.
    """

    def store(folder: Path) -> None:
        store_tiny_classifier(folder, labels, size, order, temperature, network, outliers)

    figures = PERFECT if logged is None else logged
    name = settings.classifier_name
    return _register(settings, "classifier", name, store, alias, manifest, figures)


def register_tiny_generator(
    settings: Settings,
    size: int = 32,
    alias: str | None = "production",
    manifest: Manifest | None = None,
    spread: float = 1.0,
    classes: tuple[str, ...] = tuple(COLOURS),
    conditional: bool = False,
    network: Any = None,
) -> ModelVersion:
    """Register a noise generator; it gets `alias` besides `staging`.

    conditional: one of the colours can be asked of it.
    """
    network = network or noise_network(
        size=size, spread=spread, conditional=classes if conditional else ()
    )
    description = GeneratorDescription("noise", 8, size, 3, classes, conditional)

    def store(folder: Path) -> None:
        store_generator(network, description, folder)

    return _register(settings, "generator", settings.generator_name, store, alias, manifest)


def write_stored_model(folder: Path) -> str:
    """What MLflow would store of a model that is never loaded; its digest."""
    (folder / "artifacts" / "model").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "artifacts" / "model" / "model.json").write_text("{}")
    return folder_digest(folder)


def vouch_for_production(settings: Settings) -> None:
    """Write into the audit what a test has put into production with its own hands.

    The same models may serve several tests, each with a database of its own.
    """
    ledger = open_ledger(settings)
    for name in (settings.classifier_name, settings.generator_name):
        version = ledger.store.find(name, PRODUCTION)
        if version is not None:
            restore(ledger.store, ledger.trail, name, trusted_keys(settings))
            force(ledger, version, "a test's own model")


def have_at_hand(settings: Settings, *versions: ModelVersion) -> None:
    """Fetch files as the gate does when it measures, so that no service has to: that is a process
    of its own, which takes seconds to import MLflow. Without `versions`: what is in production.
    """
    store = ModelStore(settings)
    names = (settings.classifier_name, settings.generator_name)
    for version in versions or filter(None, (store.find(name, PRODUCTION) for name in names)):
        store.folder(version)


def _register(
    settings: Settings,
    kind: StoredKind,
    name: str,
    store_in: Callable[[Path], None],
    alias: str | None,
    manifest: Manifest | None,
    logged: Mapping[str, float] | None = None,
) -> ModelVersion:
    with tempfile.TemporaryDirectory() as folder:
        store_in(Path(folder))
        with start_run(settings, f"train {kind}", ledger=open_ledger(settings)) as run:
            if manifest is not None:
                run.log_data(manifest, "colours")
            run.log_metrics(logged or {})
            version = run.register(kind, Path(folder), name, manifest)
    store = ModelStore(settings)
    if alias:
        store.set_alias(name, alias, version.version)
    return store.get(name, version.version)
