"""The Diagnose page over a real API: what a person sees of leaves, of what is none, of refusals."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.client import ApiClient, SignIn
from dashboard.pages.diagnose import KEPT
from dashboard.session import KEY
from leafgate.settings import Settings
from serving import hash_password
from sql import add_user, open_database
from tests.commands import free_port
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings, starting_apis
from tests.integration.test_api_answers import eventually, png
from tests.integration.test_api_refusals import huge_png, truncated_jpeg
from tests.shown_pages import read

File = tuple[str, bytes, str]


def page(settings: "Settings") -> None:
    """As the app runs it."""
    from dashboard.guard import problems_shown
    from dashboard.pages.diagnose import render

    with problems_shown():
        render(settings)


def leaf(name: str, data: bytes) -> File:
    return name, data, "image/png"


def white() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def api(served_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One for the tests of this file, which count what is asked by differences."""
    with starting_apis() as start:
        api = start(api_settings(served_var, tmp_path_factory.mktemp("diagnose")))
        database = open_database(api.settings.database)
        add_user(database, "gardener", hash_password(PASSWORD), ["predict", "feedback"])
        database.dispose()
        yield api


@pytest.fixture(scope="module")
def gardener(api: RunningApi) -> SignIn:
    """Somebody who may diagnose and correct."""
    return ApiClient(api.url).sign_in("gardener", PASSWORD)


def open_page(api: RunningApi, who: SignIn | None = None, **overrides: object) -> AppTest:
    """The page as `who`, or as somebody who may diagnose and not correct, sees it first."""
    settings = api.settings.model_copy(update={"api_url": api.url, **overrides})
    shown = AppTest.from_function(page, kwargs={"settings": settings}, default_timeout=60)
    shown.session_state[KEY] = who or ApiClient(api.url).sign_in("ada", PASSWORD)
    return shown.run()


def bring(shown: AppTest, *files: File) -> AppTest:
    shown.file_uploader[0].set_value(list(files))
    return shown.run()


def headings(shown: AppTest) -> list[str]:
    return [each.value for each in shown.header]


def button(shown: AppTest, label: str) -> AppTest:
    next(each for each in shown.button if each.label == label).click()
    return shown.run()


class Asked:
    """Requests that the service counts from now on, by path."""

    def __init__(self, api: RunningApi) -> None:
        self._api, self._before = api, Counter[str]()
        self._before = self._counted()

    def __call__(self, path: str) -> int:
        """How many of that path."""
        return self._counted()[path] - self._before[path]

    def _counted(self) -> Counter[str]:
        found = Counter[str]()
        for line in httpx.get(f"{self._api.url}/metrics").text.splitlines():
            if line.startswith("leafgate_requests_total"):
                for path in re.findall(r'endpoint="([^"]*)"', line):
                    found[path] += int(float(line.split()[-1]))
        return found


def test_the_page_says_what_to_do_and_asks_for_no_camera_of_its_own_accord(
    api: RunningApi, gardener: SignIn
) -> None:
    shown = open_page(api, gardener)
    assert "one leaf that fills the frame" in shown.info[0].value
    assert not shown.camera_input
    shown.segmented_control[0].set_value("Camera").run()
    shown.camera_input[0].set_value(("photo.jpg", png("blue"), "image/jpeg"))
    shown.run()
    assert headings(shown)[0] == "Blue"
    assert not shown.exception


def test_one_leaf_is_asked_for_once_and_shown_with_class_confidence_and_receipt(
    api: RunningApi, gardener: SignIn
) -> None:
    asked = Asked(api)
    shown = bring(open_page(api, gardener), leaf("leaf.png", png("green")))
    assert headings(shown) == ["Green", "Is this right?"]
    labels = {each.label: each.value for each in shown.metric}
    assert labels["Model version"] == "1"
    assert labels["Confidence"].endswith("%")
    shown.run()
    bring(shown, leaf("the same under another name.png", png("green")))
    assert headings(shown)[0] == "Green"
    assert asked("/predict") == 1
    assert not shown.error


def test_a_picture_of_something_else_is_answered_by_i_don_t_know(
    api: RunningApi, gardener: SignIn
) -> None:
    shown = bring(open_page(api, gardener), leaf("wall.png", white()))
    assert headings(shown)[0] == "I don't know"
    assert "do not rely on it" in read(shown.warning[0].value)
    assert "It is right" not in [each.label for each in shown.button]


def test_of_several_the_good_are_diagnosed_and_the_bad_named_with_reason_and_remedy(
    api: RunningApi, gardener: SignIn
) -> None:
    asked = Asked(api)
    bad = {
        "../../<b>[x](y)": (b"these are words", "is not an image"),
        "empty.png": (b"", "file is empty"),
        "big.png": (huge_png(), "10000 x 10000"),
        f"{'long' * 2000}.jpg": (truncated_jpeg(), "cannot be read"),
        "many bytes.png": (b"x" * 300_000, "300,000 bytes"),
        "IMG_1.heic": (b"\0\0\0\x18ftypheic", "HEIC"),
        "q\"uo't\\e\r\n.png": (b"words", "is not an image"),
    }
    good = [leaf(f"{name} 🍃.png", png(name)) for name in ("red", "green")]
    files = [*good, *(leaf(name, data) for name, (data, _) in bad.items()), good[0]]
    shown = bring(open_page(api, gardener, max_upload_bytes=200_000), *files)
    assert not shown.exception
    (told,) = [read(each.value) for each in shown.error]
    for number, (_, reason) in enumerate(bad.values()):
        assert reason in told.split("\n\n")[number]
        assert "What to do: " in told.split("\n\n")[number]
    assert "\\.\\.\\/\\<b\\>\\[x\\]" in shown.error[0].value
    counts = "10 files: 2 Red, 1 Green, 7 not diagnosed."
    assert counts in [read(each.value) for each in shown.markdown]
    assert list(shown.table[0].value["class"])[:2] == ["Red", "Green"]
    chooser = next(each for each in shown.selectbox if each.label == "Leaf to look at")
    assert chooser.options == [
        "1. red 🍃.png: Red",
        "2. green 🍃.png: Green",
        "10. red 🍃.png: Red",
    ]
    chooser.select_index(1)
    shown.run()
    assert "Green" in headings(shown)
    assert asked("/predict/batch") == 1
    data = shown.get("download_button")[0]
    assert data.proto.label == "Download results as CSV"


