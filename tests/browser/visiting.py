"""What a person does on every page of the dashboard: sign in, go somewhere, look at it."""

import io
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import ARTEFACTS, PASSWORD, Stack

NARROW = 768  # pixels
GRAVE = ("serious", "critical")
SETTLED = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const waiting = document.querySelector('[data-stale="true"], [data-testid="stSpinner"]');
  const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
  return app !== null && app.dataset.testScriptState === 'notRunning' && waiting === null
    && charts.every((each) => !each.checkVisibility()
      || each.querySelector('canvas, svg') !== null);
}"""
TALL = """() => Math.ceil(document.querySelector('[data-testid="stMain"]').scrollHeight)"""


def sign_in(
    page: Page, stack: Stack, name: str = "ada", password: str = PASSWORD, path: str = ""
) -> None:
    """Fill in the form that stands in the place of the page at `path`."""
    page.goto(f"{stack.dashboard}/{path}")
    page.get_by_label("User name").fill(name)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def open_page(page: Page, title: str) -> None:
    """By the menu; done once it is drawn."""
    settle(page)
    menu = page.get_by_test_id("stSidebarNavLink").filter(has_text=title)
    unfold = page.get_by_test_id("stExpandSidebarButton")
    if unfold.is_visible():
        unfold.click()
    menu.click()
    fold = page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
    if (page.viewport_size or {"width": 0})["width"] < NARROW and fold.is_visible():
        fold.click()  # it lies over the page there
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page's script has ended and its charts are there."""
    page.wait_for_timeout(300)  # for what was just done to reach the script
    page.wait_for_function(SETTLED)


def no_box(page: Page) -> None:
    """No exception box stands on the page."""
    expect(page.get_by_test_id("stException")).to_have_count(0)


def photograph(page: Page, name: str) -> Path:
    """The whole page, as long as it is, into the test's artefacts."""
    width = (page.viewport_size or {"width": 1280})["width"]
    height = (page.viewport_size or {"height": 900})["height"]
    page.set_viewport_size({"width": width, "height": max(page.evaluate(TALL) + 20, height)})
    settle(page)
    file = ARTEFACTS / f"{name}.png"
    page.screenshot(path=file)
    page.set_viewport_size({"width": width, "height": height})
    return file


def grave_faults(page: Page) -> list[str]:
    """What axe calls serious or critical, a line each."""
    found: list[dict[str, Any]] = (
        Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    )
    return [
        f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


def wider_than_the_window(page: Page) -> bool:
    """Whether something sticks out to the side, so that a phone has to be moved about."""
    return bool(
        page.evaluate(
            "() => document.querySelector('[data-testid=\"stMain\"]').scrollWidth > "
            "document.querySelector('[data-testid=\"stMain\"]').clientWidth + 1"
        )
    )


def metric(page: Page, label: str) -> str:
    """The value of the figure with just that label."""
    exact = page.get_by_test_id("stMetricLabel").get_by_text(label, exact=True)
    value = page.get_by_test_id("stMetric").filter(has=exact).get_by_test_id("stMetricValue")
    return value.first.inner_text().strip()


def choose(page: Page, label: str, option: str) -> None:
    """Of a box with several options. Its list closes where the page is drawn or moves meanwhile."""
    settle(page)
    box = page.get_by_role("combobox", name=label)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box.click()
    page.get_by_role("option", name=option).click()
    settle(page)


def png(image: Image.Image, name: str = "leaf.png") -> FilePayload:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}


def upload(page: Page, *files: FilePayload) -> None:
    """In the place of whatever was there."""
    for remove in page.get_by_role("button", name=re.compile("^Remove ")).all()[::-1]:
        remove.click()
        settle(page)
    page.locator("input[type=file]").set_input_files(list(files))
    settle(page)


def take_photo(page: Page) -> None:
    """Press the button once the camera gives pictures: before that it does nothing."""
    page.wait_for_function("() => (document.querySelector('video')?.videoWidth ?? 0) > 0")
    page.get_by_role("button", name="Take Photo").click()
