"""A GPU counts where TensorFlow computes on it, not where a driver alone is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import gpu
from registry.engine import pick_engine

# In TensorFlow's place in the child process: it says what it would see.
PLAYED = """
class config:
    list_physical_devices = staticmethod(lambda kind: {seen})
    list_logical_devices = list_physical_devices
    class experimental:
        set_memory_growth = staticmethod(lambda card, grow: None)
"""


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a service, which has not imported TensorFlow."""
    gpu._asked.cache_clear()
    if "tensorflow" in sys.modules:
        monkeypatch.delitem(sys.modules, "tensorflow")
    yield
    gpu._asked.cache_clear()


@pytest.fixture
def _driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "nvidiactl"
    file.touch()
    monkeypatch.setattr(gpu, "DRIVER", file)


def play(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    (folder / "tensorflow.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("_driver")
def test_a_driver_without_cudas_libraries_is_no_gpu_and_the_reason_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, tmp_path, PLAYED.format(seen="[]"))
    engine, reason = pick_engine("auto", "int8")
    assert engine == "openvino-int8"
    assert "TensorFlow sees no GPU" in reason
    assert "requirements-gpu.txt" in reason
    assert "tensorflow" not in sys.modules  # another process was asked


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize(
    ("code", "engine"),
    [
        (PLAYED.format(seen="['card']"), "tensorflow"),
        (PLAYED.format(seen="[]"), "openvino-fp32"),
        ("print('a line of its own')\n" + PLAYED.format(seen="['card']"), "tensorflow"),
        ("raise ImportError('libcudart.so.12')", "openvino-fp32"),
        ("import os; os.abort()", "openvino-fp32"),
        ("raise SystemExit(0)", "openvino-fp32"),
    ],
)
def test_auto_follows_what_tensorflow_sees(
    code: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, tmp_path, code)
    assert pick_engine("auto", "fp32")[0] == engine


@pytest.mark.usefixtures("_driver")
def test_it_is_asked_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "asked"
    note = f"open({str(noted)!r}, 'a').write('x')\n"
    play(monkeypatch, tmp_path, note + PLAYED.format(seen="[]"))
    for _ in range(3):
        pick_engine("auto", "fp32")
    assert noted.read_text() == "x"


@pytest.mark.usefixtures("_driver")
@pytest.mark.parametrize("choice", ["openvino", "openvino-int8", "tensorflow"])
def test_it_is_not_asked_where_the_setting_decides(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "asked"
    play(monkeypatch, tmp_path, f"open({str(noted)!r}, 'a').write('x')\n")
    engine, reason = pick_engine(choice, "int8")  # type: ignore[arg-type]
    assert engine == {"openvino": "openvino-int8"}.get(choice, choice)
    assert "LEAFGATE_ENGINE asks for" in reason
    assert not noted.exists()


def test_without_a_driver_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "asked"
    play(monkeypatch, tmp_path, f"open({str(noted)!r}, 'a').write('x')\n")
    monkeypatch.setattr(gpu, "DRIVER", tmp_path / "none")
    assert pick_engine("auto", "int8") == (
        "openvino-int8",
        "no GPU; int8 is the form that the model prefers",
    )
    assert not noted.exists()


@pytest.mark.usefixtures("_driver")
def test_an_image_without_tensorflow_serves_by_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it asks"))
    assert pick_engine("auto", "fp32")[0] == "openvino-fp32"
