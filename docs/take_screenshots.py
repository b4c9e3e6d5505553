"""Take the pictures of the documentation from a running dashboard: `make run`, then this.

    python docs/take_screenshots.py [--address http://127.0.0.1:8501] [--out docs/images]

Writes `priority`, `lead` and `overview`, each light and dark, 1440 pixels wide.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

READY = "[data-testid=stApp][data-test-script-state=notRunning]"
WIDTH, HEIGHT = 1440, 900


def main() -> None:
    """Read the command line and take all pictures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--address", default="http://127.0.0.1:8501")
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("images"))
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # Own browser first, then the system's: the same order as the tests.
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(
            executable_path=None if own.exists() else system,
            args=["--no-sandbox"] if root else [],
        )
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,
                device_scale_factor=1.5,
            )
            take(context.new_page(), options.address, options.out, scheme)
            context.close()
        browser.close()


def take(page: Any, address: str, out: Path, scheme: str) -> None:
    """The three screens in one appearance; the lead is the first one of the list."""
    page.goto(address)
    settle(page)
    page.screenshot(path=out / f"priority-{scheme}.png")
    table = page.get_by_test_id("stDataFrame").bounding_box()
    page.mouse.click(table["x"] + 320, table["y"] + 60)
    page.wait_for_url("**/lead?lead=*")
    for name in ("lead", "overview"):
        if name == "overview":
            page.goto(f"{address}/overview")
        page.locator(".js-plotly-plot").first.wait_for()
        settle(page)
        page.screenshot(path=out / f"{name}-{scheme}.png")


def settle(page: Any) -> None:
    """Until the script has run, everything is loaded and the figures have been drawn."""
    page.wait_for_selector(READY)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_000)


if __name__ == "__main__":
    main()
