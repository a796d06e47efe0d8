"""The API's page in a browser that reaches no other host."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Stack


def test_the_api_can_be_tried_out_without_any_other_host(page: Page, stack: Stack) -> None:
    hosts: set[str] = set()
    said: list[str] = []
    page.on("request", lambda request: hosts.add(re.split("[/?]", request.url)[2]))
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{stack.api}/docs")
    expect(page.locator("#operations-models-predict_predict_post")).to_be_visible()
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#oauth_username").fill("ada")
    page.locator("#oauth_password").fill(PASSWORD)
    page.locator(".modal-ux button.authorize").first.click()
    expect(page.locator(".modal-ux").get_by_text("Authorized")).to_be_visible()
    assert hosts == {f"127.0.0.1:{stack.api_port}"}
    assert not [text for text in said if "Content Security Policy" in text]
