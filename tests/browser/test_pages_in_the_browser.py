"""Each page does what it is for: a leaf is diagnosed and corrected, pictures are made and taken
home, figures are those of the queries, a model goes back.
"""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from sql import Span, analytics, open_database
from sql.analytics import Member, Only
from sql.schema import feedback
from tests.browser.conftest import PASSWORD, Stack
from tests.browser.visiting import (
    choose,
    metric,
    no_box,
    open_page,
    png,
    settle,
    sign_in,
    take_photo,
    upload,
)
from tests.colours import colour_picture

MOVE_MS = 90_000
USER = "user-3"  # of the requests that were there before the dashboard


@pytest.fixture(scope="module", autouse=True)
def _signed_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="Diagnose a leaf")).to_be_visible()


def test_an_uploaded_leaf_shows_the_class_that_the_api_answers(page: Page, stack: Stack) -> None:
    leaf = png(colour_picture("green", 3))
    upload(page, leaf)
    expect(page.get_by_role("heading", name="Green", exact=True)).to_be_visible()
    form = {"username": "ada", "password": PASSWORD}
    token = httpx.post(f"{stack.api}/token", data=form).json()["access_token"]
    answer = httpx.post(
        f"{stack.api}/predict",
        headers={"Authorization": f"Bearer {token}"},
        files={"file": ("leaf.png", leaf["buffer"])},
    ).json()
    assert answer["class"] == "green"
    assert metric(page, "Confidence") == f"{answer['confidence']:.1%}"
    assert metric(page, "Model version") == "2"
    expect(page.get_by_text("unlike every training image")).to_have_count(0)


def test_the_heat_map_is_laid_over_the_leaf_as_strongly_as_asked(page: Page) -> None:
    page.get_by_text("Show where the network looked").click()
    expect(page.get_by_role("slider", name="Strength of the heat map")).to_be_visible()
    over = page.get_by_role("img", name="leaf.png with a heat map of what spoke for Green")
    strong = over.get_attribute("src")
    page.get_by_role("slider", name="Strength of the heat map").press("Home")
    expect(over).not_to_have_attribute("src", strong or "")


def test_a_correction_is_a_row_of_the_database(page: Page, stack: Stack) -> None:
    request = page.get_by_test_id("stCode").inner_text().strip()
    choose(page, "What it really shows", "Red")
    page.get_by_role("button", name="Send correction").click()
    expect(page.get_by_text("You said: Red. The model had told Green")).to_be_visible()
    assert _feedback_on(stack, request) == "red"


def _feedback_on(stack: Stack, request: str) -> str | None:
    """The newest, once it is in the database."""
    database = open_database(stack.settings.database)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    found = None
    while found is None and datetime.now(UTC) < deadline:
        with database.connect() as connection:
            query = feedback.select().where(feedback.c.prediction_id == request)
            row = connection.execute(query).mappings().first()
        found = None if row is None else str(row["true_class"])
    return found


def test_many_leaves_are_a_table_and_a_file_that_says_what_was_corrected(page: Page) -> None:
    green, red = png(colour_picture("green", 3)), png(colour_picture("red", 4), "=red.png")
    words: FilePayload = {
        "name": "words.png",
        "mimeType": "image/png",
        "buffer": b"these are words",
    }
    upload(page, green, red, words)
    expect(page.get_by_text("is not an image").first).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download results as CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text("utf-8-sig"))))
    assert [row["class"] for row in rows] == ["green", "red", ""]
    assert [row["file"] for row in rows] == ["leaf.png", "'=red.png", "words.png"]
    assert rows[0]["corrected class"] == "red"
    no_box(page)


def test_what_the_classifier_does_not_know_is_said_so(page: Page) -> None:
    upload(page, png(Image.new("RGB", (60, 60), "white"), "wall.png"))
    expect(page.get_by_role("heading", name="I don't know")).to_be_visible()


def test_a_photo_of_the_camera_is_diagnosed(page: Page) -> None:
    page.get_by_role("radio", name="Camera").click()
    expect(page).to_have_url(re.compile("pictures=Camera"))
    take_photo(page)
    expect(page.get_by_test_id("stMetric").filter(has_text="Model version")).to_be_visible()
    page.get_by_role("radio", name="Upload").click()
    settle(page)


def test_generated_pictures_are_read_and_go_home_as_zip(page: Page) -> None:
    open_page(page, "Generate")
    page.get_by_label("Number of images").fill("5")
    page.get_by_label("Number of images").press("Enter")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("5 SYNTHETIC images by leaf-generator version 1")).to_be_visible()
    settle(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download as ZIP").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        names = archive.namelist()
        assert len([name for name in names if name.endswith(".png")]) == 5
        assert "manifest.json" in names
    expect(page.get_by_role("heading", name="Classes of these pictures")).to_be_visible()


def test_a_class_is_chosen_and_stands_below_every_picture(page: Page) -> None:
    choose(page, "Class", "Red")
    page.get_by_role("button", name="Generate", exact=True).click()
    settle(page)
    captions = page.get_by_test_id("stImageCaption")
    expect(captions.filter(has_text="Red")).to_have_count(5)
    expect(page).to_have_url(re.compile("class=Red"))


def test_the_way_between_two_seeds_is_shown_step_by_step(page: Page) -> None:
    page.get_by_role("radio", name="Between two seeds").click()
    settle(page)
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("Step 1 of 12")).to_be_visible()
    page.get_by_role("slider", name="Step").press("End")
    expect(page.get_by_text("Step 12 of 12")).to_be_visible()
    no_box(page)


