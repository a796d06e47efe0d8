"""Whether TensorFlow computes on a GPU here, asked without importing it into this process.

That a driver is there says little: without CUDA's libraries, with a driver that is too old or with
`CUDA_VISIBLE_DEVICES` empty TensorFlow computes on the CPU, which OpenVINO does quicker.
"""

import importlib.util
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

DRIVER = Path("/dev/nvidiactl")  # without it nobody is asked
SECONDS = 300.0  # for TensorFlow to be imported in, on a busy machine
CODE = """
import tensorflow as tf
for gpu in tf.config.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, True)
print("seen:", len(tf.config.list_logical_devices("GPU")))
"""
HOW = (
    "install requirements-gpu.txt for CUDA's libraries, and look at nvidia-smi and "
    "CUDA_VISIBLE_DEVICES"
)
_one_asks = threading.Lock()


def driver_is_there() -> bool:
    """Whether there is a driver of NVIDIA's, and so perhaps a GPU."""
    return DRIVER.exists()


def tensorflow_sees_gpu() -> bool:
    """Whether TensorFlow can compute on a GPU; asked once a process, which takes some seconds."""
    with _one_asks:
        return _asked()


@cache
def _asked() -> bool:
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if importlib.util.find_spec("tensorflow") is None:
        return False
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", CODE],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # it cannot be imported, or may not be started
        return False
    seen = [line for line in done.stdout.splitlines() if line.startswith("seen: ")]
    return bool(seen) and seen[-1] != "seen: 0"
