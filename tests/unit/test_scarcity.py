"""Scarce copies: at most N images a class, by seed, and never half a folder."""

from pathlib import Path

import pytest

from leafgate.errors import UserError
from training.data.folder import scan_folder
from training.data.scarcity import make_scarce


def test_at_most_n_of_each_class_are_kept(colour_folder: Path, tmp_path: Path) -> None:
    scan = scan_folder(colour_folder)
    kept = make_scarce(scan, tmp_path / "few", per_class=5, seed=1)
    assert kept == {"blue": 5, "green": 5, "red": 5}
    assert scan_folder(tmp_path / "few").counts == kept
    assert make_scarce(scan, tmp_path / "all", per_class=99) == scan.counts


def test_the_seed_chooses_the_images(colour_folder: Path, tmp_path: Path) -> None:
    scan = scan_folder(colour_folder)
    chosen = []
    for number, seed in enumerate((1, 1, 2)):
        make_scarce(scan, tmp_path / str(number), per_class=4, seed=seed)
        chosen.append({image.path for image in scan_folder(tmp_path / str(number)).images})
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_folder_with_files_is_left_alone(colour_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        make_scarce(scan_folder(colour_folder), tmp_path, per_class=1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(UserError, match="per-class 0"):
        make_scarce(scan_folder(colour_folder), tmp_path / "new", per_class=0)
