"""A person at the dashboard: a real browser, the real dashboard, the real API, a real database."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from leafgate.settings import Settings
from serving import hash_password
from sql import add_user, migrate, open_database
from tests.colours import colour_picture
from tests.commands import environment, free_port, service
from tests.models import register_tiny_classifier, register_tiny_generator, vouch_for_production
from tests.requirements import chromium

ARTEFACTS = Path("test-artifacts")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Stack:
    """API and dashboard, up."""

    api: str
    dashboard: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    settings = Settings(_env_file=None, var_dir=folder / "var")
    register_tiny_classifier(settings, outliers=True)
    register_tiny_generator(settings, conditional=True)
    vouch_for_production(settings)
    database = open_database(settings.database)
    migrate(database)
    add_user(database, "ada", hash_password("secret"), ["predict", "generate"])
    database.dispose()
    ports = {"api_port": free_port(), "dashboard_port": free_port()}
    env = environment(settings.var_dir, jwt_secret="s" * 40, **ports)
    api = f"http://127.0.0.1:{ports['api_port']}"
    dashboard = f"http://127.0.0.1:{ports['dashboard_port']}"
    with ExitStack() as running:
        running.enter_context(service("serve", f"{api}/ready", env, folder / "api.log"))
        probe = f"{dashboard}/_stcore/health"
        running.enter_context(service("dashboard", probe, env, folder / "dashboard.log"))
        yield Stack(api, dashboard)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium()), args=FLAGS)
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield opened
        browser.close()


def sign_in(page: Page, stack: Stack, password: str = "secret", path: str = "") -> None:
    page.goto(f"{stack.dashboard}/{path}")
    page.get_by_label("User name").fill("ada")
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_password_is_told_and_shows_no_page(page: Page, stack: Stack) -> None:
    sign_in(page, stack, password="guess")
    expect(page.get_by_text("Wrong user name or password")).to_be_visible()
    expect(page.get_by_role("heading", name="Diagnose a leaf")).to_have_count(0)


def test_an_uploaded_leaf_shows_the_class_that_the_api_answers(page: Page, stack: Stack) -> None:
    buffer = io.BytesIO()
    colour_picture("green", 3).save(buffer, "PNG")
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="Diagnose a leaf")).to_be_visible()

    upload = {"name": "leaf.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("input[type=file]").set_input_files(upload)  # type: ignore[arg-type]

    expect(page.get_by_role("heading", name="Green", exact=True)).to_be_visible()
    shown = page.get_by_test_id("stMetricValue").first.inner_text()
    token = httpx.post(f"{stack.api}/token", data={"username": "ada", "password": "secret"})
    answer = httpx.post(
        f"{stack.api}/predict",
        headers={"Authorization": f"Bearer {token.json()['access_token']}"},
        files={"file": ("leaf.png", buffer.getvalue())},
    ).json()
    assert answer["class"] == "green"
    assert shown == f"{answer['confidence']:.1%}"
    expect(page.get_by_text(re.compile(r"leaf-classifier version 1, request"))).to_be_visible()
    expect(page.get_by_text("unlike every training image")).to_have_count(0)
    page.screenshot(path=ARTEFACTS / "diagnose.png")


def test_a_picture_of_something_else_comes_with_a_warning(page: Page, stack: Stack) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 60), "white").save(buffer, "PNG")
    wall = {"name": "wall.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("input[type=file]").set_input_files(wall)  # type: ignore[arg-type]
    expect(page.get_by_text("unlike every training image")).to_be_visible()


def test_a_file_that_is_no_image_is_told_on_the_page(page: Page, stack: Stack) -> None:
    words = {"name": "words.png", "mimeType": "image/png", "buffer": b"these are words"}
    page.locator("input[type=file]").set_input_files(words)  # type: ignore[arg-type]
    expect(page.get_by_text("words.png: The file is not an image.")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_generated_pictures_are_shown_and_downloaded_as_zip(page: Page, stack: Stack) -> None:
    page.get_by_role("link", name="Generate").click()
    page.get_by_label("Number of images").fill("5")
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    expect(page.get_by_text("5 SYNTHETIC images by leaf-generator version 1")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download as ZIP").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 5
    page.screenshot(path=ARTEFACTS / "generate.png")


def test_a_class_is_chosen_and_stands_below_every_picture(page: Page, stack: Stack) -> None:
    expect(page.get_by_text("Blue", exact=True)).to_have_count(2)  # of five, all in turn
    page.get_by_role("combobox", name="Class").click()
    page.get_by_role("option", name="Red").click()
    page.get_by_test_id("stFormSubmitButton").get_by_role("button").click()
    expect(page.get_by_test_id("stImageCaption").get_by_text("Red", exact=True)).to_have_count(5)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_traffic_and_diseases_show_what_was_asked(page: Page, stack: Stack) -> None:
    page.get_by_role("link", name="Traffic").click()
    expect(page.get_by_text("Requests over time")).to_be_visible()
    assert int(page.get_by_test_id("stMetricValue").first.inner_text()) >= 5
    page.screenshot(path=ARTEFACTS / "traffic.png")
    page.get_by_text("24 hours").click()
    expect(page).to_have_url(re.compile(r"range=24"))
    page.get_by_role("link", name="Diseases").click()
    expect(page.get_by_text("What the model answered")).to_be_visible()
    page.screenshot(path=ARTEFACTS / "diseases.png")


def test_a_link_leads_to_its_page_after_signing_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack, path="traffic")
    expect(page.get_by_role("heading", name="Traffic")).to_be_visible()
