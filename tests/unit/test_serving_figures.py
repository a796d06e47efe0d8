"""What the serving benchmarks conclude from what they measured."""

import pytest

from benchmarks.load_figures import Figures, Record, Window, figures_of, latency_of, percentile
from benchmarks.moves import Move, Seen, problems, seen_in
from benchmarks.overload import report_overload, report_recovery
from benchmarks.verdicts import Measured, Verdict, table, verdicts

WINDOW = Window(100.0, 102.0)


def test_a_percentile_is_a_measured_value_that_so_many_do_not_exceed() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert percentile([7.0], 0.99) == 7
    found = latency_of([0.003, 0.001, 0.002])
    assert (found.count, found.p50_ms, found.p99_ms, found.max_ms) == (3, 2, 3, 3)


def test_only_what_lies_in_the_window_counts() -> None:
    records = [
        Record(99.0, 99.5, "200"),  # warming up
        Record(99.9, 100.1, "200"),  # ended inside, due before: counts for the rate alone
        Record(100.2, 100.4, "200"),
        Record(101.0, 101.1, "503", retry_after=True),
        Record(101.9, 105.0, "200"),  # due inside, ended after: counts for latency alone
    ]
    found = figures_of(records, WINDOW)
    assert found.requests_per_second == 2 / 2
    assert found.outcomes == {"200": 2, "503": 1}
    assert found.good.max_ms == pytest.approx(3100)
    assert found.timeline == [{"200": 2}, {"503": 1}]
    assert (found.requests, found.failed, found.retry_after) == (5, 1, 1)
    assert (found.began, found.ended) == WINDOW


def test_a_timeline_has_the_steps_asked_for() -> None:
    records = [Record(100.0, 100.0 + 0.25 * step, "200") for step in range(8)]
    assert figures_of(records, WINDOW, step_seconds=0.5).timeline == [{"200": 2}] * 4


MOVES = [Move(2, 10.0, 10.5, 12.0), Move(1, 20.0, 20.5, 22.0)]


def _answer(sent: float, ended: float, version: int) -> Seen:
    return Seen(sent, ended, version, network=version - 1)


GOOD = [
    _answer(1, 2, 1),
    _answer(10.2, 11, 1),  # the service has not seen the move yet
    _answer(11.9, 12.3, 1),  # was under way as the first answer of version 2 ended
    _answer(11.5, 12, 2),
    _answer(15, 16, 2),
    _answer(21, 21.5, 2),
    _answer(21.5, 22, 1),
    _answer(30, 31, 1),
]


def test_answers_of_a_version_that_was_live_are_no_problem() -> None:
    assert problems(GOOD, MOVES, (1, 2)) == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (_answer(8, 9, 2), "version 2 answered 8"),  # before its promotion
        (_answer(13, 14, 1), "version 1 answered 13"),  # after the next had answered
        (_answer(23, 24, 2), "version 2 answered 23"),  # after it was rolled back
        (Seen(15, 16, 2, network=0), "another's class"),  # a mixture
        (Seen(5, 6, 1, network=1), "another's class"),
    ],
)
def test_a_stale_early_or_mixed_answer_is_found(wrong: Seen, what: str) -> None:
    (problem,) = problems([*GOOD, wrong], MOVES, (1, 2))
    assert what in problem


def test_an_answer_line_tells_version_and_network() -> None:
    line = b'{"sent": 1.0, "ended": 2.0, "status": 200, "body": %s}'
    twin = b'{"class": "rust (second)", "model": {"name": "leaf-classifier", "version": 2}}'
    assert seen_in(line % twin) == Seen(1.0, 2.0, 2, 1)
    assert seen_in(line.replace(b"200", b"503") % b"null") is None


def _figures(rate: float, p99_ms: float = 100.0) -> Figures:
    latency = {"200": latency_of([p99_ms / 1000])}
    return Figures(10.0, rate, {"200": 1}, latency, [])


def _row(rate: float, p99_ms: float = 100.0, start: float = 5.0) -> list[Measured]:
    return [Measured(count, _figures(rate, p99_ms), 5.0, 600.0, start) for count in (1, 8, 32)]


def test_verdicts_compare_round_by_round() -> None:
    """The machine is twice as quick in the second round: ratios are not."""
    results = {
        "mlflow-tensorflow": [_row(10, 400), _row(20, 200)],
        "mlflow": [_row(30), _row(60)],
        "bentoml": [_row(25), _row(50)],
        "leafgate-fp32": [_row(26), _row(52)],
        "leafgate": [_row(41, 100, start=7), _row(82, 50, start=7)],
    }
    told = verdicts(results, [{0: (30.0, 4.0), 1: (50.0, 3.0)}, {1: (100.0, 3.0)}]).splitlines()
    assert [line[:3].strip() for line in told] == ["yes", "yes", "no", "yes", "no", "no", "yes"]
    assert "4.10, asked for at least 4" in told[0]
    assert "0.82, asked for at least 0.85" in told[4]
    assert "7.00, asked for at most 6" in told[5]


def test_a_verdict_is_of_the_median_round() -> None:
    assert str(Verdict("share", [0.99, 0.5, 0.9], 0.85)).startswith("yes share: 0.90")
    assert str(Verdict("share", [0.99, 0.5, 0.8], 0.85)).startswith("no  share: 0.80")
    assert str(Verdict("p99", [0.2, 0.9, 0.3], 1 / 3, at_least=False)).startswith("yes p99: 0.30")


def test_what_was_not_measured_has_no_verdict() -> None:
    assert len(verdicts({"leafgate": [_row(10)]}, []).splitlines()) == 2
    assert verdicts({}, [{0: (30.0, 4.0)}]) == ""
    assert len(table({"leafgate": [_row(10)]}, [{0: (30.0, 4.0)}]).splitlines()) == 1 + 3 + 1


def _timeline(*good: int, refused: int = 0) -> Figures:
    records = [
        Record(100.0 + second, 100.001 + second, outcome, outcome == "503")
        for second, count in enumerate(good)
        for outcome in ["200"] * count + ["503"] * refused
    ]
    return figures_of(records, Window(100.0, 100.0 + len(good)))


def test_overload_is_judged_by_goodput_refusals_and_nothing_else() -> None:
    told = report_overload(_timeline(9, 7, 9, refused=40), 50, 10).splitlines()
    assert [line[:3].strip() for line in told[3:]] == ["yes", "yes", "yes"]
    assert "0.83 of the peak in the mean, 0.70 in the worst second" in told[3]
    told = report_overload(_timeline(7, 7, 7), 50, 10).splitlines()
    assert told[3].startswith("no")


def test_recovery_counts_from_when_the_load_was_taken_away() -> None:
    overload = figures_of([], Window(90.0, 99.0))
    after = figures_of(
        [Record(100.0, 100.0 + 0.1 * number, "200") for number in range(10, 20)],
        Window(100.0, 102.0),
        step_seconds=0.5,
    )
    assert "again 2.0 s after" in report_recovery(overload, after, peak=10)
    assert report_recovery(overload, after, peak=100).startswith("no")
