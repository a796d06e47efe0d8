"""Generated pictures on disk: each where its class belongs, whole, and drawn only once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leafgate.errors import UserError
from leafgate.images import decode
from registry import Generator, ModelVersion, class_folder, write_pictures
from tests.colours import COLOURS
from tests.painters import CENTRES, Floats, PaintEngine, colour_of_class, coloured, painter
from training.data.folder import scan_folder

VERSION = ModelVersion("leaf-generator", 3, "run", (), {"artifact.digest": "abcdef0123"}, 0)


class Watched:
    """Paints colours; remembers how many pictures were asked for at a time."""

    def __init__(self, breaks_at: int = -1) -> None:
        self.asked: list[int] = []
        self.breaks_at = breaks_at

    def __call__(self, inputs: Floats) -> Floats:
        self.asked.append(len(inputs))
        if len(self.asked) == self.breaks_at:
            raise KeyboardInterrupt
        return colour_of_class(inputs)


def plain(classes: tuple[str, ...] = tuple(COLOURS)) -> Generator:
    def paint(latents: Floats) -> Floats:
        return coloured(CENTRES[[0] * len(latents)], latents)

    return painter(paint, conditional=False, classes=classes)


def files(out: Path) -> dict[str, bytes]:
    found = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def test_what_a_conditional_generator_draws_is_a_balanced_data_folder(tmp_path: Path) -> None:
    write_pictures(painter(), VERSION, tmp_path, 36, seed=5)
    scan = scan_folder(tmp_path)
    assert not scan.skipped
    for place, (name, colour) in enumerate(COLOURS.items()):
        mine = [image.path for image in scan.images if image.class_name == name]
        assert mine == [f"{name}/synthetic_v3-abcdef01_5_{i:06d}.png" for i in range(place, 36, 3)]
        seen = decode((tmp_path / mine[0]).read_bytes())
        assert np.abs(seen.mean(axis=(0, 1)) - colour).max() < 40


def test_every_picture_tells_what_it_is(tmp_path: Path) -> None:
    write_pictures(painter(), VERSION, tmp_path, 3, seed=5, class_name="red")
    text = Image.open(tmp_path / "red" / "synthetic_v3-abcdef01_5_000002.png").text  # type: ignore[attr-defined]
    assert text == {
        "synthetic": "true",
        "model": "leaf-generator",
        "version": "3",
        "class": "red",
        "seed": "5",
        "index": "2",
    }


def test_one_number_of_two_classes_is_two_pictures(tmp_path: Path) -> None:
    write_pictures(painter(), VERSION, tmp_path, 4, seed=5, class_name="red")
    red = files(tmp_path)
    written = write_pictures(painter(), VERSION, tmp_path, 4, seed=5, class_name="blue")
    both = files(tmp_path)
    assert written.drawn == 4
    assert len(both) == 8
    assert red.items() <= both.items()


def test_of_a_single_class_learnt_pictures_lie_in_its_folder(tmp_path: Path) -> None:
    write_pictures(plain(("rust",)), VERSION, tmp_path, 2, seed=0)
    assert list(files(tmp_path)) == [f"rust/synthetic_v3-abcdef01_0_00000{i}.png" for i in range(2)]


def test_of_several_classes_without_a_choice_pictures_lie_side_by_side(tmp_path: Path) -> None:
    write_pictures(plain(), VERSION, tmp_path, 2, seed=0)
    assert list(files(tmp_path)) == [f"synthetic_v3-abcdef01_0_00000{i}.png" for i in range(2)]
    text = Image.open(tmp_path / "synthetic_v3-abcdef01_0_000000.png").text  # type: ignore[attr-defined]
    assert "class" not in text


def test_what_is_there_is_not_drawn_again(tmp_path: Path) -> None:
    first = write_pictures(painter(), VERSION, tmp_path, 100, seed=1)
    before = files(tmp_path)
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.png")}
    lost = [tmp_path / "blue" / f"synthetic_v3-abcdef01_1_{index:06d}.png" for index in (33, 36)]
    for file in lost:
        file.unlink()
    watched, steps = Watched(), []
    again = write_pictures(
        painter(watched), VERSION, tmp_path, 100, 1, on_picture=lambda: steps.append(1)
    )
    assert watched.asked == [32]
    assert files(tmp_path) == before
    assert {file for file in times if file.stat().st_mtime_ns != times[file]} == set(lost)
    assert (first.there, first.drawn, again.there, again.drawn) == (0, 100, 98, 2)
    assert len(steps) == 100
    assert str(again).startswith("98 were there already, 2 drawn, ")
    assert str(write_pictures(painter(), VERSION, tmp_path, 100, 1)) == (
        "all 100 were there already"
    )


def test_the_picture_of_a_number_is_the_one_that_is_drawn_for_it_alone(tmp_path: Path) -> None:
    write_pictures(painter(), VERSION, tmp_path, 40, seed=1, class_name="red")
    for index in (0, 31, 32, 39):
        (alone,) = painter().generate(1, 1, start=index, class_name="red")
        file = tmp_path / "red" / f"synthetic_v3-abcdef01_1_{index:06d}.png"
        assert np.array_equal(decode(file.read_bytes()), alone)


def test_an_interrupted_series_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_pictures(painter(Watched(breaks_at=3)), VERSION, tmp_path / "cut", 100, seed=1)
    assert len(files(tmp_path / "cut")) == 64
    watched = Watched()
    write_pictures(painter(watched), VERSION, tmp_path / "cut", 100, seed=1)
    write_pictures(painter(), VERSION, tmp_path / "whole", 100, seed=1)
    assert watched.asked == [32, 4]  # never more at a time, however many are asked for
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    half = tmp_path / "red" / ".synthetic_v3-abcdef01_1_000002.png.4711"
    half.write_bytes(b"\x89PNG")
    (tmp_path / "red" / ".keep").touch()
    write_pictures(painter(), VERSION, tmp_path, 6, seed=1)
    assert not half.exists()
    assert (tmp_path / "red" / ".keep").exists()
    assert len(list(tmp_path.rglob("*.png"))) == 6


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_grey_and_transparent_pictures_are_written_as_such(channels: int, tmp_path: Path) -> None:
    values = np.linspace(-1, 1, channels)[::-1]
    engine = PaintEngine(lambda latents: np.broadcast_to(values, (len(latents), 16, 16, channels)))
    generator = Generator(painter(channels=channels).description, engine)
    write_pictures(generator, VERSION, tmp_path, 1, seed=0)
    (png,) = files(tmp_path).values()
    expected = np.clip(np.rint((values + 1) * 127.5), 0, 255)
    assert (decode(png, channels=channels) == expected).all()


@pytest.mark.parametrize("name", ["..", ".", "../up", "/etc", "a/b", "a\\b", "C:", "..\\up", "a\0"])
def test_no_class_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generator = painter(classes=(name, "rust"))
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        write_pictures(generator, VERSION, out, 4, seed=0)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["rust", "Tomato___Late_blight", "Pepper,_bell", "rouille ü", "7"])
def test_usual_class_names_are_their_folders(name: str) -> None:
    assert class_folder(name) == name


@pytest.mark.parametrize(
    ("generator", "told"),
    [(painter, "blue, green, red"), (plain, "cannot be asked of an unconditional generator")],
)
def test_a_class_that_cannot_be_asked_for_is_refused_before_anything_is_written(
    generator: Callable[[], Generator], told: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        write_pictures(generator(), VERSION, tmp_path / "out", 4, seed=0, class_name="moth")
    assert told in f"{raised.value.problem} {raised.value.fix}"
    assert not (tmp_path / "out").exists()


def test_a_target_that_cannot_hold_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file, not a folder"):
        write_pictures(painter(), VERSION, tmp_path / "file", 4, seed=0)
    with pytest.raises(UserError, match=r"file/below.* cannot be written \(Not a dir"):
        write_pictures(painter(), VERSION, tmp_path / "file" / "below", 4, seed=0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "red").touch()
    with pytest.raises(UserError, match="red cannot be written") as raised:
        write_pictures(painter(), VERSION, tmp_path / "out", 4, seed=0)
    assert "--out" in raised.value.fix


def test_pictures_of_another_model_with_the_same_number_are_not_taken_for_ones_own(
    tmp_path: Path,
) -> None:
    write_pictures(painter(), VERSION, tmp_path, 3, seed=1)
    other = replace(VERSION, tags={"artifact.digest": "0123456789"})
    assert write_pictures(painter(), other, tmp_path, 3, seed=1).drawn == 3


def test_a_seed_that_cannot_be_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="count 40, seed -1"):
        write_pictures(painter(), VERSION, tmp_path / "out", 40, seed=-1)
    assert not (tmp_path / "out").exists()
