"""A page waits for the API until there is an answer, or something else to show."""

import threading
from collections.abc import Callable

import pytest

from dashboard import waiting
from dashboard.server import options
from dashboard.waiting import waited_for
from leafgate.settings import Settings


class AnotherRun(BaseException):
    """As Streamlit ends a run."""


@pytest.fixture
def in_a_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Waits are those of a page, and another run is due after some looks."""
    monkeypatch.setattr(waiting, "get_script_run_ctx", lambda **_: object())
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    left = [10**6]

    def look() -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise AnotherRun

    monkeypatch.setattr(waiting, "_end_where_another_run_is_due", look)
    return lambda looks: left.__setitem__(0, looks)


@pytest.mark.usefixtures("in_a_run")
def test_an_answer_and_an_error_come_as_they_are() -> None:
    assert waited_for(lambda: 7) == 7

    def fail() -> None:
        raise TimeoutError("of the call itself")

    with pytest.raises(TimeoutError, match="of the call itself"):
        waited_for(fail)


def test_a_run_ends_while_the_api_is_silent(in_a_run: Callable[[int], None]) -> None:
    silence = threading.Event()
    in_a_run(3)
    with pytest.raises(AnotherRun):
        waited_for(lambda: silence.wait(60))
    silence.set()


def test_outside_of_a_page_nothing_is_waited_for_in_a_thread() -> None:
    assert waited_for(threading.current_thread) is threading.current_thread()


def test_runs_of_one_session_do_not_overlap(settings: Settings) -> None:
    """Else the end of one resets what was clicked for the other, and the click is lost."""
    assert options(settings)["runner.fastReruns"] is False
