"""EfficientNet-Lite for fine-tuning: in Keras it says what it says in OpenVINO."""

from typing import get_args

import numpy as np
import pytest

from registry.efficientnet_lite import LITES, LiteName
from tests.lite_pictures import picture
from tests.unit.test_efficientnet_lite import compiled
from training.classifier.backbones import find_backbone


@pytest.mark.parametrize("name", get_args(LiteName))
def test_keras_and_openvino_agree(name: LiteName) -> None:
    backbone = find_backbone(name)
    network = backbone.build(include_top=False, weights="imagenet", input_shape=(None, None, 3))
    for shown in ("flower", "noise"):
        pixels = picture(shown, LITES[name].size)
        maps = np.asarray(network(backbone.prepare(pixels), training=False))
        assert maps.shape == (1, -(-pixels.shape[1] // 32), -(-pixels.shape[2] // 32), 1280)
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), compiled(name)(pixels)[0], atol=1e-4)


def test_without_weights_it_is_random_and_needs_no_package() -> None:
    network = find_backbone("efficientnet_lite0").build(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    assert network.output_shape == (None, None, None, 1280)
    for wrong in (
        {"include_top": True, "weights": None},
        {"include_top": False, "weights": "noisy"},
    ):
        with pytest.raises(ValueError, match="without a top"):
            find_backbone("efficientnet_lite0").build(**wrong, input_shape=(None, None, 3))
