"""Small real models, stored and registered as training does it."""

import tempfile
from pathlib import Path
from typing import Any

from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import (
    ClassifierDescription,
    GeneratorDescription,
    ModelStore,
    ModelVersion,
    start_run,
    store_classifier,
    store_generator,
)

COLOURS = {"blue": (30, 60, 220), "green": (40, 170, 60), "red": (210, 40, 30)}


def colour_network(labels: tuple[str, ...] = tuple(COLOURS), size: int = 32, order: int = 1) -> Any:
    """A network that knows the colours above by their mean; order=-1 makes it always wrong."""
    import keras
    import numpy as np

    pixels = keras.Input((size, size, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    dense = keras.layers.Dense(len(labels), activation="softmax")
    network = keras.Model(pixels, dense(mean))
    centres = np.array([COLOURS[name] for name in labels], np.float32)
    kernel, bias = centres.T / 2000, -(centres**2).sum(axis=1) / 4000
    dense.set_weights([order * kernel, order * bias])
    return network


def noise_network(latent: int = 8, size: int = 32, spread: float = 1.0) -> Any:
    """A generator of blocky noise; spread=0 makes it collapse onto one picture."""
    import keras

    keras.utils.set_random_seed(1)
    start = keras.initializers.RandomNormal(stddev=max(spread, 1e-9), seed=1)
    noise = keras.Input((latent,))
    values = keras.layers.Dense(8 * 8 * 3, activation="tanh", kernel_initializer=start)(noise)
    small = keras.layers.Reshape((8, 8, 3))(values)
    return keras.Model(noise, keras.layers.UpSampling2D(size // 8)(small))


def register_tiny_classifier(
    settings: Settings,
    labels: tuple[str, ...] = tuple(COLOURS),
    size: int = 32,
    alias: str | None = "production",
    manifest: Manifest | None = None,
    order: int = 1,
) -> ModelVersion:
    """Register a colour classifier; it gets `alias` besides `staging`."""
    network = colour_network(labels, size, order)
    description = ClassifierDescription(labels, size, "colours", "none")
    return _register(settings, "classifier", network, description, alias, manifest)


def register_tiny_generator(
    settings: Settings,
    size: int = 32,
    alias: str | None = "production",
    manifest: Manifest | None = None,
    spread: float = 1.0,
    classes: tuple[str, ...] = tuple(COLOURS),
) -> ModelVersion:
    """Register a noise generator; it gets `alias` besides `staging`."""
    network = noise_network(size=size, spread=spread)
    description = GeneratorDescription("noise", 8, size, 3, classes)
    return _register(settings, "generator", network, description, alias, manifest)


def _register(
    settings: Settings,
    kind: Any,
    network: Any,
    description: Any,
    alias: str | None,
    manifest: Manifest | None,
) -> ModelVersion:
    parts: dict[str, tuple[Any, str]] = {
        "classifier": (store_classifier, settings.classifier_name),
        "generator": (store_generator, settings.generator_name),
    }
    store_model, name = parts[kind]
    with tempfile.TemporaryDirectory() as folder:
        store_model(network, description, Path(folder))
        with start_run(settings, f"train {kind}") as run:
            if manifest is not None:
                run.log_data(manifest, "colours")
            version = run.register(kind, Path(folder), name)
    store = ModelStore(settings)
    if alias:
        store.set_alias(name, alias, version.version)
    return store.get(name, version.version)
