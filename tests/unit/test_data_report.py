"""What is wrong with the data is said before anything is trained, and on one page."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import ImageError, UserError
from leafgate.images import Pixels
from leafgate.manifest import Manifest, ManifestRow, Side
from tests.looks import some_look
from training.data import border
from training.data.border import CANNOT_TELL, background, border_of, border_test
from training.data.folder import FolderScan, FoundImage, scan_folder
from training.data.report import data_report
from training.data.report_page import write_report

SHADES = {"blight": (180, 60, 60), "healthy": (60, 180, 60), "rust": (60, 60, 180)}
PLAIN = (120, 120, 120)


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures as plain as these need no more."""
    monkeypatch.setattr(border, "TREES", 20)


def leaf(
    rng: np.random.Generator, edge: tuple[int, ...], inside: tuple[int, ...], size: int = 64
) -> Pixels:
    """A noisy square of one colour on a noisy ground of another."""
    picture = np.empty((size, size, 3))
    picture[:] = edge
    quarter = size // 4
    picture[quarter:-quarter, quarter:-quarter] = inside
    return np.clip(picture + rng.normal(0, 25, picture.shape), 0, 255).astype(np.uint8)


def make_folder(root: Path, each: int = 12, telling: str = "leaf") -> Path:
    """`root/<class>/<number>.png`; telling: whether the `leaf` or the `border` has its colour."""
    for name, shade in SHADES.items():
        (root / name).mkdir(parents=True)
        for number in range(each):
            rng = np.random.default_rng([number, len(name)])
            pixels = leaf(rng, PLAIN, shade) if telling == "leaf" else leaf(rng, shade, PLAIN)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "images")


def sides(scan: FolderScan, **named: Side) -> Manifest:
    """A third to each side; `named` by the number of the file."""
    order: tuple[Side, ...] = ("train", "test", "validation")
    rows = [
        ManifestRow(
            image.path,
            image.class_name,
            named.get(f"n{Path(image.path).stem}", order[place % 3]),
            image.sha256[:16],
            image.sha256,
        )
        for place, image in enumerate(scan.images)
    ]
    return Manifest(scan.root, tuple(rows))


def borders_of(scan: FolderScan) -> np.ndarray:
    files = [scan.root / image.path for image in scan.images]
    return np.stack([border_of(np.asarray(Image.open(file))) for file in files])


def test_balance_sizes_and_formats_are_counted(folder: Path) -> None:
    for number in range(6):
        (folder / "rust" / f"{number:02d}.png").unlink()
    Image.fromarray(leaf(np.random.default_rng(5), PLAIN, (9, 9, 9), size=80)[:60]).save(
        folder / "rust" / "wide.jpg"
    )
    report = data_report(scan_folder(folder))
    assert report.counts == {"blight": 12, "healthy": 12, "rust": 7}
    assert report.imbalance_ratio == pytest.approx(12 / 7)
    assert report.sizes.counts == {"64 x 64": 30, "80 x 60": 1}
    assert (report.sizes.smallest, report.sizes.largest) == ((64, 64), (80, 60))
    assert report.sizes.formats == {"PNG": 30, "JPEG": 1}


def test_identical_files_are_found_and_a_second_label_is_pointed_out(folder: Path) -> None:
    same = (folder / "rust" / "03.png").read_bytes()
    (folder / "rust" / "again.png").write_bytes(same)
    (folder / "healthy" / "too.png").write_bytes(same)
    (copies,) = data_report(scan_folder(folder)).exact_duplicates
    assert copies.paths == ("healthy/too.png", "rust/03.png", "rust/again.png")
    assert copies.classes == ("healthy", "rust")


def test_identical_files_are_not_told_again_as_near_copies(folder: Path) -> None:
    (folder / "rust" / "again.png").write_bytes((folder / "rust" / "03.png").read_bytes())
    picture = Image.open(folder / "rust" / "05.png")
    picture.save(folder / "rust" / "saved.jpg", quality=95)
    report = data_report(scan_folder(folder))
    near = [copies.paths for copies in report.near_duplicates]
    assert ("rust/03.png", "rust/again.png") not in near
    assert any({"rust/05.png", "rust/saved.jpg"} <= set(paths) for paths in near)


def test_copies_on_two_sides_of_the_split_are_pointed_out(folder: Path) -> None:
    (folder / "rust" / "99.png").write_bytes((folder / "rust" / "03.png").read_bytes())
    scan = scan_folder(folder)
    report = data_report(scan, sides(scan, n03="train", n99="test"))
    assert report.exact_duplicates[0].sides == ("test", "train")
    assert "1 on two sides of the split" in "\n".join(report.lines())


