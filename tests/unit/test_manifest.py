"""The split manifest names a data set for good."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest, Side


def test_it_is_read_back_as_it_was_written(colour_manifest: Manifest, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "split.csv"
    colour_manifest.save(file)
    assert Manifest.load(file, colour_manifest.root) == colour_manifest
    assert [entry.name for entry in file.parent.iterdir()] == ["split.csv"]


def test_the_digest_depends_on_rows_and_not_on_place_or_order(colour_manifest: Manifest) -> None:
    moved = Manifest(Path("/elsewhere"), tuple(reversed(colour_manifest.rows)))
    assert moved.digest == colour_manifest.digest
    first, *rest = colour_manifest.rows
    other: Side = "test" if first.side != "test" else "train"
    assert Manifest(moved.root, (replace(first, side=other), *rest)).digest != moved.digest


def test_changed_and_missing_files_are_named(colour_manifest: Manifest) -> None:
    first, second, *_ = colour_manifest.rows
    rows = (replace(first, sha256="0" * 64), replace(second, path="red/gone.png"))
    assert colour_manifest.changed_files(rows) == [first.path, "red/gone.png"]
    assert colour_manifest.changed_files(colour_manifest.rows) == []


@pytest.mark.parametrize(
    "way", ["../{}", "{root}/../{}", "red/../../{}", "..%2F{}", "%2E%2E/{}", "..\\{}", "{abs}"]
)
def test_a_manifest_names_no_file_beside_the_data_folder(
    way: str, colour_manifest: Manifest, tmp_path: Path
) -> None:
    root, secret = tmp_path / "data", tmp_path / "secret.png"
    (root / "red").mkdir(parents=True)
    secret.write_bytes(b"not for everybody")
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    path = way.format("secret.png", root=root, abs=str(secret).replace("/", "%2F"))
    row = replace(colour_manifest.rows[0], path=path, sha256=digest)
    manifest = Manifest(root, (row,))
    try:
        assert manifest.changed_files([row]) == [path]
    except UserError as error:
        assert "not in the data folder" in error.problem


def test_a_path_in_the_data_folder_may_be_absolute(colour_manifest: Manifest) -> None:
    first = colour_manifest.rows[0]
    row = replace(first, path=str(colour_manifest.root.absolute() / first.path))
    assert colour_manifest.changed_files([row]) == []


def test_a_group_on_two_sides_is_found(colour_manifest: Manifest) -> None:
    assert colour_manifest.groups_on_two_sides() == ()
    train, test = colour_manifest.side("train")[0], colour_manifest.side("test")[0]
    leaking = Manifest(Path(), (train, replace(test, group=train.group)))
    assert leaking.groups_on_two_sides() == (train.group,)


def test_a_wrong_side_is_named_with_its_line(colour_manifest: Manifest, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    colour_manifest.save(file)
    file.write_text(file.read_text().replace(",train,", ",exam,", 1))
    with pytest.raises(UserError, match=r"line \d+: side 'exam'"):
        Manifest.load(file, tmp_path)


def test_another_csv_is_refused_with_the_columns_wanted(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected path, class_name, side"):
        Manifest.load(file, tmp_path)
    with pytest.raises(UserError, match="data split"):
        Manifest.load(tmp_path / "none.csv", tmp_path)
