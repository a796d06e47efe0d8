"""The embedded set: reproducible, imbalanced, varied, and never taken for photographs."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from training.data.procedural import CLASSES, draw_leaf, make_leaf_folder, plan


def drawn(folder: Path) -> dict[str, bytes]:
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in folder.glob("*/*.jpg")}


def test_the_same_seed_draws_the_same_files(tmp_path: Path) -> None:
    first = drawn(make_leaf_folder(tmp_path / "a", count=30, seed=5))
    assert first == drawn(make_leaf_folder(tmp_path / "b", count=30, seed=5))
    assert first != drawn(make_leaf_folder(tmp_path / "c", count=30, seed=6))
    assert len(first) == 30


def test_the_classes_are_imbalanced_like_a_field_set() -> None:
    counts = Counter(plan(1000))
    assert set(counts) == set(CLASSES)
    assert sum(counts.values()) == 1000
    assert counts["healthy"] / counts["mosaic"] > 3


def test_every_class_is_there_even_among_few() -> None:
    assert set(plan(6)) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_two_leaves_of_a_class_differ_and_are_pictures(name: str) -> None:
    first, second = (draw_leaf(name, np.random.default_rng(seed), 64) for seed in (1, 2))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert first.std() > 10
    assert np.abs(first.astype(int) - second).mean() > 5


def test_the_background_does_not_tell_the_class() -> None:
    """The same leaf with another disease keeps its corners: only the blade changes."""
    pictures = [draw_leaf(name, np.random.default_rng(3), 64)[:4, :4].mean() for name in CLASSES]
    spread = [draw_leaf("rust", np.random.default_rng(s), 64)[:4, :4].mean() for s in range(20)]
    assert np.std(spread) > 20  # backgrounds vary
    assert len(pictures) == len(CLASSES)


def test_the_folder_says_that_it_is_synthetic(tmp_path: Path) -> None:
    folder = make_leaf_folder(tmp_path / "leaves", count=12)
    assert json.loads((folder / "ABOUT.json").read_text())["synthetic"] is True
    assert b"synthetic" in next(folder.glob("*/*.jpg")).read_bytes()


def test_a_finished_folder_is_reused_and_another_is_never_overwritten(tmp_path: Path) -> None:
    folder = make_leaf_folder(tmp_path / "leaves", count=12)
    before = {p: p.stat().st_mtime_ns for p in folder.glob("*/*")}
    make_leaf_folder(folder, count=12)
    assert {p: p.stat().st_mtime_ns for p in folder.glob("*/*")} == before
    with pytest.raises(UserError, match="something else"):
        make_leaf_folder(folder, count=13)


def test_an_unknown_class_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'canker'") as raised:
        make_leaf_folder(tmp_path / "x", classes=("rust", "canker"))
    assert "mosaic" in raised.value.fix
