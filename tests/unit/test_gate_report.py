"""The gate's report: what it tells a person, what it tells a machine, and its pictures."""

import json
import logging
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.checks import CHECKS, Verdict
from registry.gate_pictures import PICTURES, Picture, draw_pictures
from registry.report import GateReport, Hold
from tests.evidence import classifier_evidence

EVIL = "<script>alert('rust $5')</script>"
PNG = b"\x89PNG"
GOOD = Verdict(
    "accuracy", True, 0.9, "at least 0.8", "90.0% of 60 test images are right", sure=0.97
)
BAD = Verdict("calibration", False, 0.2, "at most 0.1", "confidence is off", sure=0.61)
UNKNOWN = Verdict("latency", False, float("nan"), "measured", "cannot be judged: no model")


def report(*verdicts: Verdict, **overrides: Any) -> GateReport:
    made = GateReport(
        model="leaf-classifier",
        version=7,
        kind="classifier",
        decision="passed" if all(item.passed for item in verdicts) else "held back",
        verdicts=verdicts,
        champion=6,
        policy="leaf-classifier.yaml",
        policy_digest="policy0123",
        evaluation_set="set0123",
        data_digest="data0123",
        artifact_digest="artefact0123",
        engine="openvino-int8",
        test_images=1500,
        leaf_groups=700,
        judged_at_utc="2026-03-01T12:00:00Z",
        judged_by="ana",
        machine="two cores",
        run_id="run0123",
        seconds=12.3,
    )
    return replace(made, **overrides)


def words(html: str) -> str:
    """What a reader sees."""
    seen = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", seen)).split())


@pytest.fixture
def page(tmp_path: Path) -> Any:
    """The saved page of a report."""

    def saved(made: GateReport, pictures: dict[str, bytes] | None = None) -> str:
        return made.save(tmp_path / "report", pictures or {}).read_text(encoding="utf-8")

    return saved


def test_the_page_opens_with_the_verdict_in_one_sentence(page: Any) -> None:
    html = page(report(GOOD, BAD, UNKNOWN))
    body = html.split("<main>")[1]
    assert body.startswith("<h1")
    heading = re.findall(r"<h1[^>]*>(.*?)</h1>", body)
    assert heading == ["leaf-classifier version 7 is held back: it did not pass 2 of 3 checks"]


def test_failed_checks_come_before_passed_ones_and_before_what_was_measured_on(page: Any) -> None:
    seen = words(page(report(GOOD, BAD, UNKNOWN)))
    places = [
        seen.index(part)
        for part in (
            "Confidence is off.",
            "Cannot be judged: no model.",
            "What it passed",
            CHECKS["classifier"]["accuracy"].question,
            "Measured on",
        )
    ]
    assert places == sorted(places)


def test_a_failed_check_says_its_question_sentence_bound_and_remedy(page: Any) -> None:
    seen = words(page(report(GOOD, BAD)))
    check = CHECKS["classifier"]["calibration"]
    assert f"{check.question} No calibration Confidence is off. Measured: 0.2" in seen
    assert "Asked for: at most 0.1" in seen
    assert f"What to do {check.remedy.replace('`', '')}" in seen


def test_a_verdict_that_might_be_luck_asks_for_more_images(page: Any) -> None:
    seen = words(page(report(BAD)))
    assert "would say the same in 61 of 100 cases. More images are needed to be certain." in seen
    surer = words(page(report(replace(BAD, sure=0.93))))
    assert "in 93 of 100 cases." in surer
    assert "More images" not in surer


def test_what_could_not_be_measured_is_not_answered_with_no(page: Any) -> None:
    seen = words(page(report(UNKNOWN)))
    assert f"{CHECKS['classifier']['latency'].question} Not known" in seen
    assert "nan" not in seen


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"decision": "held back"}, "Production is unchanged: version 6 goes on answering."),
        ({"decision": "held back", "champion": None}, "no version is in production"),
        ({"decision": "promoted"}, "It answers from now on, in place of version 6."),
        ({"decision": "promoted", "champion": None}, "none was in production before"),
        (
            {"decision": "on hold", "hold": Hold("ada", "2026-01-31T12:00:00.000Z", "wait")},
            "ada has kept it out of production since 2026-01-31T12:00:00.000Z: “wait”",
        ),
        ({"champion": 7}, "version 7 is in production already and goes on answering"),
    ],
)
def test_the_page_says_what_happens_now(page: Any, changes: dict[str, Any], told: str) -> None:
    verdict = replace(GOOD, passed=changes.get("decision") != "held back")
    assert told in words(page(report(verdict, **changes)))


