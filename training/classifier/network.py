"""The classifier network: pixels in, probabilities out, preparation inside.

Two stages on pretrained weights (head alone, then the last layers), or one from scratch.
"""

from typing import Any

import keras

from training.classifier.backbones import LoadedBackbone, Network, find_backbone
from training.classifier.config import ClassifierConfig

LAST_IN_BRANCH = "_3_bn"  # Keras's name for the last normalisation of a residual branch


def build_network(config: ClassifierConfig, backbone: LoadedBackbone, classes: int) -> Network:
    """(n, size, size, 3) RGB in [0, 255] to (n, classes) softmax probabilities.

    Head: GlobalAveragePooling - BatchNormalization - Dense(ReLU) - Dropout - Dense(softmax). A
    pretrained backbone runs its batch normalisation in inference mode throughout: its statistics
    are worth more than those of a few small batches.
    """
    pretrained = backbone.weights != "none"
    momentum = 0.99 if pretrained else config.scratch_momentum
    if not pretrained:
        _prepare_for_scratch(backbone.network, momentum)
    pixels = keras.Input((config.image_size, config.image_size, 3), name="pixels")
    prepared = find_backbone(config.backbone).prepare(pixels)
    features = backbone.network(prepared, training=False if pretrained else None)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    normalised = keras.layers.BatchNormalization(momentum=momentum)(pooled)
    hidden = keras.layers.Dense(config.hidden_units, activation="relu")(normalised)
    dropped = keras.layers.Dropout(config.dropout, seed=config.seed)(hidden)
    probabilities = keras.layers.Dense(classes, activation="softmax", name="probabilities")(dropped)
    return keras.Model(pixels, probabilities, name="classifier")


def _prepare_for_scratch(network: Network, momentum: float) -> None:
    """What a residual network needs to learn within a few hundred steps.

    Keras's momentum of 0.99 takes thousands of steps before inference matches training. And each
    residual branch starts at zero (its last scale), so that the network starts out shallow: Goyal
    et al. 2017, arXiv 1706.02677, section 5.1.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
            if layer.name.endswith(LAST_IN_BRANCH):
                layer.gamma.assign(keras.ops.zeros_like(layer.gamma))


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
    layers, seed = keras.layers, config.seed
    reach, fill = config.translation, "reflect"
    steps = [
        config.flip and layers.RandomFlip("horizontal_and_vertical", seed=seed),
        config.rotation and layers.RandomRotation(config.rotation, fill_mode=fill, seed=seed + 1),
        config.zoom and layers.RandomZoom(config.zoom, fill_mode=fill, seed=seed + 2),
        reach and layers.RandomTranslation(reach, reach, fill_mode=fill, seed=seed + 3),
        config.contrast
        and layers.RandomContrast(config.contrast, value_range=(0, 255), seed=seed + 4),
        config.brightness
        and layers.RandomBrightness(config.brightness, value_range=(0, 255), seed=seed + 5),
    ]
    return keras.Sequential([step for step in steps if step] or [layers.Identity()])
