"""The load generator counts what a real server did, and keeps to its schedule whatever it did."""

import json
import time
from email import message_from_bytes
from pathlib import Path

import pytest

from benchmarks.http_bytes import AnswerReader, MalformedAnswer, json_post, upload
from benchmarks.load import read_requests, run_load, running_load, write_requests
from benchmarks.load_loop import Load, Plan
from tests.commands import free_port
from tests.small_server import CLOSE, ok, serving

REQUESTS = [json_post("/predict", "localhost", {"number": number}) for number in range(3)]
BODIES = {json.dumps({"number": number}).encode() for number in range(3)}


@pytest.mark.parametrize("connections", [1, 8])
def test_a_closed_loop_counts_every_request_and_sends_all_in_turn(connections: int) -> None:
    with serving(lambda number: ok()) as server:
        figures = Load(Plan(server.port, connections, 0.3, warm_seconds=0.1), REQUESTS).run()
    assert figures.requests == len(server.bodies) > figures.outcomes["200"] > 0
    assert set(server.bodies) == BODIES
    assert server.connections == connections
    assert (figures.failed, figures.reconnects) == (0, 0)
    ended = sum(step.get("200", 0) for step in figures.timeline)
    assert figures.requests_per_second == pytest.approx(ended / figures.seconds)


def test_a_connection_that_the_server_closes_after_an_answer_is_opened_again() -> None:
    with serving(lambda number: ok(b"{}", "Connection: close")) as server:
        figures = Load(Plan(server.port, 2, 0.2, 0.0), REQUESTS).run()
    assert figures.failed == 0
    assert figures.reconnects == server.connections == len(server.bodies) > 2


def test_a_connection_closed_without_an_answer_is_a_failed_request() -> None:
    with serving(lambda number: CLOSE if number % 2 else ok()) as server:
        figures = Load(Plan(server.port, 1, 0.2, 0.0), REQUESTS).run()
    assert figures.outcomes["closed"] == pytest.approx(figures.outcomes["200"], abs=1)
    assert figures.failed == figures.reconnects == figures.outcomes["closed"]


def test_where_nobody_listens_every_request_is_refused_and_none_is_hammered() -> None:
    figures = Load(Plan(free_port(), 4, 0.2, 0.0), REQUESTS).run()
    assert set(figures.outcomes) == {"refused"}
    assert 0 < figures.failed <= 4 * 0.2 / 0.01 + 4
    assert figures.requests_per_second == 0


def test_silence_ends_as_a_timeout() -> None:
    with serving(lambda number: None) as server:
        plan = Plan(server.port, 3, 0.3, 0.0, timeout_seconds=0.1)
        figures = Load(plan, REQUESTS).run()
    assert set(figures.outcomes) == {"timeout"}
    assert figures.outcomes["timeout"] >= 3


def test_refusals_are_counted_by_status_and_by_whether_they_say_when_to_come_again() -> None:
    busy = "503 Service Unavailable"
    answers = [ok(), ok(b"{}", "Retry-After: 2", status=busy), ok(b"{}", status=busy)]
    with serving(lambda number: answers[number % 3]) as server:
        figures = Load(Plan(server.port, 1, 0.2, 0.0), REQUESTS).run()
    assert figures.outcomes["503"] == pytest.approx(2 * figures.outcomes["200"], abs=2)
    assert figures.retry_after == pytest.approx(figures.outcomes["503"] / 2, abs=1)
    assert figures.latency["503"].count == figures.outcomes["503"]


def test_an_open_loop_sends_on_schedule_however_slow_the_service_is() -> None:
    def slow(number: int) -> bytes:
        time.sleep(0.1)
        return ok()

    with serving(slow) as server:
        plan = Plan(server.port, connections=50, seconds=0.5, warm_seconds=0.0, rate=100)
        figures = Load(plan, REQUESTS).run()
    assert figures.outcomes["200"] + figures.unsent == pytest.approx(50, abs=1)


