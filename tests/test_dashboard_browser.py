"""The three screens in a real browser, light and dark, served as a person would start them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from dashboard_data import HOSTILE_NAMES, fill_rich
from playwright.sync_api import expect

from data.store import Store

SCREENS = {"priority": "/", "lead": "/lead?lead=5", "overview": "/overview"}
#: Streamlit finds its base address by asking below the page's path first; these misses are its own.
_BASE_PROBE = re.compile(r"/\w+/_stcore/(health|host-config)$")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard over a rich database, started from a foreign folder."""
    home = tmp_path_factory.mktemp("home")
    url = f"sqlite:///{home / 'leadlight.db'}"
    store = Store.open(url, migrate=True)
    fill_rich(store, datetime.now(UTC))
    store.close()
    with serve(url, home) as address:
        yield address


@contextlib.contextmanager
def serve(database_url: str, home: Path) -> Iterator[str]:
    """Run `leadlight dashboard` until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "LEADLIGHT_HOME": str(home),
        "LEADLIGHT_DATABASE_URL": database_url,
        "LEADLIGHT_HOST": "127.0.0.1",
        "LEADLIGHT_PORT": str(port),
    }
    with (home / "dashboard.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "dashboard"],
            env=environment,
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, home / "dashboard.log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers; fails with its log when it dies or takes over a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address + "/_stcore/health", timeout=2)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
    pytest.fail("the dashboard did not start:\n" + log.read_text()[-4000:])


@dataclass
class Watched:
    """A page and everything about it that should not have happened."""

    page: Any
    address: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a screen and wait until its title is there."""
        self.page.goto(self.address + path)
        self.page.get_by_role("heading", level=1).wait_for()

    @property
    def search(self) -> Any:
        """The search field of the priority list."""
        return self.page.get_by_placeholder("Name, company or e-mail")

    def total(self) -> int:
        """How many leads the list says it has."""
        text = self.page.get_by_text(re.compile(r"of [\d,]+ leads?")).inner_text()
        found = re.search(r"of ([\d,]+) leads?", text)
        assert found
        return int(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def contexts(browser: Any) -> Iterator[Callable[[str], Any]]:
    """One browser context per colour scheme, so that scripts are fetched once."""
    made: dict[str, Any] = {}

    def context(scheme: str) -> Any:
        if scheme not in made:
            made[scheme] = browser.new_context(
                viewport={"width": 1440, "height": 900},
                color_scheme=scheme,
                timezone_id="Europe/Berlin",
            )
        return made[scheme]

    yield context
    for one in made.values():
        one.close()


@pytest.fixture
def watched(
    contexts: Callable[[str], Any], dashboard: str, request: pytest.FixtureRequest
) -> Iterator[Watched]:
    """A fresh page in the asked colour scheme, with its console and requests watched."""
    page = contexts(getattr(request, "param", "light")).new_page()
    result = Watched(page, dashboard)

    def on_console(message: Any) -> None:
        where = str((message.location or {}).get("url", ""))
        if message.type == "error" and not _BASE_PROBE.search(where):
            result.errors.append(f"{message.text} {where}")

    def on_request(sent: Any) -> None:
        if not sent.url.startswith((dashboard, dashboard.replace("http", "ws"), "data:", "blob:")):
            result.foreign.append(sent.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: result.errors.append(str(error)))
    page.on("request", on_request)
    yield result
    page.close()


@pytest.mark.parametrize("watched", ["light", "dark"], indirect=True)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_renders_well_without_errors_or_foreign_requests(
    watched: Watched, screen: str, request: pytest.FixtureRequest
) -> None:
    watched.open(SCREENS[screen])
    heading = {"priority": "Priority list", "lead": "Why this score", "overview": "Jobs"}[screen]
    watched.page.get_by_role("heading", name=heading).wait_for()
    if screen != "priority":
        watched.page.locator(".js-plotly-plot .main-svg").first.wait_for()
    dark = request.node.callspec.params["watched"] == "dark"
    assert (_redness_of_the_page(watched) < 60) == dark
    for width in (1440, 1024):
        watched.page.set_viewport_size({"width": width, "height": 900})
        assert watched.page.evaluate(_OVERFLOW) <= 0
    assert watched.page.get_by_test_id("stException").count() == 0
    assert watched.errors == []
    assert watched.foreign == []


_OVERFLOW = """() => {
    const main = document.querySelector('[data-testid=stMain]');
    return main.scrollWidth - main.clientWidth;
}"""


def _redness_of_the_page(watched: Watched) -> int:
    """The red part, 0 to 255, of the background colour."""
    colour = watched.page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    return int(re.findall(r"\d+", colour)[0])


def test_a_shared_address_shows_the_same_filtered_list(watched: Watched) -> None:
    watched.open("/")
    everything = watched.total()
    watched.open("/?band=hot&search=Rossi")
    expect(watched.search).to_have_value("Rossi")
    hot = watched.page.get_by_role("button", name=re.compile("Hot"))
    expect(hot).to_have_attribute("aria-pressed", "true")
    assert 0 < watched.total() < everything


def test_a_search_is_in_the_address_and_survives_a_reload(watched: Watched) -> None:
    watched.open("/")
    everything = watched.total()
    watched.search.fill("Acme")
    watched.page.wait_for_url(re.compile("search=Acme"))
    watched.page.reload()
    expect(watched.search).to_have_value("Acme")
    assert 0 < watched.total() < everything


def test_choosing_a_row_opens_that_lead_and_back_keeps_the_filter(watched: Watched) -> None:
    watched.open("/?band=warm")
    cells = watched.page.locator("[role=gridcell]")
    cells.first.wait_for(state="attached")
    name = cells.nth(3).text_content()
    box = watched.page.get_by_test_id("stDataFrame").bounding_box()
    watched.page.mouse.click(box["x"] + 320, box["y"] + 60)
    watched.page.wait_for_url(re.compile(r"/lead\?lead=\d+"))
    expect(watched.page.get_by_role("heading", level=1)).to_have_text(re.compile(re.escape(name)))
    watched.page.get_by_test_id("stPageLink").get_by_role("link").first.click()
    watched.page.wait_for_url(re.compile("band=warm"))


def test_the_contributions_on_screen_add_up_to_the_score_on_screen(watched: Watched) -> None:
    watched.open("/?lead=7")
    watched.page.locator(".js-plotly-plot .bartext").first.wait_for()
    rows = watched.page.evaluate(
        """() => {
            const chart = document.querySelector('.js-plotly-plot');
            const bars = chart.data.find(trace => trace.type === 'bar');
            return Array.from(bars.text).map((text, n) => [text, bars.width[n], bars.x[n]]);
        }"""
    )
    score = watched.page.get_by_test_id("stMetricValue").first.inner_text()
    *parts, (text, _, total) = [row for row in rows if row[1] > 0.5]
    assert text == f"<b>{score}</b>"
    whole = sum(points for _, _, points in parts)
    assert abs(whole - total) < 1e-9
    assert int(whole * 10 + 1e-9) / 10 == float(score)


@pytest.mark.parametrize("lead_id", [1, 2])
def test_a_hostile_name_is_only_text(watched: Watched, lead_id: int) -> None:
    watched.open(f"/lead?lead={lead_id}")
    heading = watched.page.get_by_role("heading", level=1)
    shown = heading.inner_text().replace("\u2060", "").strip()
    assert shown == HOSTILE_NAMES[lead_id - 1]
    assert heading.locator("a, strong, img, script, .katex").count() == 0
    assert watched.page.title() != "owned"
    assert watched.foreign == []
