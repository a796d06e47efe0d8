"""The classifier network: pixels in, probabilities out, preparation inside.

Two stages on pretrained weights (head alone, then the last layers), or one from scratch.
"""

from typing import Any

import keras

from training.classifier.backbones import LoadedBackbone, Network, find_backbone
from training.classifier.config import ClassifierConfig


def build_network(config: ClassifierConfig, backbone: LoadedBackbone, classes: int) -> Network:
    """(n, size, size, 3) RGB in [0, 255] to (n, classes) softmax probabilities.

    Head: GlobalAveragePooling - BatchNormalization - Dense(ReLU) - Dropout - Dense(softmax). A
    pretrained backbone runs its batch normalisation in inference mode throughout: its statistics
    are worth more than those of a few small batches.
    """
    pretrained = backbone.weights != "none"
    momentum = 0.99 if pretrained else config.scratch_momentum
    if not pretrained:
        _set_momentum(backbone.network, momentum)
    pixels = keras.Input((config.image_size, config.image_size, 3), name="pixels")
    prepared = find_backbone(config.backbone).prepare(pixels)
    features = backbone.network(prepared, training=False if pretrained else None)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    normalised = keras.layers.BatchNormalization(momentum=momentum)(pooled)
    hidden = keras.layers.Dense(config.hidden_units, activation="relu")(normalised)
    dropped = keras.layers.Dropout(config.dropout, seed=config.seed)(hidden)
    probabilities = keras.layers.Dense(classes, activation="softmax", name="probabilities")(dropped)
    return keras.Model(pixels, probabilities, name="classifier")


def _set_momentum(network: Network, momentum: float) -> None:
    """Keras's 0.99 needs thousands of steps before inference matches training; we have hundreds."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def freeze_all(backbone: Network) -> None:
    """Stage 1: nothing below the head learns."""
    backbone.trainable = False


def unfreeze_last(backbone: Network, count: int) -> None:
    """Stage 2: the last `count` layers learn."""
    backbone.trainable = True
    for layer in backbone.layers[: max(len(backbone.layers) - count, 0)]:
        layer.trainable = False


def augmentation(config: ClassifierConfig) -> Any:  # noqa: ANN401 - keras.Sequential
    """Random changes that keep the label, on RGB in [0, 255], before any preparation."""
    layers = keras.layers
    steps = [
        layers.RandomFlip("horizontal_and_vertical", seed=config.seed) if config.flip else None,
        layers.RandomRotation(config.rotation, fill_mode="reflect", seed=config.seed + 1),
        layers.RandomZoom(config.zoom, fill_mode="reflect", seed=config.seed + 2),
        layers.RandomTranslation(
            config.translation, config.translation, fill_mode="reflect", seed=config.seed + 3
        ),
        layers.RandomContrast(config.contrast, value_range=(0, 255), seed=config.seed + 4),
        layers.RandomBrightness(config.brightness, value_range=(0, 255), seed=config.seed + 5),
    ]
    return keras.Sequential([step for step in steps if step is not None], name="augmentation")
