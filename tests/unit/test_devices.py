"""What is computed in which precision, and on how many devices."""

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from registry import gpu
from registry.engine import pick_engine
from training import devices


@pytest.mark.parametrize(
    ("precision", "policy"),
    [
        ("float32", "float32"),
        ("bfloat16", "mixed_bfloat16"),
        ("float16", "mixed_float16"),
    ],
)
def test_a_precision_asked_for_is_used_anywhere(precision: str, policy: str) -> None:
    assert devices.precision_policy(precision) == policy


@pytest.mark.parametrize(
    ("cards", "quick", "policy"),
    [
        (1, False, "mixed_float16"),
        (1, True, "mixed_float16"),
        (0, True, "mixed_bfloat16"),
        (0, False, "float32"),
    ],
)
def test_auto_is_what_is_quick_here(
    cards: int, quick: bool, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["card"] * cards)
    monkeypatch.setattr(devices, "computes_bf16", lambda: quick)
    assert devices.precision_policy("auto") == policy


def test_one_device_needs_no_distribution() -> None:
    assert not isinstance(devices.distribution(), tf.distribute.MirroredStrategy)


def test_a_policy_ends_with_its_block_also_where_it_fails() -> None:
    before = keras.mixed_precision.global_policy().name
    with pytest.raises(ValueError, match="midway"), devices.precision_for("mixed_bfloat16"):
        assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"
        raise ValueError("midway")
    assert keras.mixed_precision.global_policy().name == before


def test_the_engine_follows_what_tensorflow_itself_sees_beside_a_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "DRIVER", tmp_path)
    gpu._asked.cache_clear()
    wanted = "tensorflow" if tf.config.list_physical_devices("GPU") else "openvino-int8"
    assert pick_engine("auto", "int8")[0] == wanted
    gpu._asked.cache_clear()
