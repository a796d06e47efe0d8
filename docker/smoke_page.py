"""A person at the dashboard, for docker/smoke.sh: signs in, and reads what Traffic counts.

smoke_page.py ADDRESS CHROMIUM   with SMOKE_USER and SMOKE_PASSWORD
"""

import os
import sys

from playwright.sync_api import expect, sync_playwright

PATIENCE_MS = 60_000


def main(address: str, chromium: str) -> None:
    """Print a line; raises where a page does not come."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.get_by_label("User name").fill(os.environ["SMOKE_USER"])
        page.get_by_role("textbox", name="Password").fill(os.environ["SMOKE_PASSWORD"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1, name="Diagnose")).to_be_visible()
        page.get_by_test_id("stSidebarNavLink").filter(has_text="Traffic").click()
        expect(page.get_by_role("heading", level=1, name="Traffic")).to_be_visible()
        counted = page.get_by_test_id("stMetric").filter(has_text="Requests").first
        expect(counted).to_be_visible()
        print(f"signed in; Traffic shows: {' '.join(counted.inner_text().split())}")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
