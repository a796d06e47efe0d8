"""What the Diagnose page says and hands out of diagnoses, without a page."""

import csv
import io
import re
from collections.abc import Sequence

import numpy as np
import pytest

from dashboard.calls.diagnosing import Correction, Diagnosis, Problem
from dashboard.diagnoses import ENVELOPE_BYTES as ENVELOPE
from dashboard.diagnoses import KEPT_ANSWERS, MOST_FILES, Kept, Result, Sent, Upload
from dashboard.diagnoses import chunks as chunks_of
from dashboard.diagnosis_words import (
    bars_in_words,
    caution,
    correction_told,
    counted,
    heading,
    named,
    problem_told,
    table,
)
from dashboard.feedback_form import LONGEST_CLASS
from dashboard.file_names import LONGEST, LONGEST_SENT, cleaned
from dashboard.heat_maps import blended
from dashboard.results_csv import as_csv
from leafgate.settings import Settings
from registry import overlay
from serving.app import body_limits
from serving.routes.feedback import LONGEST as LONGEST_TAKEN


def upload(number: int, size: int = 10, name: str = "leaf.png") -> Upload:
    return Upload(f"id{number}", name, b"x" * size, f"digest{number}")


def diagnosis(*values: float, unknown: bool = False, request_id: str = "r1") -> Diagnosis:
    top = tuple(zip(("late_blight", "rust", "moss"), values, strict=False))
    return Diagnosis(
        request_id, top[0][0], top[0][1], top, "leaf", 3, "openvino", 12.5, unknown=unknown
    )


