"""Signing in, what a user may open, and sessions that end; nothing is fetched from elsewhere."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack
from tests.browser.visiting import no_box, open_page, settle, sign_in


def test_a_wrong_password_is_told_and_shows_no_page(page: Page, stack: Stack) -> None:
    sign_in(page, stack, password="guess")
    expect(page.get_by_text("Wrong user name or password")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)


def test_names_and_passwords_of_any_kind_are_refused_in_words(page: Page, stack: Stack) -> None:
    odd = (("", ""), ("'; DROP TABLE users; --", "x" * 5000), ("ädä \U0001f33f", "\t"))
    for name, password in odd:
        sign_in(page, stack, name, password)
        expect(page.get_by_role("alert").first).to_contain_text("What to do")
        no_box(page)


def test_a_link_leads_to_its_page_with_its_filters_after_signing_in(
    page: Page, stack: Stack
) -> None:
    sign_in(page, stack, path="traffic?range=7+days")
    expect(page.get_by_role("heading", name="Traffic")).to_be_visible()
    expect(page.get_by_role("radio", name="7 days")).to_have_attribute("aria-checked", "true")
    sign_in(page, stack, path="traffic?range=last+Tuesday&user=%00")
    expect(page.get_by_role("radio", name="1 hour")).to_have_attribute("aria-checked", "true")
    settle(page)
    no_box(page)


def test_the_root_leads_to_the_first_page(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page).to_have_url(re.compile("/diagnose"))


def test_pages_without_the_scope_are_not_offered_and_a_link_says_why(
    page: Page, stack: Stack
) -> None:
    sign_in(page, stack, "bob")
    expect(page.get_by_test_id("stSidebarNavLink").filter(has_text="Traffic")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink").filter(has_text="Generate")).to_have_count(0)
    sign_in(page, stack, "bob", path="generate")
    expect(page.get_by_text("This page needs the scope 'generate'")).to_be_visible()


def test_the_token_is_in_no_address_cookie_or_storage(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_text("Signed in as")).to_be_visible()
    kept = page.evaluate(
        "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
    )
    assert "eyJ" not in kept + page.url


def test_signing_out_shows_the_form_and_forgets_the_pages(page: Page, stack: Stack) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Signed in as")).to_have_count(0)  # the form of before may stand yet
    expect(page.get_by_label("User name")).to_have_value("")
    expect(page.get_by_role("textbox", name="Password")).to_have_value("")
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)


def test_nothing_is_fetched_from_elsewhere(page: Page, stack: Stack) -> None:
    """A laboratory without a network sees the same pages, and nobody else learns of them."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="Diagnose a leaf")).to_be_visible()
    for title in ("Traffic", "Diseases", "Models", "Study"):
        open_page(page, title)
    assert hosts <= {"127.0.0.1", ""}


def test_a_stopped_api_is_told_and_the_pages_come_back_with_it(page: Page, stack: Stack) -> None:
    stack.stop_api()
    for title in ("Diagnose", "Generate", "Traffic", "Diseases", "Models", "Study"):
        page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click()
        expect(page.get_by_text("does not answer").first).to_be_visible()
        settle(page)
        no_box(page)
    stack.start_api(token_minutes=0.1)
    open_page(page, "Traffic")
    expect(page.get_by_text("does not answer")).to_have_count(0)


def test_a_token_that_expires_leads_to_the_form_and_back(page: Page, stack: Stack) -> None:
    """Its six seconds are over on a page of figures that refreshes by itself, which needs none."""
    sign_in(page, stack, path="traffic")
    expect(page.get_by_role("heading", name="Traffic")).to_be_visible()
    expect(page.get_by_text("Your session has ended. Please sign in again.")).to_be_visible()
    expect(page.get_by_text("Signed in as")).to_have_count(0)
    stack.stop_api()
    stack.start_api()
    sign_in(page, stack, path="traffic")
    settle(page)
    expect(page.get_by_text("Signed in as")).to_be_visible()