def test_what_it_was_measured_on_is_all_there(page: Any) -> None:
    seen = words(page(report(GOOD))).split("Measured on")[1]
    for fact in (
        "1,500", "700", "set0123", "data0123", "artefact0123", "openvino-int8", "two cores",
        "leaf-classifier.yaml", "policy0123", "run0123", "version 6", "by ana", "12 seconds",
    ):  # fmt: skip
        assert fact in seen


def test_class_and_file_names_are_shown_and_never_run(page: Any) -> None:
    hostile = replace(BAD, check="accuracy", sentence=f'the worst is {EVIL}" onload="x')
    made = report(hostile, model=EVIL, judged_by=EVIL, policy=EVIL)
    html = page(made, {"accuracy": PNG})
    assert "<script" not in html
    assert '" onload="' not in html
    assert EVIL in words(html)


def test_the_page_needs_nothing_from_elsewhere(page: Any) -> None:
    html = page(report(BAD, GOOD), {"calibration": PNG, "accuracy": PNG})
    assert re.findall(r'src="([^"]{22})', html) == ["data:image/png;base64,"] * 2
    assert not re.findall(r"https?://|<link|url\(|<script", html)
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html


def test_a_picture_says_what_it_shows_to_those_who_cannot_see_it(page: Any) -> None:
    html = page(report(BAD), {"calibration": PNG})
    picture = PICTURES["classifier"]["calibration"]
    assert f'alt="{picture.shows}. Confidence is off."' in html
    assert f"<figcaption>{picture.reading}</figcaption>" in html


def test_a_model_that_cannot_be_run_is_explained_too(page: Any) -> None:
    gone = Verdict("runs", False, float("nan"), "loads and answers", "the stored model is gone")
    html = page(report(gone))
    assert "is held back: the stored model is gone</h1>" in html
    assert "Can the stored model be run at all? No" in words(html)


def test_the_terminal_gets_the_headline_and_failed_checks_first() -> None:
    lines = report(GOOD, BAD, replace(UNKNOWN, outcome="cannot be told")).lines()
    assert lines == [
        "leaf-classifier version 7 is held back: calibration and latency not passed",
        "  FAIL  calibration (at most 0.1): confidence is off (sure: 61 in 100)",
        "  FAIL  latency (measured): cannot be told: cannot be judged: no model",
        "  pass  accuracy (at least 0.8): 90.0% of 60 test images are right (sure: 97 in 100)",
    ]


def test_machines_get_strict_json_with_everything(tmp_path: Path) -> None:
    odd = replace(BAD, figure=np.float64("inf"), passed=np.bool_(False))  # type: ignore[arg-type]
    report(GOOD, odd, UNKNOWN).save(tmp_path, {})
    text = (tmp_path / "report.json").read_text(encoding="utf-8")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    told = json.loads(text, parse_constant=refuse)
    assert [item["figure"] for item in told["verdicts"]] == [0.9, None, None]
    assert [item["passed"] for item in told["verdicts"]] == [True, False, False]
    assert told["verdicts"][0]["sure"] == 0.97
    assert told["verdicts"][0]["question"] == CHECKS["classifier"]["accuracy"].question
    assert told["verdicts"][0]["remedy"] == CHECKS["classifier"]["accuracy"].remedy
    assert told["headline"] == report(GOOD, BAD, UNKNOWN).headline
    assert told["evaluation_set"] == "set0123"
    assert told["seconds"] == 12.3


def test_saving_again_replaces_whole_files_and_leaves_nothing_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(BAD).save(tmp_path, {"calibration": PNG, "accuracy": PNG + b"old"})
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="no space"):
            report(GOOD).save(tmp_path, {"accuracy": PNG})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    report(GOOD).save(tmp_path, {"accuracy": PNG})
    assert {file.name for file in tmp_path.iterdir()} == {
        "report.html", "report.json", "accuracy.png",
    }  # fmt: skip


def test_a_picture_that_cannot_be_drawn_does_not_cost_the_report(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, page: Any
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError("odd evidence")

    monkeypatch.setitem(PICTURES["classifier"], "calibration", Picture(broken, "a", "b"))
    with caplog.at_level(logging.WARNING):
        drawn = draw_pictures("classifier", classifier_evidence(), [BAD])
    assert drawn == {}
    assert "no picture of calibration" in caplog.text
    assert "Confidence is off." in words(page(report(BAD), drawn))