def test_files_that_cannot_be_used_are_named_with_the_reason(folder: Path) -> None:
    (folder / "rust" / "broken.jpg").write_text("words")
    scan = scan_folder(folder)
    report = data_report(scan)
    assert [item.path for item in report.skipped] == ["rust/broken.jpg"]
    page = write_report(report, scan, folder.parent / "out").read_text()
    assert "rust/broken.jpg" in page
    assert "the file is not an image" in page


def test_the_odd_picture_is_the_outlier(folder: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::4] = (255, 255, 0)
    Image.fromarray(stripes).save(folder / "healthy" / "odd.png")
    outliers = data_report(scan_folder(folder)).outliers
    worst = max(outliers, key=lambda item: item.score)
    assert (worst.path, worst.class_name) == ("healthy/odd.png", "healthy")


def test_a_class_of_a_few_images_is_reported_without_outliers(tmp_path: Path) -> None:
    report = data_report(scan_folder(make_folder(tmp_path / "few", each=2)))
    assert report.outliers == ()


def test_the_border_is_the_outer_ring_alone() -> None:
    pixels = np.full((64, 64, 3), 200, np.uint8)
    pixels[4:-4, 4:-4] = np.random.default_rng(0).integers(0, 255, (56, 56, 3))
    ground = background("rust", border_of(pixels)[None])
    assert ground.colour == pytest.approx((200, 200, 200))
    assert ground.spread == pytest.approx((0, 0, 0))


def test_the_colour_and_spread_of_a_background_are_measured(folder: Path) -> None:
    ground = data_report(scan_folder(folder)).backgrounds[0]
    assert ground.class_name == "blight"
    assert ground.colour == pytest.approx(PLAIN, abs=2)
    assert ground.spread == pytest.approx((25, 25, 25), abs=2)


def test_a_background_that_tells_the_class_is_found_out(tmp_path: Path) -> None:
    scan = scan_folder(make_folder(tmp_path / "images", telling="border"))
    test = border_test(borders_of(scan), scan)
    assert test is not None
    assert test.accuracy > 0.95
    assert test.tells == "much"
    assert "Trust no accuracy measured on these images alone" in test.verdict


def test_a_background_that_does_not_tell_is_near_chance(tmp_path: Path) -> None:
    scan = scan_folder(make_folder(tmp_path / "images", each=30))
    test = border_test(borders_of(scan), scan)
    assert test is not None
    assert test.chance == pytest.approx(1 / 3)
    assert abs(test.mean_recall - test.chance) < 0.2
    assert test.tells == "nothing"


@pytest.mark.parametrize("each", [2, 6, 10, 12])
def test_classes_too_small_to_tell_are_not_said_to_have_a_silent_border(
    each: int, tmp_path: Path
) -> None:
    scan = scan_folder(make_folder(tmp_path / "images", each=each))
    report = data_report(scan)
    assert report.border is not None
    assert report.border.tells == CANNOT_TELL
    assert report.as_dict()["border"]["tells"] == CANNOT_TELL  # type: ignore[index]
    (told,) = [line for line in report.lines() if "border" in line]
    assert told.startswith("It cannot be told whether the border gives the class away")
    page = unescape(write_report(report, scan, tmp_path / "out").read_text())
    assert "too small" in page
    assert "tells nothing" not in page


def test_many_classes_of_few_leaves_are_too_small_to_learn_from() -> None:
    images = [
        FoundImage(f"{n % 40}/{n}.png", str(n % 40), f"{n:064}", some_look(n)) for n in range(160)
    ]
    scan = FolderScan(Path("data"), tuple(images), ())
    borders = np.random.default_rng(1).normal(100, 20, (160, 2, 60, 3)).astype(np.float32)
    test = border_test(borders, scan)
    assert test is not None
    assert test.learnt_leaves < 10
    assert test.tells == CANNOT_TELL


def test_a_border_that_tells_is_told_of_small_classes_too(tmp_path: Path) -> None:
    scan = scan_folder(make_folder(tmp_path / "images", each=6, telling="border"))
    test = border_test(borders_of(scan), scan)
    assert test is not None
    assert test.tells == "much"


def test_one_class_has_no_border_test() -> None:
    images = [FoundImage(f"a/{n}.png", "a", f"{n:064}", some_look(n)) for n in range(4)]
    scan = FolderScan(Path("data"), tuple(images), ())
    assert border_test(np.zeros((4, 2, 60, 3), np.float32), scan) is None


