"""What the browser itself writes into files, and what it is kept from fetching or running."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from sql import Entry, PredictionRecord, RequestRecord, open_database
from sql.storing import store_entries
from tests.browser.conftest import PATIENCE_MS, Stack
from tests.browser.visiting import (
    choose,
    no_box,
    open_page,
    png,
    settle,
    sign_in,
    take_photo,
    upload,
)

COMMAND = "=cmd|' /C calc'!A0"
SEPARATED = "leaf;=1+1"
EACH = 20
PLAIN_DOWNLOAD = "window.showSaveFilePicker = undefined"  # headless, nobody answers its dialog


@pytest.fixture(scope="module", autouse=True)
def hostile_names(stack: Stack) -> None:
    """A user and a class in the log that a spreadsheet would run."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    entries = []
    for number in range(2 * EACH):  # more than others, whose table ends after twenty
        user = (COMMAND, SEPARATED)[number % 2]
        identifier = f"01990000-0000-7000-8000-0000000e{number:04d}"
        request = RequestRecord(
            id=identifier,
            at_utc=at,
            method="POST",
            endpoint="/predict",
            status=200,
            latency_ms=9,
            user_name=user,
            images=1,
        )
        prediction = PredictionRecord(
            id=identifier,
            request_id=identifier,
            at_utc=at,
            status=200,
            latency_ms=9,
            lane="production",
            model_name=stack.settings.classifier_name,
            model_version=2,
            class_name=COMMAND,
            confidence=0.5,
            unknown=False,
        )
        entries.append(Entry(request=request, predictions=(prediction,)))
    database = open_database(stack.settings.database)
    store_entries(database, entries)
    database.dispose()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page, which notes what the content policy forbids."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.add_init_script(PLAIN_DOWNLOAD)
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        yield opened


def downloaded(page: Page, element: Locator, folder: Path) -> list[list[str]]:
    """The cells of the CSV that the element's own toolbar gives."""
    element.scroll_into_view_if_needed()
    element.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").first.click()
    file = folder / "export.csv"
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def assert_harmless(cells: list[list[str]], *, has: str) -> None:
    texts = [cell for row in cells for cell in row]
    assert has in texts
    assert not [each for each in texts if each.startswith(("=", "+", "@"))]
    assert not [each for each in texts if ";=" in each]


def test_tables_download_without_formulas(page: Page, stack: Stack, tmp_path: Path) -> None:
    sign_in(page, stack, path="traffic?refresh=off")
    choose(page, "By", "user")
    table = page.get_by_test_id("stDataFrame").first
    cells = downloaded(page, table, tmp_path)
    assert_harmless(cells, has=f"'{COMMAND}")
    assert "leaf;'=1+1" in [cell for row in cells for cell in row]
    latest = page.get_by_test_id("stDataFrame").last
    assert_harmless(downloaded(page, latest, tmp_path), has=f"'{COMMAND}")


def test_charts_download_without_formulas(page: Page, stack: Stack, tmp_path: Path) -> None:
    open_page(page, "Diseases")
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.scroll_into_view_if_needed()
    chart.hover()
    page.get_by_role("button", name="Show data").first.click()
    shown = page.get_by_test_id("stDataFrame").first
    expect(shown).to_be_visible()
    assert_harmless(downloaded(page, shown, tmp_path), has=f"'{COMMAND}")


def test_the_content_policy_forbids_nothing_that_a_page_needs(
    browser: Browser, stack: Stack
) -> None:
    """Every page, the camera, uploads, heat maps, downloads: no violation, and no failed answer."""
    forbidden: list[str] = []
    refused: list[str] = []
    with browser.new_context(permissions=["camera"]) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on(
            "console",
            lambda message: (
                forbidden.append(message.text) if "Content Security" in message.text else None
            ),
        )
        page.on(
            "response",
            lambda answer: (
                refused.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
            ),
        )
        sign_in(page, stack, path="diagnose")
        upload(page, png(Image.new("RGB", (60, 60), "red")))
        expect(page.get_by_test_id("stImage").locator("img").first).to_be_visible()
        page.get_by_text("Show where the network looked").click()
        settle(page)
        with page.expect_download():
            page.get_by_role("button", name="Download results as CSV").click()
        page.get_by_role("radio", name="Camera").click()
        take_photo(page)
        expect(page.get_by_test_id("stImage").locator("img").first).to_be_visible()
        open_page(page, "Generate")
        page.get_by_role("button", name="Generate").last.click()
        settle(page)
        for title in ("Traffic", "Diseases", "Models", "Study"):
            open_page(page, title)
            no_box(page)
    assert forbidden == []
    # Streamlit's page first asks whether it lies below the address that it was opened at.
    assert [each for each in refused if "/diagnose/_stcore/" not in each] == []


def test_no_other_site_can_frame_the_dashboard(browser: Browser, stack: Stack) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route(
            "http://elsewhere.test/",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<iframe src="{stack.dashboard}"></iframe>'
            ),
        )
        page.goto("http://elsewhere.test/")
        page.wait_for_timeout(3000)
        (frame,) = [each for each in page.frames if each != page.main_frame]
        assert frame.get_by_label("User name").count() == 0


def test_downloads_of_a_page_are_for_its_own_browser(browser: Browser, stack: Stack) -> None:
    """Another browser that knows the address gets nothing before signing in."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        sign_in(page, stack, path="diagnose")
        upload(page, png(Image.new("RGB", (61, 61), "red")))
        picture = page.get_by_test_id("stImage").locator("img").first
        expect(picture).to_be_visible()
        address = picture.get_attribute("src") or ""
        assert "/media/" in address
        whole = address if address.startswith("http") else stack.dashboard + address
        assert context.request.get(whole).status == 200
        with browser.new_context() as other:
            assert other.request.get(stack.dashboard).status == 200
            assert other.request.get(whole).status == 404
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("User name")).to_be_visible()
        assert context.request.get(whole).status == 404