def read(markdown: str | None) -> str:
    """As it is shown."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", str(markdown))


def result(answer: Diagnosis | Problem, name: str = "leaf.png", sent: Sent | None = None) -> Result:
    return Result(1, upload(1, name=name), answer, sent)


WORDS = Problem("not_an_image", "the file is not an image", "send one of JPEG, PNG")


def test_requests_keep_to_what_the_api_takes_and_to_the_order() -> None:
    uploads = [upload(n, size=400 + n) for n in range(20)]
    found = chunks_of(uploads, most=6, most_bytes=4 * (500 + ENVELOPE))
    assert [each for chunk in found for each in chunk] == uploads
    assert {len(chunk) for chunk in found} == {4}
    assert [len(chunk) for chunk in chunks_of(uploads, 6, 10**9)] == [6, 6, 6, 2]
    assert [len(chunk) for chunk in chunks_of(uploads, 6, 1)] == [1] * 20
    assert chunks_of([], 6, 1) == []


def test_the_bounds_of_the_api_are_known_here(settings: Settings) -> None:
    """The dashboard does not import the service, so it has some numbers of its own."""
    most = body_limits(settings)["/predict/batch"]
    assert settings.max_batch_bytes <= most
    assert LONGEST_CLASS == LONGEST_TAKEN
    assert KEPT_ANSWERS >= MOST_FILES, "what is forgotten while it is shown is asked for again"
    assert 4 * LONGEST_SENT + 200 < ENVELOPE, "four bytes a character, and the part's headers"


def test_a_content_is_asked_for_once_whatever_it_is_called_and_however_often_it_comes() -> None:
    kept = Kept()
    first = kept.uploads([("1", "a.png", b"a"), ("2", "b.png", b"b"), ("3", "copy of a.png", b"a")])
    assert [each.name for each in kept.missing(first)] == ["a.png", "b.png"]
    kept.keep(first[0], diagnosis(0.9))
    kept.keep(first[1], WORDS)
    assert kept.missing(first) == []
    again = kept.uploads([("4", "another day.png", b"a")])
    assert kept.missing(again) == []
    assert [each.name for each in kept.results(again)] == ["another day.png"]


def test_what_may_pass_is_asked_for_again_only_when_somebody_wishes() -> None:
    kept = Kept()
    uploads = kept.uploads([("1", "a.png", b"a"), ("2", "b.png", b"b")])
    kept.keep(uploads[0], Problem("engine_failed", "the model failed on this image", "try again"))
    kept.keep(uploads[1], WORDS)
    assert kept.missing(uploads) == []
    kept.try_again()
    assert [each.name for each in kept.missing(uploads)] == ["a.png"]


def test_answers_of_a_session_are_bounded() -> None:
    kept = Kept()
    for number in range(KEPT_ANSWERS + 5):
        kept.keep(upload(number), WORDS)
        kept.correct(str(number), Sent("rust", Correction(True, None, None)))
    assert len(kept.answers) == len(kept.corrections) == KEPT_ANSWERS
    assert "digest4" not in kept.answers
    kept.uploads([])
    assert kept.digests == {}


def test_a_picture_of_a_phone_that_is_not_taken_is_named() -> None:
    kept = Kept()
    heic = Upload("1", "IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0", "d")
    kept.keep(heic, WORDS)
    (found,) = kept.results([heic])
    assert isinstance(found.answer, Problem)
    assert "HEIC" in found.answer.detail
    assert "Most Compatible" in found.answer.fix


def test_i_don_t_know_is_said_before_any_class() -> None:
    unsure = diagnosis(0.97, 0.02, unknown=True)
    assert heading(unsure) == "I don't know"
    assert "unlike every training image" in read(caution(unsure))
    assert "nearest class is Late blight; do not rely on it" in read(caution(unsure))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.95, 0.03), None),
        ((0.52, 0.45), "hardly tell Late blight from Rust"),
        ((0.45, 0.2), "not sure"),
        ((0.45,), "not sure"),
        ((1.0,), None),
    ],
)
def test_a_careful_sentence_stands_where_the_model_wavers(
    values: Sequence[float], said: str | None
) -> None:
    found = caution(diagnosis(*values))
    assert found is None if said is None else said in read(found)


def test_results_are_counted_in_a_sentence_the_classes_first() -> None:
    results = [
        result(WORDS),
        result(diagnosis(0.9, unknown=True)),
        result(diagnosis(0.9)),
        result(diagnosis(0.8)),
        result(WORDS),
        result(WORDS),
    ]
    told = counted(results)
    assert told == "6 files: 2 Late blight, 1 “I don't know”, 3 not diagnosed."
    assert counted(results[:1]) == "1 file: 1 not diagnosed."
    assert bars_in_words(diagnosis(0.9, 0.05)) == (
        "Confidence by class: Late blight 90.0%, Rust 5.0%."
    )


def test_the_table_has_a_row_for_every_file_diagnosed_or_not() -> None:
    rows = table([result(WORDS, "words.png"), result(diagnosis(0.9), "=1+1.png")])
    assert list(rows.columns) == [
        *("no.", "file", "class", "confidence", "unknown"),
        *("you said", "latency", "version", "problem"),
    ]
    cells = [[read(cell) for cell in row] for row in rows.to_numpy()]
    nothing = [""] * 6
    assert cells[0] == ["1", "words.png", *nothing, "The file is not an image."]
    assert cells[1] == ["1", "=1+1.png", "Late blight", "90.0%", "no", "", "12 ms", "3", ""]
    unsure = table([result(diagnosis(0.9, unknown=True))])
    assert read(unsure["class"][0]) == "I don't know (nearest: Late blight)"


def test_problems_are_told_with_their_remedy_and_the_wait() -> None:
    assert (
        read(problem_told(WORDS)) == "The file is not an image. What to do: Send one of JPEG, PNG."
    )
    busy = Problem("too_many_requests", "more than 2", "wait as Retry-After says", "", 37)
    assert read(problem_told(busy)).endswith("What to do: Wait 37 s, then try again.")
    assert read(named([result(WORDS)] * 10)).endswith("leaf.png and 2 more")


@pytest.mark.parametrize(
    ("became", "said"),
    [
        (Correction(True, "late_blight", False), "had told Late blight: it counts as wrong."),
        (Correction(True, "rust", True), "counts as right."),
        (Correction(True, None, None), "as soon as that is in the log."),
        (Correction(False, "rust", False), "if it is misspelt"),
    ],
)
def test_what_became_of_a_correction_is_said(became: Correction, said: str) -> None:
    told = read(correction_told(Sent("rust", became)))
    assert told.startswith("You said: Rust.")
    assert said in told


def read_back(data: bytes) -> list[dict[str, str]]:
    """As Excel takes it: by its mark, and with quotes."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_csv_has_every_file_and_is_read_back_as_it_was() -> None:
    sent = Sent("rust", Correction(True, "late_blight", False))
    data = as_csv(
        [
            result(diagnosis(0.9, 0.05), 'Blätter, "grün"\n2.png', sent),
            result(WORDS, "words.png"),
        ]
    )
    assert data.startswith(b"\xef\xbb\xbf")
    first, second = read_back(data)
    assert first["file"] == 'Blätter, "grün"\n2.png'
    assert (first["class"], first["confidence"], first["unknown"]) == ("late_blight", "0.9", "no")
    assert first["top 5"] == "late_blight 0.9000; rust 0.0500"
    assert (first["model"], first["version"], first["engine"]) == ("leaf", "3", "openvino")
    assert (first["latency_ms"], first["images_in_request"]) == ("12.5", "1")
    assert (first["request_id"], first["corrected class"], first["problem"]) == ("r1", "rust", "")
    assert first["time"].endswith("+00:00")
    assert second["problem"] == "the file is not an image (not_an_image)"
    assert second["class"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_a_name_that_is_a_formula_is_text_in_a_spreadsheet(name: str) -> None:
    said = Sent("=cmd|' /C calc'!A0", Correction(False, None, None))
    (row,) = read_back(as_csv([result(diagnosis(0.9), name, said)]))
    assert row["file"] in (f"'{name}", f"{name[:1]}'{name[1:]}")
    assert row["corrected class"].startswith("'=cmd")


def test_a_name_that_cannot_be_encoded_does_not_keep_the_csv_from_being_made() -> None:
    (row,) = read_back(as_csv([result(diagnosis(0.9), "leaf\udcff.png")]))
    assert row["file"] == "leaf?.png"


def test_the_heat_map_goes_from_the_leaf_alone_to_the_api_s_own_picture() -> None:
    rng = np.random.default_rng(1)
    leaf = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    over = overlay(leaf, rng.random((4, 4)).astype(np.float32))
    assert np.array_equal(blended(leaf, over, 0), leaf)
    assert np.array_equal(blended(leaf, over, 1), over)
    half = blended(leaf, over, 0.5)
    assert half.dtype == np.uint8
    assert np.abs(half.astype(int) - (leaf.astype(int) + over) / 2).max() <= 0.5


def test_a_leaf_larger_than_its_heat_map_is_mixed_at_the_heat_map_s_size() -> None:
    leaf = np.full((100, 80, 3), 200, np.uint8)
    over = np.full((51, 40, 3), 100, np.uint8)
    mixed = blended(leaf, over, 0.25)
    assert mixed.shape == over.shape
    assert mixed.max() == mixed.min() == 175


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("a\nb\0c", "a�b�c"),
        ("leaf\udcff", "leaf�"),
        ("gnp\u202egpj.exe", "gnp�gpj.exe"),
        ("👩‍🌾.png", "👩‍🌾.png"),
        (" ", "(no name)"),
    ],
)
def test_names_are_one_line_of_what_can_be_seen(name: str, shown: str) -> None:
    assert cleaned(name) == shown


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    name = f"first{'x' * 5000}last.png"
    for longest in (LONGEST, LONGEST_SENT):
        short = cleaned(name, longest)
        assert len(short) == longest
        assert short.startswith("first")
        assert short.endswith("last.png")
