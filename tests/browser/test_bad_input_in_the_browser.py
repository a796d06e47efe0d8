"""Whatever is sent, typed or put into the address, the page says in words what was wrong."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import uuid_utils
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from sql import Entry, FeedbackRecord, PredictionRecord, RequestRecord, open_database
from sql.storing import store_entries
from tests.browser.conftest import Stack
from tests.browser.visiting import no_box, settle, sign_in, upload
from tests.integration.test_api_refusals import huge_png, truncated_jpeg
from tests.unit.test_image_limits import animation, encoded, noise, repeated_scans, tiff_of_rows

FILES = {
    "nothing.png": b"",
    "words.png": b"these are words",
    "page.jpg": b"<html><script>alert(1)</script></html>",
    "many pixels.png": huge_png(),
    "cut off.jpg": truncated_jpeg(),
    "film.gif": animation("GIF", 300),
    "passes.jpg": repeated_scans(2000),
    "rows.tif": tiff_of_rows(60_000),
    "heavy.png": b"\x89PNG" + bytes(11 * 2**20),
}
NAMES = (
    "a" * 300 + ".png",
    "../../etc/passwd.png",
    "**bold** [link](http://example.org) :material/star: $x^2$.png",
    "\"quoted\"; name='x'.png",
    "r\u00fcbe \U0001f33f \u202egnp.png",
    "=HYPERLINK(0).png",
)
ADDRESSES = (
    "diagnose?pictures=Telescope",
    "generate?n=-5&seed=1e99&class=%3Cscript%3E&mode=x&to_seed=-1&steps=0&read=perhaps",
    "traffic?range=forever&of=moon&user=%00&refresh=0&by=x&request=%27%3B--&from=x&to=9999-99-99",
    "traffic?range=custom&from=2999-01-01&to=0001-01-01",
    "diseases?range=1&by_version=-1&asked_by=x&user=%F0%9F%8C%BF&source=*&disease=%5B%5D",
    "models?model=../../etc&version=99999999999999999999&compare=x&compare=1",
    "study?study=abc",
)


EVIL = "![leaf](http://elsewhere.invalid/leaf.png) **rust**"


@pytest.fixture(scope="module", autouse=True)
def _signed_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="Diagnose a leaf")).to_be_visible()


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_files_of_any_kind_are_told_by_name_with_the_reason(page: Page) -> None:
    upload(page, *(payload(name, data) for name, data in FILES.items()))
    no_box(page)
    told = page.get_by_role("alert").all_inner_texts()
    said = " ".join([*told, page.get_by_test_id("stFileUploader").inner_text()])
    assert [name for name in FILES if name not in said] == []
    assert "reference" not in said  # that would be a failure nobody foresaw


def test_names_of_any_spelling_are_shown_as_they_are(page: Page) -> None:
    leaf = encoded(Image.fromarray(noise()), "PNG")
    upload(page, *(payload(name, leaf + bytes(number)) for number, name in enumerate(NAMES)))
    no_box(page)
    expect(page.get_by_role("link", name="link", exact=True)).to_have_count(0)
    expect(page.get_by_text("**bold** [link]").first).to_be_visible()


def test_what_others_wrote_is_shown_to_the_letter_and_fetches_nothing(
    page: Page, stack: Stack
) -> None:
    """A class that somebody told, a user and a file's name are in the log as they came."""
    now, identifier = datetime.now(UTC), str(uuid_utils.uuid7())
    common: dict[str, Any] = {"id": identifier, "at_utc": now, "status": 200, "latency_ms": 5.0}
    of_model: dict[str, Any] = {"model_name": "leaf-classifier", "model_version": 2}
    request = RequestRecord(
        **common, method="POST", endpoint="/predict", user_name=EVIL, images=1, **of_model
    )
    told = PredictionRecord(
        **common, **of_model, request_id=identifier, class_name=EVIL, confidence=0.9, file_name=EVIL
    )
    said = FeedbackRecord(
        id=str(uuid_utils.uuid7()), at_utc=now, prediction_id=identifier, true_class=f"no {EVIL}"
    )
    store_entries(
        open_database(stack.settings.database),
        [Entry(request=request, predictions=(told,)), Entry(feedback=said)],
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    user = quote(EVIL)
    for path in (
        f"traffic?request={identifier}&of=user&user={user}",
        f"diseases?asked_by=user&user={user}",
        f"traffic?of=user&user={quote('nobody ' + EVIL)}",
    ):
        sign_in(page, stack, path=path)
        expect(page.get_by_text("Signed in as")).to_be_visible()
        settle(page)
        for each in page.locator("details > summary").all():
            each.click()
        settle(page)
        expect(page.locator("img[src*='elsewhere']")).to_have_count(0)
        no_box(page)
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}


@pytest.mark.parametrize("number", ["0", "-1", "1e308", "999999999999", "seven", "3.7"])
def test_numbers_of_any_size_are_bounded_or_told(page: Page, stack: Stack, number: str) -> None:
    if "/generate" not in page.url:
        sign_in(page, stack, path="generate")
        expect(page.get_by_role("button", name="Generate", exact=True)).to_be_visible()
    for label in ("Number of images", "Seed"):
        settle(page)
        page.get_by_label(label, exact=True).fill(number if number != "seven" else "")
        page.get_by_label(label, exact=True).press("Enter")
    settle(page)
    no_box(page)


def test_more_pictures_than_the_service_makes_are_refused_with_its_bound(page: Page) -> None:
    page.get_by_label("Seed", exact=True).fill("7")
    page.get_by_label("Number of images").fill("5000")
    page.get_by_label("Number of images").press("Enter")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("What to do: Ask for 1 to 1000 images").first).to_be_visible()
    no_box(page)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_typed_by_hand_shows_a_page(page: Page, stack: Stack, address: str) -> None:
    sign_in(page, stack, path=address)
    expect(page.get_by_text("Signed in as")).to_be_visible()
    settle(page)
    no_box(page)
    expect(page.get_by_text("this part of the page failed", exact=False)).to_have_count(0)


def test_an_address_without_a_page_says_so_and_leads_on(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.dashboard}/no-such-page")
    expect(page.get_by_role("dialog").get_by_text("Page not found")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("User name")).to_be_visible()
