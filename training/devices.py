"""How training shares the machine's accelerators with what runs beside it."""

import tensorflow as tf


def use_gpu_memory_as_needed() -> None:
    """Must come before a GPU is first used; measuring runs the stored model beside this one."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
