"""What this machine computes on, and in which precision it is quick."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from registry import computes_bf16


def use_gpu_memory_as_needed() -> None:
    """Must come before a GPU is first used; measuring runs the stored model beside this one."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def gpu_is_used() -> bool:
    """Whether TensorFlow computes on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def precision_policy(precision: str, depthwise: bool = False) -> str:
    """Keras's policy for `auto`, `float32`, `bfloat16` or `float16`.

    depthwise: of a network whose convolutions are; those are slower in bfloat16 on a processor.
    """
    if precision == "auto":
        on_cpu = "bfloat16" if computes_bf16() and not depthwise else "float32"
        precision = "float16" if gpu_is_used() else on_cpu
    return precision if precision == "float32" else f"mixed_{precision}"


def distribution() -> Any:  # noqa: ANN401 - tf.distribute.Strategy
    """All GPUs alike where there are several; else plainly the one device."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


@contextmanager
def precision_for(policy: str) -> Iterator[None]:
    """Keras's global policy for the length of a block."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
