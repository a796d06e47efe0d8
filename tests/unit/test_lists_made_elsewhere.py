"""Lists of groups and manifests from other tools: matched as they are meant, or counted as not."""

import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.manifest import Manifest, Side
from tests.colours import make_colour_folder
from tests.looks import some_look
from training.config import read_config
from training.data.folder import FolderScan, FoundImage
from training.data.group_files import find_groups
from training.data.leaf_groups import leaf_groups
from training.data.leaks import find_leaks
from training.data.split import split
from training.gan.config import GanConfig

NAMES = ("healthy/é 1.png", "healthy/2.png", "rust/2.png", "rust/3.JPG", "rust/x/4.png")
GROUPS = ("a", "b", "b", "a", "c")


def scan_of(*paths: str) -> FolderScan:
    images = [
        FoundImage(path, path.split("/")[0], sha256(path.encode()).hexdigest(), some_look(path))
        for path in paths
    ]
    return FolderScan(Path("/data/leaves"), tuple(images), ())


SCAN = scan_of(*NAMES)


def groups_csv(folder: Path, paths: list[str], encoding: str = "utf-8", sep: str = ",") -> Path:
    file = folder / "groups.csv"
    rows = [sep.join(pair) for pair in zip(paths, GROUPS, strict=False)]
    file.write_bytes("\n".join([f"path{sep}group", *rows, "", ""]).encode(encoding))
    return file


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path,
        lambda path: path.replace("/", "\\"),
        lambda path: f"./{path}",
        lambda path: f"/data/leaves/{path}",
        lambda path: f"/home/me/leaves/{path}",
        lambda path: f"C:\\photos\\leaves\\{path}".replace("/", "\\"),
        lambda path: f"leaves/{path}",
        lambda path: unicodedata.normalize("NFD", path),
        lambda path: path.upper(),
        lambda path: path.replace(".png", ".PNG").replace(".JPG", ".jpg"),
        lambda path: path.rsplit(".", 1)[0],
        lambda path: f" {path} ",
    ],
    ids=[
        "as it is", "backslashes", "dot", "absolute", "elsewhere", "a drive", "folder in front",
        "NFD", "upper case", "case of suffix", "no suffix", "blanks",
    ],
)  # fmt: skip
def test_paths_are_matched_however_they_are_written(
    change: Callable[[str], str], tmp_path: Path
) -> None:
    found = find_groups(SCAN, groups_csv(tmp_path, [change(path) for path in NAMES]))
    assert [found.groups.get(place) for place in range(5)] == list(GROUPS)
    assert found.unmatched_rows == found.unmatched_images == ()
    grouped = {frozenset(i.path for i in group) for group in leaf_groups(SCAN, found.file)}
    assert grouped == {frozenset({NAMES[at] for at in places}) for places in ((0, 3), (1, 2), (4,))}


@pytest.mark.parametrize(("encoding", "sep"), [("utf-8-sig", ","), ("utf-8", ";"), ("utf-8", "\t")])
def test_what_spreadsheets_write_is_read(encoding: str, sep: str, tmp_path: Path) -> None:
    found = find_groups(SCAN, groups_csv(tmp_path, list(NAMES), encoding, sep))
    assert found.lines() == []
    text = (
        found.file.read_bytes().decode(encoding).replace("path", " Path", 1).replace("\n", "\r\n")
    )
    found.file.write_bytes(f"sep={sep}\r\n{text}".encode("utf-8-sig"))
    assert find_groups(SCAN, found.file).lines() == []


def test_names_in_latin_1_are_matched(tmp_path: Path) -> None:
    assert find_groups(SCAN, groups_csv(tmp_path, list(NAMES), "latin-1")).lines() == []


def test_bare_names_are_matched_where_they_mean_one_image(tmp_path: Path) -> None:
    found = find_groups(SCAN, groups_csv(tmp_path, [path.split("/")[-1] for path in NAMES]))
    assert set(found.groups) == {0, 3, 4}
    assert found.unmatched_rows == ("2.png", "2.png")


