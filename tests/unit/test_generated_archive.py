"""The dashboard takes an archive of pictures apart, and says what it comes to."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.calls.generating import Offer, on_offer
from dashboard.client import ApiClient
from dashboard.generated import (
    Archive,
    ClassCount,
    Picture,
    Reading,
    agreement,
    agreement_told,
    class_counts,
    course_told,
    read_archive,
)
from dashboard.generated_shown import class_bars, counts_told
from leafgate.errors import UserError

RUST = {"class": "rust", "confidence": 0.966, "unknown": False}
STRANGE = {"class": "rust", "confidence": 0.5, "unknown": True}
HEALTHY = {"class": "leaf___healthy_1*", "confidence": 0.61, "unknown": False}


def packed(
    classes: list[str | None],
    readings: list[dict[str, Any] | None] | None = None,
    change: Callable[[dict[str, Any]], object] = lambda about: None,
    **more: object,
) -> bytes:
    """As the API sends it."""
    buffer = io.BytesIO()
    about: dict[str, Any] = {
        "request_id": "r1",
        **{"synthetic": "true", "model": "leaf-generator", "version": "3", "seed": "7"},
        "files": [f"{number}.png" for number in range(len(classes))],
        "classes": classes,
        "readings": readings or [None] * len(classes),
        "read_by": {"name": "leaf-classifier", "version": 2} if readings else None,
        **more,
    }
    change(about)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(len(classes)):
            archive.writestr(f"{number}.png", f"picture {number}" * 50)
        archive.writestr("manifest.json", json.dumps(about))
    return buffer.getvalue()


@pytest.fixture
def mixed() -> Archive:
    asked: list[str | None] = ["rust", "rust", "rust", "leaf___healthy_1*", "rust"]
    return read_archive(packed(asked, [RUST, HEALTHY, STRANGE, HEALTHY, None]))


def test_each_picture_has_its_file_its_class_and_its_reading(mixed: Archive) -> None:
    assert [each.mark for each in mixed.pictures] == ["✓", "✗", "?", "✓", ""]
    assert mixed.pngs(mixed.pictures[1:2]) == [b"picture 1" * 50]
    assert (mixed.version, mixed.seeds, mixed.reader) == ("3", "7", ("leaf-classifier", "2"))
    way = read_archive(packed(["rust"] * 2, to_seed="9"))
    assert (way.seeds, way.file_name, way.reader) == ("7 to 9", "synthetic_7-9.zip", None)


def test_a_caption_says_by_sign_and_word_whether_the_reading_agrees(mixed: Archive) -> None:
    assert [each.caption for each in mixed.pictures] == [
        "Rust  \n✓ Rust 97 \\%",
        r"Rust  " + "\n" + r"✗ read as Leaf\: healthy 1\* 61 \%",
        "Rust  \n? unknown, perhaps Rust 50 \\%",
        r"Leaf\: healthy 1\*" + "  \n" + r"✓ Leaf\: healthy 1\* 61 \%",
        "Rust",
    ]
    assert mixed.pictures[2].alt == (
        "Synthetic picture 3, asked for as Rust, read as Rust 50 %, unlike every training image"
    )
    assert Picture(4, "4.png", None, Reading("rust", 1.0, False)).caption == (
        "Picture 4  \nRust 100 \\%"
    )


def test_classes_are_counted_as_asked_for_and_as_read(mixed: Archive) -> None:
    counts = class_counts(mixed.pictures)
    assert counts == [
        ClassCount("Leaf: healthy 1*", asked=1, read=2),
        ClassCount("Rust", asked=4, read=1),
        ClassCount("Unknown", asked=0, read=1),
    ]
    assert counts_told(counts) == (
        "Bar chart of pictures by class: Leaf: healthy 1* 1 asked for and 2 read; "
        "Rust 4 asked for and 1 read; Unknown 0 asked for and 1 read."
    )
    assert "and 8 classes more" in counts_told([ClassCount("Rust", 1, None)] * 20)
    drawn = class_bars(counts).to_dict()
    (rows,) = drawn["datasets"].values()
    assert len(rows) == 5  # nobody can ask for what is unknown


def test_agreement_comes_with_its_interval_and_with_what_it_is_not(mixed: Archive) -> None:
    found = agreement(mixed.pictures)
    assert found is not None
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.5, 0.15, 0.85)
    told = agreement_told(mixed)
    assert told is not None
    assert "(leaf\\-classifier version 2) reads 2 of 4" in told
    assert "50 % (95 % interval 15 % to 85 %). 1 is unlike every image" in told
    assert "no test of either model" in told
    unread, unasked = read_archive(packed(["rust"])), read_archive(packed([None], [RUST]))
    assert agreement_told(unread) is None
    assert "No class was asked for" in str(agreement_told(unasked))
    assert class_counts(unasked.pictures) == [ClassCount("Rust", asked=0, read=1)]


def test_a_way_is_told_by_where_its_reading_changes() -> None:
    way = read_archive(packed(["rust"] * 4, [RUST, RUST, STRANGE, None], to_seed="9"))
    assert course_told(way.pictures) == (
        "The classifier reads Rust in steps 1 to 2, then nothing it knows in step 3, then nothing "
        "(it failed) in step 4."
    )
    assert course_told(read_archive(packed(["rust"] * 4)).pictures) == ""


def damaged(data: bytes) -> bytes:
    return data.replace(b"picture 0", b"pictura 0", 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a zip file"),
        (b"<html>gateway</html>", "not a zip file"),
        (packed(["rust"] * 3)[:-200], "not a zip file"),
        (damaged(packed(["rust"])), "0.png is damaged"),
        (packed(["rust"], change=lambda about: about["files"].append("x.png")), "x.png is missing"),
        (packed(["rust"], change=lambda about: about.pop("model")), "model"),
        (packed(["rust"], change=lambda about: about.update(classes=3)), "classes is no list"),
        (packed(["rust"], change=lambda about: about["classes"].append("moth")), "longer"),
        (packed(["rust"], [{"class": "rust"}]), "confidence"),
    ],
)
def test_an_archive_that_cannot_be_read_is_told_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match="archive that the API sent cannot be read") as raised:
        read_archive(data)
    assert reason in raised.value.problem
    assert "press Generate again" in raised.value.fix


class Serving(ApiClient):
    """An API that serves these models, without the way there."""

    def __init__(self, *models: dict[str, Any]) -> None:
        self.models = models

    def ask(self, method: str, path: str, **content: Any) -> Any:
        return self

    def json(self) -> list[dict[str, Any]]:
        return list(self.models)


def served(name: str, version: int | None = 1, **more: object) -> dict[str, Any]:
    told = {"name": name, "version": version, "alias": "production", "problem": None}
    return {**told, "classes": ["a", "b"], "conditional": False, **more}


def test_what_can_be_ordered_is_what_the_models_in_production_can_do() -> None:
    classifier, generator = served("c"), served("g", conditional=True)
    gone = served("g", None, problem="no version", classes=[])
    staging = served("c", alias="staging")
    assert on_offer(Serving(classifier, generator), "c", "g") == Offer(("a", "b"), None, True)
    assert on_offer(Serving(served("g")), "c", "g") == Offer((), None, False)
    assert on_offer(Serving(classifier, gone), "c", "g") == Offer((), "no version", True)
    assert on_offer(Serving(served("c", None), generator, staging), "c", "g").is_read is False
    assert on_offer(Serving(classifier), "c", "g").problem == "the API serves no model g"
