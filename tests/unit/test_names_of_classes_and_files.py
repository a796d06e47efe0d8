"""Class folders and files with any name on disk can be scanned, split, stored and found again."""

import csv
import json
import os
import unicodedata
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest
from tests.colours import colour_picture
from training.data.folder import scan_folder
from training.data.leaks import find_leaks
from training.data.report import data_report
from training.data.report_page import write_report
from training.data.scarcity import make_scarce
from training.data.split import split
from training.gan.config import GanConfig, chosen_classes

NFD = unicodedata.normalize("NFD", "café")


def write_class(folder: Path, colour: str, each: int = 4, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number in range(first, first + each):
        colour_picture(colour, number).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Classes in Latin-1, in NFD and with a blank at the end; a file in Latin-1, one with `%`."""
    root = tmp_path / "images"
    red = write_class(root / "healthy ", "red")
    (red / "0.png").rename(red / os.fsdecode(b"caf\xe9 50%.png"))
    (red / "1.png").rename(red / "50%E9.png")
    write_class(root / os.fsdecode(b"br\xfblure"), "green")
    write_class(root / NFD, "blue")
    return root


def test_names_on_disk_become_classes_in_one_spelling(odd: Path) -> None:
    scan = scan_folder(odd)
    assert scan.counts == {"brûlure": 4, "café": 4, "healthy": 4}
    assert "'br%FBlure' is not UTF-8: its class is read as 'brûlure'" in scan.summary()


def test_files_of_any_name_survive_a_manifest(odd: Path, tmp_path: Path) -> None:
    made = split(scan_folder(odd))
    made.save(tmp_path / "split.csv")
    (tmp_path / "split.csv").read_bytes().decode("utf-8")
    read = Manifest.load(tmp_path / "split.csv", odd)
    assert read == made
    assert read.digest == made.digest
    assert len(read.rows) == 12
    assert read.changed_files(read.rows) == []
    assert {os.fsencode(read.file(row).name) for row in read.rows} >= {b"caf\xe9 50%.png"}
    report = find_leaks(scan_folder(odd), read)
    assert not (report.leaks or report.unknown or report.unproven)
    json.dumps(report.as_dict(), ensure_ascii=False).encode()


def test_files_of_any_name_survive_report_and_copies(odd: Path, tmp_path: Path) -> None:
    scan = scan_folder(odd)
    page = write_report(data_report(scan, split(scan)), scan, tmp_path / "look")
    assert "caf%E9 50%25.png" in page.read_text(encoding="utf-8")
    told = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    assert told["counts"] == scan.counts
    assert any("brûlure" in warning for warning in told["warnings"])
    kept = make_scarce(scan, tmp_path / "few", per_class=4)
    assert kept == scan.counts == scan_folder(tmp_path / "few").counts


def test_two_files_that_would_be_written_alike_are_not_confused(tmp_path: Path) -> None:
    for colour in ("red", "green"):
        write_class(tmp_path / colour, colour)
    (tmp_path / "red" / "0.png").rename(tmp_path / "red" / "a%E9.png")
    (tmp_path / "red" / "1.png").rename(tmp_path / "red" / os.fsdecode(b"a\xe9.png"))
    scan = scan_folder(tmp_path)
    assert len(scan.images) == 7
    assert [item.path for item in scan.skipped] == ["red/a%E9.png"]


def test_folders_of_one_class_are_joined_and_told(tmp_path: Path) -> None:
    write_class(tmp_path / "healthy", "red")
    write_class(tmp_path / "healthy ", "red", first=10)
    write_class(tmp_path / "rust", "green")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"healthy": 8, "rust": 4}
    assert "folders 'healthy' and 'healthy ' are read as one class, 'healthy'" in scan.summary()
    assert len(split(scan).rows) == 12


def test_folders_that_look_the_same_are_told_apart_by_code_points(tmp_path: Path) -> None:
    write_class(tmp_path / "café", "red")
    write_class(tmp_path / NFD, "red", first=10)
    write_class(tmp_path / "rust", "green")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"café": 8, "rust": 4}
    assert any("'cafe\\u0301' and 'café'" in warning for warning in scan.warnings)


def test_names_that_look_alike_are_told_and_kept_apart(tmp_path: Path) -> None:
    for folder, colour in (("Healthy", "red"), ("healthy", "green"), ("rust", "blue")):
        write_class(tmp_path / folder, colour)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"Healthy": 4, "healthy": 4, "rust": 4}
    (warning,) = scan.warnings
    assert warning.startswith("classes 'Healthy' and 'healthy' look alike")


def test_two_spellings_of_one_class_are_one_class_only(tmp_path: Path) -> None:
    write_class(tmp_path / "rust", "red")
    write_class(tmp_path / "rust ", "green")
    with pytest.raises(UserError, match="only one class folder"):
        scan_folder(tmp_path)


def test_a_folder_named_by_blanks_is_refused(tmp_path: Path) -> None:
    write_class(tmp_path / "rust", "red")
    write_class(tmp_path / " ", "green")
    with pytest.raises(UserError, match="blanks alone"):
        scan_folder(tmp_path)


def test_classes_of_a_manifest_made_elsewhere_are_normalised(odd: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.csv"
    split(scan_folder(odd)).save(file)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    for row in rows[1:]:
        row[1] = {"café": NFD, "healthy": "healthy "}.get(row[1], row[1])
        row[0] = unicodedata.normalize("NFC", row[0])  # as an archive made on another system
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows(rows)
    read = Manifest.load(file, odd)
    assert read.classes == ("brûlure", "café", "healthy")
    assert read.changed_files(read.rows) == []


@pytest.mark.parametrize("asked", [(NFD,), (" café ",), ("healthy ", "café")])
def test_a_generator_finds_classes_by_any_spelling(asked: tuple[str, ...], odd: Path) -> None:
    found = chosen_classes(GanConfig(classes=asked), split(scan_folder(odd)))
    assert found == tuple(sorted({"café"} | ({"healthy"} if len(asked) > 1 else set())))