def test_a_guess_is_judged_by_the_classes_and_not_by_the_largest(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", each=30)
    for name in ("healthy", "rust"):
        for number in range(5, 30):
            (root / name / f"{number:02d}.png").unlink()
    scan = scan_folder(root)
    test = border_test(borders_of(scan), scan)
    assert test is not None
    assert test.majority_share == pytest.approx(0.75)
    assert test.tells == CANNOT_TELL


def test_the_border_is_learnt_on_the_train_side_and_tested_on_the_test_side(folder: Path) -> None:
    scan = scan_folder(folder)
    manifest = sides(scan)
    borders = np.zeros_like(borders_of(scan))
    numbers = {"blight": 0, "healthy": 100, "rust": 200}
    for index, (image, row) in enumerate(zip(scan.images, manifest.rows, strict=True)):
        wrong = row.side == "validation"  # learnt from or tested on, these would spoil the score
        borders[index] = 50 if wrong else numbers[image.class_name]
    test = border_test(borders, scan, manifest)
    assert test is not None
    assert test.method == "test side of the split"
    assert (test.images_tested, test.accuracy) == (12, 1.0)


def test_shots_of_one_leaf_are_never_learnt_from_and_tested_on(tmp_path: Path) -> None:
    """Each leaf has a border of its own, which says nothing about its class."""
    uuid = "00a6039c-e425-4f7d-81b1-d6b0e668517e"
    for name in ("blight", "rust"):
        (tmp_path / name).mkdir()
        for number in range(40):
            rng = np.random.default_rng([number, len(name)])
            shot = f"{uuid}___{name} {1000 + 20 * (number // 4) + number % 4}.png"
            Image.fromarray(leaf(rng, PLAIN, PLAIN)).save(tmp_path / name / shot)
    scan = scan_folder(tmp_path)
    own = np.random.default_rng(3).normal(100, 50, (20, 2, 60, 3)).astype(np.float32)
    test = border_test(np.repeat(own, 4, axis=0), scan)
    assert test is not None
    assert test.tells == CANNOT_TELL


def test_a_folder_of_one_leaf_is_not_tested(tmp_path: Path) -> None:
    for name in ("blight", "rust"):
        (tmp_path / name).mkdir()
        Image.fromarray(leaf(np.random.default_rng(1), PLAIN, (200, 0, 0))).save(
            tmp_path / name / "same.png"
        )
    scan = scan_folder(tmp_path)
    report = data_report(scan)
    assert report.border is None
    assert "It cannot be told" in report.lines()[-1]
    assert (
        "all images show the same thing" in write_report(report, scan, tmp_path / "out").read_text()
    )


def test_a_split_of_another_folder_is_refused(folder: Path) -> None:
    scan = scan_folder(folder)
    other = tuple(ManifestRow(f"x/{n}", "x", "train", str(n), str(n)) for n in range(3))
    with pytest.raises(UserError, match=r"0 images of .* on its train side"):
        data_report(scan, Manifest(folder, other))


@pytest.mark.parametrize(("change", "error"), [("gone", UserError), ("damaged", ImageError)])
def test_a_file_that_changed_since_the_scan_is_named(
    change: str, error: type[UserError], folder: Path
) -> None:
    scan = scan_folder(folder)
    file = folder / "rust" / "03.png"
    file.unlink() if change == "gone" else file.write_text("words")
    with pytest.raises(error, match=r"rust/03\.png"):
        data_report(scan)


def test_the_page_needs_no_other_file_and_shows_every_class(folder: Path) -> None:
    scan = scan_folder(folder)
    page = write_report(data_report(scan), scan, folder.parent / "out")
    text = page.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) >= 8 * len(SHADES)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(f"<h3>{name}</h3>" in text for name in SHADES)
    assert sorted(file.name for file in page.parent.iterdir()) == ["report.html", "report.json"]


def test_machines_read_the_same_report(folder: Path) -> None:
    scan = scan_folder(folder)
    report = data_report(scan)
    page = write_report(report, scan, folder.parent / "out")
    told = json.loads((page.parent / "report.json").read_text())
    assert told["counts"] == report.counts
    assert report.border is not None
    assert told["border"]["verdict"] == report.border.verdict
    assert report.border.verdict in unescape(page.read_text())


def test_the_same_folder_gives_the_same_report(folder: Path) -> None:
    scan = scan_folder(folder)
    assert data_report(scan) == data_report(scan)


def test_names_are_text_on_the_page_and_never_markup(folder: Path) -> None:
    hostile = folder / '<script>alert("x")<'
    (folder / "rust").rename(hostile)
    (hostile / "00.png").rename(hostile / '" onerror="alert(1)".png')
    (hostile / "<b>.txt").write_text("notes")
    scan = scan_folder(folder)
    text = write_report(data_report(scan), scan, folder.parent / "out").read_text()
    assert "<script" not in text
    assert "<b>" not in text
    assert ' onerror="' not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;" in text
