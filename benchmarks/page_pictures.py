"""The pictures of the dashboard in the documentation, taken anew.

    python -m benchmarks.page_pictures --dashboard http://127.0.0.1:8501 --user demo \
        --image leaf.png --out docs

opens a running dashboard in Chromium, signs in (the password is asked for, or read from PASSWORD),
diagnoses the image with its heat map, and writes diagnose.png, traffic.png and models.png.
"""

import argparse
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard import FLAGS
from benchmarks.machine import parser_for, run_script

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, SETTLE_MS = 1280, 2500
HEIGHTS = {"diagnose": 1240, "traffic": 1220, "models": 1500}


def photograph(page: "Page", name: str, out: Path) -> None:
    """The top of the page as it is now."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[name]})
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=out / f"{name}.png")
    print(out / f"{name}.png")


def sign_in(page: "Page", address: str, user: str, password: str) -> None:
    """At an address of the dashboard; its page follows."""
    page.goto(address)
    page.get_by_label("User name").fill(user)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as").wait_for()
    page.wait_for_timeout(SETTLE_MS)


def take(args: argparse.Namespace, password: str) -> None:
    """All three."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        sign_in(page, f"{args.dashboard}/diagnose", args.user, password)
        page.locator("input[type=file]").set_input_files(args.image)
        page.get_by_text("Show where the network looked").click()
        page.get_by_role("slider", name="Strength of the heat map").wait_for()
        photograph(page, "diagnose", args.out)
        for name in ("traffic", "models"):
            path = f"{name}?range={args.range.replace(' ', '+')}" if name == "traffic" else name
            sign_in(page, f"{args.dashboard}/{path}", args.user, password)
            photograph(page, name, args.out)
        browser.close()


def main() -> None:
    """The command line."""
    parser = parser_for(__doc__ or "")
    parser.add_argument("--dashboard", default="http://127.0.0.1:8501")
    parser.add_argument("--user", default="demo")
    parser.add_argument("--image", type=Path, required=True, help="a leaf to diagnose")
    parser.add_argument("--range", default="7 days", help="of the page Traffic")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    args = parser.parse_args()
    take(args, os.environ.get("PASSWORD") or getpass.getpass())


if __name__ == "__main__":
    run_script(main)
