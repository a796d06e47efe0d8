"""The same class has one name, however it was spelt where it came in."""

import os
import unicodedata
from pathlib import Path

import pytest

from leafgate.class_names import class_name, class_names, find_class, look_alikes, same_class
from leafgate.file_names import disk_path, is_at, path_text

NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("healthy", "healthy"),
        ("healthy ", "healthy"),
        ("\t healthy\u00a0", "healthy"),
        ("\ufeffhealthy\u200b ", "healthy"),
        (NFD, "café"),
        (f" {NFD} ", "café"),
        (os.fsdecode(b"caf\xe9"), "café"),
        (os.fsdecode(b"5 \x80"), "5 €"),
        (os.fsdecode(b"\x81x"), "x"),
        ("\ud800x", "?x"),
        ("late\nblight", "late blight"),
        ("Tomato___Late_blight", "Tomato___Late_blight"),
        ("", ""),
    ],
)
def test_a_name_is_normalised(given: str, expected: str) -> None:
    assert class_name(given) == expected
    assert class_name(class_name(given)) == expected


def test_a_class_is_found_by_any_spelling_of_its_name() -> None:
    assert find_class(NFD, ("café", "rust")) == "café"
    assert find_class("café", (NFD, "rust")) == NFD
    assert find_class("rust ", ("café", "rust")) == "rust"
    assert find_class("Rust", ("café", "rust")) is None
    assert same_class("rust ", "rust")
    assert not same_class("Rust", "rust")
    assert not same_class(None, None)


def test_two_classes_of_an_older_model_are_never_joined() -> None:
    assert class_names(("healthy ", "rust")) == ("healthy", "rust")
    assert class_names(("healthy ", "healthy")) == ("healthy ", "healthy")


@pytest.mark.parametrize(
    "pair",
    [
        ("Healthy", "healthy"),
        ("late blight", "late_blight"),
        ("late-blight", "late  blight"),
        ("ｒｕｓｔ", "rust"),
        ("ru\u200bst", "rust"),
        ("hеalthy", "healthy"),  # a Cyrillic letter
        ("STRASSE", "straße"),
    ],
)
def test_names_that_look_alike_are_found(pair: tuple[str, str]) -> None:
    assert look_alikes([*pair, "scab"]) == (tuple(sorted(pair)),)


def test_names_that_differ_are_no_look_alikes() -> None:
    assert look_alikes(["rust", "rusty", "cafe", "café", "class 1", "class 11"]) == ()


def test_a_file_whose_name_is_not_utf8_has_a_text_and_is_found_by_it(tmp_path: Path) -> None:
    names = [b"caf\xe9.png", b"50% caf\xe9?.png", b"50%E9.png", "café%20.png".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    for name in names:
        text = path_text(Path(os.fsdecode(name)))
        text.encode()
        assert disk_path(tmp_path, text).read_bytes() == name
    assert path_text(os.fsdecode(b"caf\xe9.png")) == "caf%E9.png"
    assert path_text("café%20.png") == "café%20.png"


def test_a_file_is_known_by_the_text_of_its_path() -> None:
    root = Path("/a") / os.fsdecode(b"d\xe9")
    for name in ("50%.png", "x/café.png", os.fsdecode(b"x/caf\xe9 50%.png")):
        assert is_at(root / name, path_text(name))
    assert not is_at(root / "y/café.png", "x/café.png")


def test_a_missing_file_keeps_the_path_that_was_written(tmp_path: Path) -> None:
    assert disk_path(tmp_path, "a%E9.png") == tmp_path / "a%E9.png"
