"""The classifier network: pixels in, logits and the last feature map out, preparation inside.

Two stages on pretrained weights (head alone, then the last layers), or one from scratch.
"""

from dataclasses import replace

import keras
import numpy as np

from registry import Head
from training.classifier.backbones import Backbone, LoadedBackbone, Network, find_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.linear_model import EPSILON, LinearModel


def build_network(
    config: ClassifierConfig, backbone: LoadedBackbone, classes: int, size: int | None = None
) -> Network:
    """(n, size, size, 3) RGB in [0, 255] to `logits` (n, classes) and `features` (n, h, w, c).

    size: None for pictures of any size.
    """
    pretrained = backbone.weights != "none"
    found = find_backbone(backbone.name)
    if not pretrained:
        _prepare_for_scratch(backbone.network, found, config.scratch_momentum)
    pixels = keras.Input((size, size, 3), name="pixels")
    features = backbone.network(found.prepare(pixels))
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    logits = build_head(config, pretrained, features.shape[-1], classes)(pooled)
    return keras.Model(pixels, {"logits": logits, "features": features}, name="classifier")


def build_head(config: ClassifierConfig, pretrained: bool, channels: int, classes: int) -> Network:
    """(n, channels) pooled features to (n, classes) logits.

    On pretrained features: BatchNormalization - Dense(ReLU), where there are `hidden_units` -
    Dropout - Dense. From scratch the features themselves learn, and Dropout - Dense is enough.
    """
    pooled = x = keras.Input((channels,), name="pooled_features")
    if pretrained:
        x = keras.layers.BatchNormalization(epsilon=EPSILON, name="normalise")(x)
        if config.hidden_units:
            x = keras.layers.Dense(config.hidden_units, activation="relu", name="hidden")(x)
    dropout = config.dropout if pretrained else config.scratch_dropout
    x = keras.layers.Dropout(dropout, seed=config.seed)(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(pooled, logits, name="head")


def extract_head(network: Network) -> Head:
    """The weights of the head, for figures and pictures without Keras."""
    head = network.get_layer("head")
    names = {layer.name for layer in head.layers}
    kernel, bias = head.get_layer("logits").get_weights()
    plain = Head.linear(kernel, bias)
    if "normalise" not in names:
        return plain
    layer = head.get_layer("normalise")
    gamma, beta, mean, variance = layer.get_weights()
    scale = gamma / (variance + layer.epsilon) ** 0.5
    scaled = replace(plain, scale=scale, shift=beta - mean * scale)
    if "hidden" not in names:
        return scaled
    hidden_kernel, hidden_bias = head.get_layer("hidden").get_weights()
    return replace(scaled, hidden_kernel=hidden_kernel, hidden_bias=hidden_bias)


def take_linear_model(head: Network, model: LinearModel) -> None:
    """Make the head, which has no hidden layer, answer as the linear model does."""
    layer = head.get_layer("normalise")
    ones, zeros = np.ones_like(model.mean), np.zeros_like(model.mean)
    layer.set_weights([ones, zeros, model.mean, model.variance])
    head.get_layer("logits").set_weights([model.kernel, model.bias])


def _prepare_for_scratch(network: Network, backbone: Backbone, momentum: float) -> None:
    """What a residual network needs to learn within a few hundred steps.

    Keras's momentum of 0.99 takes thousands of steps before inference matches training. And each
    residual branch starts at zero (its last scale), so that the network starts out shallow: Goyal
    et al. 2017, arXiv 1706.02677, section 5.1.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
            if backbone.last_in_branch and layer.name.endswith(backbone.last_in_branch):
                layer.gamma.assign(keras.ops.zeros_like(layer.gamma))


def freeze_all(backbone: Network) -> None:
    """Stage 1: nothing below the head learns."""
    backbone.trainable = False


def freeze_normalisation(head: Network) -> None:
    """Stage 2: what stage 1 found of the features' mean and spread stays."""
    if "normalise" in {layer.name for layer in head.layers}:
        head.get_layer("normalise").trainable = False


def unfreeze_last(backbone: Network, count: int) -> None:
    """Stage 2: the last `count` layers learn, but for batch normalisation.

    Its statistics are worth more than those of a few small batches. Keras runs it in inference mode
    where it is frozen; `training=False` on the backbone would be overruled by `fit`.
    """
    backbone.trainable = True
    first = max(len(backbone.layers) - count, 0)
    for number, layer in enumerate(backbone.layers):
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = number >= first and not normalises