def test_traffic_shows_what_the_queries_answer(page: Page, stack: Stack) -> None:
    """Of one user, whose requests are all there already."""
    sign_in(page, stack, path=f"traffic?range=7+days&of=user&user={USER}&refresh=off")
    expect(page.get_by_role("heading", level=1, name="Traffic")).to_be_visible()
    settle(page)
    log = open_database(stack.settings.database)
    now = datetime.now(UTC)
    span = Span(now - timedelta(days=7), now, timedelta(hours=4))
    total = analytics.summary(log, span, Member("user", USER))
    assert total.requests > 50
    assert metric(page, "Requests") == f"{total.requests:,}"
    assert metric(page, "Median") == f"{total.p50_ms:.0f} ms"
    assert metric(page, "95th percentile") == f"{total.p95_ms:.0f} ms"
    assert metric(page, "99th percentile") == f"{total.p99_ms:.0f} ms"


def test_another_range_shows_other_figures_and_stands_in_the_address(
    page: Page, stack: Stack
) -> None:
    page.get_by_role("radio", name="24 hours").click()
    expect(page).to_have_url(re.compile(r"range=24"))
    settle(page)
    log = open_database(stack.settings.database)
    now = datetime.now(UTC)
    shown = Span.up_to(now, timedelta(hours=24), timedelta(hours=1))
    total = analytics.summary(log, shown, Member("user", USER))
    assert metric(page, "Requests") == f"{total.requests:,}"


def test_a_request_is_found_by_its_id_and_an_unknown_one_is_told(page: Page, stack: Stack) -> None:
    log = open_database(stack.settings.database)
    newest = analytics.recent_requests(log, 1)[0]
    page.get_by_label("Request id").fill(newest.id)
    page.get_by_label("Request id").press("Enter")
    expect(page.get_by_role("cell", name=newest.endpoint).first).to_be_visible()
    page.get_by_label("Request id").fill("<b>none</b>")
    page.get_by_label("Request id").press("Enter")
    expect(page.get_by_text("is in the log. Check the id")).to_be_visible()
    no_box(page)


def test_diseases_shows_what_the_queries_answer(page: Page, stack: Stack) -> None:
    sign_in(page, stack, path=f"diseases?range=7+days&asked_by=user&user={USER}")
    expect(page.get_by_role("heading", level=1, name="Diseases")).to_be_visible()
    settle(page)
    log = open_database(stack.settings.database)
    now = datetime.now(UTC)
    counts = analytics.disease_frequency(log, Span(now - timedelta(days=7), now), Only(user=USER))
    assert metric(page, "Leaves") == f"{sum(count.count for count in counts):,}"
    assert metric(page, "Classes answered") == str(len(counts))
    expect(page.get_by_role("heading", name="Drift against the training reference")).to_be_visible()
    expect(page.get_by_role("heading", name="Accuracy by feedback")).to_be_visible()


def test_versions_stand_side_by_side_with_their_story(page: Page) -> None:
    open_page(page, "Models")
    for heading in ("Versions", "Compare versions", "One version in detail"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Open in MLflow")).to_have_attribute(
        "href", re.compile(r"/#/models/leaf-classifier/versions/2")
    )


def test_a_model_goes_back_with_a_reason_and_the_api_follows(page: Page, stack: Stack) -> None:
    page.get_by_role("button", name="Roll back to version 1").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Roll back now").click()
    expect(dialog.get_by_text("Give a reason")).to_be_visible()
    dialog.get_by_label("Reason for rolling back").fill("leaves of `maize` <b>came out wrong</b>")
    dialog.get_by_role("button", name="Roll back now").click()
    expect(dialog).to_have_count(0, timeout=MOVE_MS)
    expect(page.get_by_text("leaf-classifier: version 1 in production")).to_be_visible()
    expect(page.get_by_role("cell", name="ada (signed in at the service)").first).to_be_visible()
    served = {m["name"]: m["version"] for m in httpx.get(f"{stack.api}/health").json()["models"]}
    assert served["leaf-classifier"] == 1
    no_box(page)


def test_a_study_is_a_forest_plot_with_a_sentence(page: Page) -> None:
    open_page(page, "Study")
    expect(page.get_by_role("heading", name="Gain, arm by arm")).to_be_visible()
    expect(page.get_by_text("10 images a class").first).to_be_visible()
    no_box(page)
