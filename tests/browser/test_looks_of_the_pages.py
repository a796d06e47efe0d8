"""Every page, in light, in dark and as wide as a phone: photographed, and looked over by axe."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, Stack
from tests.browser.visiting import (
    grave_faults,
    no_box,
    open_page,
    photograph,
    png,
    settle,
    sign_in,
    upload,
    wider_than_the_window,
)
from tests.colours import colour_picture

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
LOOKS = {"light": ("light", DESK), "dark": ("dark", DESK), "phone": ("light", PHONE)}
Shown = tuple[str, Page]
PAGES = ("Diagnose", "Generate", "Traffic", "Diseases", "Models", "Study")


@pytest.fixture(scope="module", params=LOOKS)
def shown(
    request: pytest.FixtureRequest, browser: Browser, stack: Stack
) -> Iterator[tuple[str, Page]]:
    """A page of somebody who has signed in and done something, and the name of the look."""
    scheme, size = LOOKS[request.param]
    with browser.new_context(color_scheme=scheme, viewport=size) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(stack.dashboard)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        settle(page)
        assert grave_faults(page) == []
        photograph(page, f"sign-in-{request.param}")
        sign_in(page, stack, path="diagnose?range=24+hours")
        expect(page.get_by_role("heading", name="Diagnose a leaf")).to_be_visible()
        yield request.param, page


@pytest.mark.parametrize("title", PAGES)
def test_a_page_can_be_read_by_everybody(shown: Shown, title: str) -> None:
    look, page = shown
    open_page(page, title)
    if title == "Diagnose":
        leaves = (
            png(colour_picture("green", 3), "one.png"),
            png(colour_picture("red", 4), "two.png"),
        )
        upload(page, *leaves)
        page.get_by_text("Show where the network looked").click()
        settle(page)
    elif title == "Generate":
        page.get_by_role("button", name="Generate", exact=True).click()
        expect(page.get_by_text("16 SYNTHETIC images")).to_be_visible()
    settle(page)
    photograph(page, f"{title.lower()}-{look}")
    assert grave_faults(page) == []
    assert not wider_than_the_window(page)
    no_box(page)