def test_an_open_loop_counts_latency_from_when_a_request_was_due() -> None:
    """One connection, answers after 50 ms, due every 10 ms: the wait grows, and is not hidden."""

    def slow(number: int) -> bytes:
        time.sleep(0.05)
        return ok()

    with serving(slow) as server:
        plan = Plan(server.port, connections=1, seconds=0.5, warm_seconds=0.0, rate=100)
        figures = Load(plan, REQUESTS).run()
    reached = figures.outcomes["200"]
    assert figures.unsent + reached == pytest.approx(50, abs=1)
    assert figures.good.max_ms >= (reached - 1) * (50 - 10)


def test_a_load_of_its_own_process_hands_back_figures_and_answers(tmp_path: Path) -> None:
    folder = write_requests(tmp_path / "requests", REQUESTS)
    assert read_requests(folder) == REQUESTS
    answers = tmp_path / "answers"
    with serving(lambda number: ok(b'{"class": "rust"}')) as server:
        figures = run_load(Plan(server.port, 2, 0.3, 0.0), folder, answers)
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(lines) == figures.requests == len(server.bodies)
    assert all(line["body"] == {"class": "rust"} and line["status"] == 200 for line in lines)
    assert all(figures.began <= line["sent"] <= line["ended"] for line in lines)
    assert figures.own_cpu_us > 0


def test_a_load_that_is_stopped_hands_back_what_there_was(tmp_path: Path) -> None:
    folder = write_requests(tmp_path / "requests", REQUESTS)
    with (
        serving(lambda number: ok()) as server,
        running_load(Plan(server.port, 2, 600.0, 0.0), folder) as load,
    ):
        while len(server.bodies) < 20:
            time.sleep(0.01)
        load.stop()
        figures = load.figures()
    assert figures.requests == len(server.bodies)
    assert 0 < figures.seconds < 600
    assert figures.ended == pytest.approx(figures.began + figures.seconds)


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n5;name=value\r\ndefgh\r\n0\r\nTrailer: yes\r\n\r\n"
)
WHOLE = {
    "length": (ok(b"abcdefgh"), b"abcdefgh"),
    "chunked": (CHUNKED, b"abcdefgh"),
    "chunked, no trailer": (CHUNKED.replace(b"Trailer: yes\r\n", b""), b"abcdefgh"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"abc"), b"abc"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_read_however_it_comes_in_pieces(name: str) -> None:
    whole, body = WHOLE[name]
    for size in (1, 7, len(whole)):
        reader = AnswerReader()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        *early, answer = [reader.feed(piece) for piece in pieces]
        assert early == [None] * len(early)
        assert answer is not None and answer.body == body and answer.keeps
        assert not reader.begun


def test_an_answer_without_a_length_lasts_until_the_connection_ends() -> None:
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") is None
    answer = reader.feed(b"", closed=True)
    assert answer is not None and (answer.body, answer.keeps) == (b"abc", False)


def test_an_answer_cut_off_is_none() -> None:
    reader = AnswerReader()
    assert reader.feed(ok(b"abcdefgh")[:-1]) is None
    assert reader.feed(b"", closed=True) is None


@pytest.mark.parametrize("head", [b"SSH-2.0", b"HTTP/1.1 200 OK\r\nContent-Length: x"])
def test_what_is_not_http_is_said_so(head: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        AnswerReader().feed(head + b"\r\n\r\n")


def test_an_upload_is_what_a_multipart_parser_reads() -> None:
    jpeg = b"\xff\xd8\r\n\x00 a JPEG"
    whole = upload("/predict", "localhost", "file", jpeg, {"Authorization": "Bearer x"})
    line, _, rest = whole.partition(b"\r\n")
    told = message_from_bytes(rest)
    (part,) = (part for part in told.walk() if not part.is_multipart())
    assert line == b"POST /predict HTTP/1.1"
    assert told["Authorization"] == "Bearer x"
    assert int(told["Content-Length"]) == len(rest.partition(b"\r\n\r\n")[2])
    assert part.get_param("name", header="Content-Disposition") == "file"
    assert (part.get_content_type(), part.get_payload(decode=True)) == ("image/jpeg", jpeg)