def test_an_image_is_never_taken_for_one_of_another_class(tmp_path: Path) -> None:
    found = find_groups(SCAN, groups_csv(tmp_path, [NAMES[0], "healthy/3.jpg"]))
    assert set(found.groups) == {0}
    assert found.unmatched_rows == ("healthy/3.jpg",)


def test_a_path_in_another_case_is_not_taken_from_the_one_that_is_named_exactly(
    tmp_path: Path,
) -> None:
    scan = scan_of("rust/a.png", "rust/b.png")
    found = find_groups(scan, groups_csv(tmp_path, ["rust/a.PNG", "rust/a.png"]))
    assert found.groups == {0: "b"}
    assert found.unmatched_rows == ("rust/a.PNG",)


def test_what_does_not_match_is_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = groups_csv(tmp_path, [*NAMES[:2], "gone/1.png", "gone/2.png"])
    leaf_groups(SCAN, file)
    told = capsys.readouterr().err
    assert "2 of 4 rows" in told
    assert "gone/1.png, gone/2.png" in told
    assert "3 of 5 images have no group" in told
    assert "rust/2.png" in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        ("path,group\nrust/3.JPG,a\n".encode("utf-16"), "UTF-16"),
        ("path,group\nrust/3.JPG,a\n".encode("utf-16-le"), "UTF-16"),
        (b"path,patient\nrust/3.JPG,a\n", "expected path, group"),
        (b"path,group,group\nrust/3.JPG,a,b\n", "two columns group"),
        (b"path,group\n", "names none of the 5 images"),
        (b"path,group\nrust/3.JPG\n", "line 2 has 1 cells"),
        (b"path,group\n\nrust/a, b.JPG,c\n", "line 3 has 3 cells"),
        (b"path,group\nrust/3.JPG,a\n.\\rust\\3.JPG,b\n", "group a .line 2. and into group b"),
        (b"path,group\nrust/3.JPG,\n", "names none of the 5 images"),
        (b"path,group\n" + b"x" * 200_000 + b",a\n", "line 2 is no CSV"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_words(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "groups.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=problem) as raised:
        find_groups(SCAN, file)
    assert str(file) in raised.value.problem


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": 1}', b"\xff\xfe{", b'{"a": [1]}'])
def test_a_leaf_map_that_cannot_be_used_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "leaf-map.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"leaf-map\.json"):
        find_groups(SCAN, file)


def big_scan() -> FolderScan:
    return scan_of(*(f"{name}/{n}.png" for name in ("healthy", "rust") for n in range(6)))


def test_a_list_for_half_of_the_images_is_no_proof(tmp_path: Path) -> None:
    scan = big_scan()
    manifest = split(scan)
    file = tmp_path / "groups.csv"
    rows = [f"{image.path},{n}" for n, image in enumerate(scan.images[:6])]
    file.write_text("\n".join(["path,group", *rows, "gone/1.png,9"]))
    report = find_leaks(scan, manifest, file)
    assert report.leaks == ()
    (reason,) = report.unproven
    assert reason.startswith(f"6 images of the split have no group in {file}: rust/0.png")
    assert any("1 of 7 rows" in line and "gone/1.png" in line for line in report.lines())


def test_images_that_a_list_does_not_name_are_grouped_by_their_names(tmp_path: Path) -> None:
    shot = "rust/00a6039c-e425-4f7d-81b1-d6b0e668517e___RS_HL 18"
    scan = scan_of(f"{shot}64.JPG", f"{shot}65.JPG", "rust/x.png", "rust/y.png")
    file = groups_csv(tmp_path, ["rust/x.png", "rust/y.png"])
    groups = [[image.path for image in group] for group in leaf_groups(scan, file)]
    assert groups == [[f"{shot}64.JPG", f"{shot}65.JPG"], ["rust/x.png"], ["rust/y.png"]]


def test_a_leaf_map_never_had_all_images(tmp_path: Path) -> None:
    scan = big_scan()
    file = tmp_path / "leaf-map.json"
    file.write_text('{"0": ["rust:::1.0"], "1": ["rust:::2.0"]}')
    report = find_leaks(scan, split(scan), file)
    assert report.unproven == ()
    assert any("10 of 12 images have no group" in note for note in report.notes)


def test_groups_in_another_case_are_still_held_against_the_split(tmp_path: Path) -> None:
    scan = big_scan()
    manifest = split(scan)
    train, test = manifest.side("train")[0], manifest.side("test")[0]
    file = tmp_path / "groups.csv"
    rows = [f"{row.path},{row.path}" for row in manifest.rows if row not in (train, test)]
    rows += [f"{row.path.replace('.png', '.PNG')},one patient" for row in (train, test)]
    file.write_text("\n".join(["path,group", *rows]))
    (leak,) = find_leaks(scan, manifest, file).leaks
    assert {path for path, _ in leak.images} == {train.path, test.path}


def test_a_manifest_that_places_no_image_is_no_proof() -> None:
    scan = big_scan()
    rows = tuple(replace(row, path=f"other/{row.path}x") for row in split(scan).rows)
    with pytest.raises(UserError, match="on no side: that proves nothing"):
        find_leaks(scan, Manifest(scan.root, rows))
    with pytest.raises(UserError, match="on no side"):
        find_leaks(scan, Manifest(scan.root, ()))


def test_a_manifest_with_one_side_is_no_proof() -> None:
    scan = big_scan()
    rows = tuple(replace(row, side="train") for row in split(scan).rows)
    with pytest.raises(UserError, match="on its train side alone"):
        find_leaks(scan, Manifest(scan.root, rows))


def test_missing_and_changed_images_are_no_proof() -> None:
    scan = big_scan()
    first, second, *rest = split(scan).rows
    rows = (replace(first, path="gone/1.png"), replace(second, sha256="f" * 64), *rest)
    report = find_leaks(scan, Manifest(scan.root, rows))
    assert report.unproven == (
        f"1 of 12 images of the split are no readable images of {scan.root}: gone/1.png",
        f"1 images have changed since the split was made: {second.path}",
    )


@pytest.mark.parametrize(
    "change", [lambda path: path.replace("/", "\\"), lambda path: f"./{path}", str.upper]
)
def test_a_leak_is_found_however_the_manifest_writes_paths(change: Callable[[str], str]) -> None:
    scan = scan_of("healthy/1.png", "healthy/2.png", "rust/1.png", "rust/2.png")
    twin = replace(scan.images[0], path="healthy/again.png")
    scan = replace(scan, images=(*scan.images, twin))
    sides: tuple[Side, ...] = ("train", "train", "validation", "test", "test")
    rows = [
        replace(
            split(big_scan()).rows[0], path=change(i.path), sha256=i.sha256, side=side, group=f"{n}"
        )
        for n, (i, side) in enumerate(zip(scan.images, sides, strict=True))
    ]
    (leak,) = find_leaks(scan, Manifest(scan.root, tuple(rows))).leaks
    assert leak.images == (("healthy/1.png", "train"), ("healthy/again.png", "test"))


def test_a_leak_that_the_manifest_knows_itself_counts_once() -> None:
    scan = scan_of("healthy/1.png", "healthy/2.png", "rust/1.png")
    scan = replace(scan, images=(*scan.images, replace(scan.images[0], path="healthy/again.png")))
    sides: tuple[Side, ...] = ("train", "train", "validation", "test")
    (row, *_) = split(big_scan()).rows
    rows = tuple(
        replace(row, path=i.path.replace("/", "\\"), sha256=i.sha256, side=s, group=i.sha256[:16])
        for i, s in zip(scan.images, sides, strict=True)
    )
    (leak,) = find_leaks(scan, Manifest(scan.root, rows)).leaks
    assert leak.images == (("healthy/1.png", "train"), ("healthy/again.png", "test"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda _: b"", "is empty"),
        (lambda text: text.replace("sha256", "md5").encode(), "expected path, class_name, side"),
        (lambda text: text.replace("0" * 60, "").encode(), "line 2: .* is no SHA-256"),
        (lambda text: text.replace("healthy/0.png", "").encode(), "line 2: no path"),
        (lambda text: text.replace(",healthy,", ", ,").encode(), "line 2: no class_name"),
        (lambda text: (text + text.splitlines()[1].replace("train", "test")).encode(), "twice"),
        (lambda text: (text + "healthy/1.png").encode(), "cells"),
        (lambda text: text.splitlines()[0].encode(), "has no image"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_in_words(
    change: Callable[[str], bytes], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "split.csv"
    row = split(big_scan()).rows[0]
    Manifest(Path(), (replace(row, path="healthy/0.png", side="train", sha256="0" * 64),)).save(
        file
    )
    file.write_bytes(change(file.read_text()))
    with pytest.raises(UserError, match=problem) as raised:
        Manifest.load(file, tmp_path)
    assert str(file) in raised.value.problem


def test_a_split_by_an_incomplete_list_says_what_it_does_not_know(tmp_path: Path) -> None:
    root = make_colour_folder(tmp_path / "images", each=4)
    file = tmp_path / "groups.csv"
    file.write_text("path,group\n" + "".join(f"red/00{n}.PNG,{n}\n" for n in range(4)))
    options = ["--data", root, "--groups", file, "--out", tmp_path / "split.csv"]
    done = CliRunner().invoke(app, ["data", "split", *map(str, options)])
    assert done.exit_code == 0, done.stderr
    assert f"none divided (unknown for 8 images that {file} lacks)" in done.stdout
    assert "8 of 12 images have no group" in done.stderr
    assert "red/000.PNG is taken for red/000.png" in done.stderr
    options = ["--data", root, "--groups", file, "--manifest", tmp_path / "split.csv"]
    proof = CliRunner().invoke(app, ["data", "leaks", *map(str, options)])
    assert proof.exit_code == 1
    assert "not proven: 8 images of the split have no group" in proof.stdout


@pytest.mark.parametrize("text", ["classes=[a", "epochs: [", "\x00"])
def test_settings_that_are_no_yaml_are_refused_in_words(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"YAML|no setting"):
        read_config(GanConfig, None, [text])
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(UserError, match=r"job\.yaml"):
        read_config(GanConfig, tmp_path / "job.yaml", [])


def test_settings_in_other_encodings_are_read_or_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_bytes("classes: [ café ]\n".encode("utf-8-sig"))
    assert read_config(GanConfig, file, []).classes == ("café",)
    for encoding in ("latin-1", "utf-16"):
        file.write_bytes("classes: [ café ]\n".encode(encoding))
        with pytest.raises(UserError, match="is not UTF-8 text"):
            read_config(GanConfig, file, [])
    assert read_config(GanConfig, None, [os.fsdecode(b"classes=caf\xe9")]).classes == ("café",)


def test_a_manifest_with_older_spellings_keeps_the_digest_it_had(tmp_path: Path) -> None:
    file, nfd = tmp_path / "split.csv", unicodedata.normalize("NFD", "café")
    cells = (f"{nfd}/1.png", nfd, "train", "g", "a" * 64)
    file.write_text("path,class_name,side,group,sha256\n" + ",".join(cells) + "\n")
    read = Manifest.load(file, tmp_path)
    assert read.classes == ("café",)
    assert read.has_digest(sha256("\t".join(cells).encode()).hexdigest())
    assert read.has_digest(read.digest)
    assert not read.has_digest("b" * 64)
