"""The page Generate over the real API: what is asked, what is shown, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from dashboard.client import ApiClient
from dashboard.session import KEY
from sql import open_database
from sql.schema import requests
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings
from tests.shown_pages import read

OpenPage = Callable[..., AppTest]


def page_alone() -> None:
    """The page without the frame around it, as Streamlit runs it."""
    from dashboard.guard import problems_shown
    from dashboard.pages import generate
    from leafgate.settings import load_settings

    with problems_shown():
        generate.render(load_settings())


@pytest.fixture
def api(classes_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    return start_api(api_settings(classes_var, tmp_path, generate_limit="400/hour"))


@pytest.fixture
def open_page(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    monkeypatch.setenv("LEAFGATE_API_URL", api.url)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(api.settings.var_dir))
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", api.settings.database)

    def open_page(**query: str) -> AppTest:
        page = AppTest.from_function(page_alone, default_timeout=60)
        page.session_state[KEY] = ApiClient(api.url).sign_in("ada", PASSWORD)
        page.query_params.update(query)
        return page.run()

    return open_page


def press(page: AppTest, label: str) -> AppTest:
    (button,) = [each for each in page.button if each.label == label]
    return button.click().run()


def captions(page: AppTest) -> list[str]:
    return [caption for image in page.image for caption in image.captions]


def asked(api: RunningApi) -> int:
    api.app.state.leafgate.log.flush()
    of_pictures = requests.c.endpoint == "/generate"
    with open_database(api.settings.database).connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).where(of_pictures)) or 0)


def texts(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (page.markdown, page.caption, page.info, page.error)
    return read("\n".join(each.value for kind in kinds for each in kind))


def test_a_link_fills_the_form_and_pictures_are_asked_for_once(
    api: RunningApi, open_page: OpenPage
) -> None:
    page = open_page(**{"class": "Red", "n": "5", "seed": "3"})
    assert "press Generate" in texts(page)
    assert asked(api) == 0
    page = press(page, "Generate")
    assert captions(page) == ["Red  \n? unknown, perhaps Red 100 \\%"] * 5
    assert "**5 SYNTHETIC images** by leaf-generator version 1, seed 3" in texts(page)
    assert "reads 0 of 5 as the class they were asked to be: 0 % (95 % interval" in texts(page)
    page = page.number_input(key="seed").set_value(4).run()
    assert "Below is what was asked for before" in texts(page)
    assert len(captions(page)) == 5
    assert asked(api) == 1
    assert not page.exception


def test_the_page_says_how_long_it_took_and_what_was_read_in_all_pictures(
    api: RunningApi, open_page: OpenPage
) -> None:
    page = open_page(n="5", seed="3")
    assert "No generated picture was read in this time." in texts(page)
    page = press(page, "Generate")
    (latency,) = [each.value for each in page.metric if each.label == "Latency"]
    number, unit = latency.split(" ")
    assert unit == "ms" and float(number.replace(",", "")) > 0
    assert asked(api) == 1  # and it is in the database
    page = page.run()
    assert "in 5 synthetic pictures that anybody had made" in texts(page)
    table = page.table[-1].value
    assert dict(zip(table["class"], table["pictures"], strict=True)) == {
        "Blue": "2",
        "Green": "2",
        "Red": "1",
    }
    assert set(map(read, table["read by"])) == {"leaf-classifier version 1"}
    assert not page.exception


def test_bad_values_in_the_address_fall_back_and_a_new_seed_is_another(
    open_page: OpenPage,
) -> None:
    page = open_page(n="-3", seed="x", mode="Sideways", to_seed="1", **{"class": "Moth"})
    assert page.number_input(key="n").value == 16
    assert page.number_input(key="seed").value == 7
    assert page.selectbox(key="class").value == "All, in turn"
    assert press(page, "New seed").number_input(key="seed").value != 7
    assert not page.exception


def test_the_way_between_two_seeds_is_a_strip_with_a_slider(
    api: RunningApi, open_page: OpenPage
) -> None:
    page = open_page(mode="Between two seeds", seed="3", to_seed="9", steps="4")
    page = press(page, "Generate")
    first, *strip = captions(page)
    assert first.startswith("Step 1 of 4, 0 % of the way")
    assert strip == ["1 ?", "2 ?", "3 ?", "4 ?"]
    assert "reads nothing it knows in steps 1 to 4." in texts(page)
    page = page.slider[0].set_value(4).run()
    assert captions(page)[0].startswith("Step 4 of 4")
    assert asked(api) == 1
    assert page.selectbox(key="class").options == ["Blue", "Green", "Red"]


def test_what_the_api_refuses_is_told_and_the_pictures_before_stay(
    api: RunningApi, open_page: OpenPage
) -> None:
    page = press(open_page(n="50"), "Generate")
    assert len(captions(page)) == 48  # and two on the next page
    page = press(page.number_input(key="n").set_value(100_000).run(), "Generate")
    assert [read(each.value) for each in page.error] == [
        "N=100000. What to do: Ask for 1 to 1000 images."
    ]
    page = press(page.number_input(key="n").set_value(180).run(), "Generate")
    assert "What to do: Wait" in page.error[0].value
    assert len(captions(page)) == 48
    assert not page.exception