def test_a_heat_map_is_asked_for_once_a_class_however_far_the_slider_moves(
    api: RunningApi, gardener: SignIn
) -> None:
    asked = Asked(api)
    shown = bring(open_page(api, gardener), leaf("leaf.png", png("green")))
    assert asked("/explain") == 0
    shown.toggle[0].set_value(True).run()
    for strength in (0, 40, 100):
        shown.slider[0].set_value(strength).run()
    assert asked("/explain") == 1
    assert pictures(shown) == ["leaf.png with a heat map of what spoke for Green"]
    explained = next(each for each in shown.selectbox if each.label == "Explain class")
    explained.set_value("red").run()
    assert pictures(shown) == ["leaf.png with a heat map of what spoke for Red"]
    assert asked("/explain") == 2
    assert not shown.error


def pictures(shown: AppTest) -> list[str]:
    """What screen readers are told of them."""
    return [image.alt for each in shown.image for image in each.proto.imgs]


def test_a_correction_is_sent_told_and_may_be_changed(api: RunningApi, gardener: SignIn) -> None:
    shown = bring(open_page(api, gardener), leaf("leaf.png", png("green")))
    button(shown, "Send correction")
    assert "Choose or name" in read(shown.warning[0].value)
    truth = next(each for each in shown.selectbox if each.label == "What it really shows")
    assert truth.options == ["Blue", "Green", "Red", "another class…"]
    truth.set_value("red").run()
    button(shown, "Send correction")
    assert read(shown.success[0].value).startswith("You said: Red.")
    truth = next(each for each in shown.selectbox if each.label == "What it really shows")
    truth.set_value("").run()
    shown.text_input[0].set_value(" Blattläuse ").run()
    button(shown, "Send correction")
    assert "The model knows no class of this name" in read(shown.warning[0].value)
    button(shown, "It is right")
    assert read(shown.success[0].value).startswith("You said: Green.")
    kept = shown.session_state[KEPT]
    assert [each.class_name for each in kept.corrections.values()] == ["green"]
    assert said(api) == ["red", "Blattläuse", "green"]


def said(api: RunningApi) -> list[str]:
    """The corrections that are stored, once all three are."""
    engine = open_database(api.settings.database)

    def stored() -> list[str]:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT true_class FROM feedback ORDER BY id"))
            return [row[0] for row in found]

    eventually(lambda: len(stored()) == 3)
    found = stored()
    engine.dispose()
    return found


def test_who_may_not_send_corrections_is_told_so_quietly(api: RunningApi) -> None:
    shown = bring(open_page(api), leaf("leaf.png", png("green")))
    assert "lacks the scope `feedback`" in " ".join(each.value for each in shown.caption)
    assert "Send correction" not in [each.label for each in shown.button]
    assert not shown.error


def test_while_the_api_is_away_what_is_answered_stays_and_the_rest_is_tried_again(
    api: RunningApi, gardener: SignIn
) -> None:
    """The page is pointed elsewhere and back, which is what an outage comes to for it."""
    asked = Asked(api)
    shown = bring(open_page(api, gardener), leaf("a.png", png("green")))
    here, away = api.url, f"http://127.0.0.1:{free_port()}"
    settings = api.settings.model_copy(update={"api_url": away})
    shown.args = ()
    shown.kwargs = {"settings": settings}
    both = [leaf("a.png", png("green")), leaf("b.png", png("red"))]
    bring(shown, *both)
    assert not shown.exception
    assert read(shown.error[0].value).startswith("No answer for b.png. The API at http")
    assert "Green" in headings(shown)
    shown.run()
    shown.kwargs = {"settings": settings.model_copy(update={"api_url": here})}
    shown.run()
    assert shown.error, "nothing is asked for again unless somebody wishes"
    button(shown, "Try again")
    assert not shown.error
    assert "Red" in headings(shown)
    assert asked("/predict") == 2


def test_who_asks_too_often_is_told_how_long_to_wait_and_what_is_missing(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    """Of three files in requests of one the first two pass; the plan takes no more."""
    api = start_api(api_settings(served_var, tmp_path, predict_limit="2/minute"))
    files = [leaf(f"{name}.png", png(name)) for name in ("red", "green", "blue")]
    shown = bring(open_page(api, max_images=1), *files)
    (told,) = [read(each.value) for each in shown.error]
    assert told.startswith("No answer for blue.png. More than 2 per 1 minute requests")
    assert " s, then try again." in told
    assert list(shown.table[0].value["class"]) == ["Red", "Green", ""]


def test_a_request_that_is_too_much_at_once_is_sent_in_halves(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    """The service may take fewer than the dashboard was told."""
    api = start_api(api_settings(served_var, tmp_path, max_images=2))
    files = [leaf(f"{n}.png", png("red", 40 + n)) for n in range(5)]
    shown = bring(open_page(api, max_images=64), *files)
    assert "5 files: 5 Red." in [read(each.value) for each in shown.markdown]
    assert not shown.error
