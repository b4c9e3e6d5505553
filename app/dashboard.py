"""The dashboard's server: Streamlit and our own routes in one ASGI process."""

from __future__ import annotations

import gc
import importlib
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from app.routes import routes
from app.settings import Settings, load_settings
from data.store import Store
from pages.colours import theme_options

log = structlog.get_logger(__name__)

MAIN_SCRIPT = Path(__file__).with_name("main.py")
#: Imported before the first reader comes, then frozen: see `_lifespan`.
_WARM = (
    "pandas",
    "pyarrow",
    "plotly.graph_objects",
    "pages.priority",
    "pages.lead",
    "pages.overview",
)

_serving: Settings | None = None


def settings_in_force() -> Settings:
    """What `serve` was given; the environment's settings when nothing is being served (tests)."""
    return _serving or load_settings()


def open_store() -> Store:
    """The one store of this process for the database in force."""
    return _open(settings_in_force().database_url)


@lru_cache(maxsize=4)
def _open(url: str) -> Store:
    return Store.open(url)


def serve(settings: Settings) -> None:
    """Serve the dashboard until SIGTERM or Ctrl-C; the database must be migrated already."""
    global _serving
    import streamlit as st

    _serving = settings
    app = st.App(
        MAIN_SCRIPT, lifespan=_lifespan, routes=routes(open_store), on_script_error=_apologise
    )
    app.run(config=server_options(settings.host, settings.port) | theme_options())


def server_options(host: str, port: int) -> dict[str, Any]:
    """Streamlit's options: quiet, closed to strangers, nothing fetched from outside."""
    options: dict[str, Any] = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.enableAgentApi": False,
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": True,
    }
    if _is_loopback(host):
        # A page on the internet whose name resolves to 127.0.0.1 must not reach the dashboard.
        options["server.allowedHosts"] = ["127.0.0.1", "localhost", "::1"]
    return options


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def _lifespan(app: object) -> AsyncIterator[None]:
    """Load what the pages need, then take it out of the garbage collector's sight.

    Streamlit collects garbage after every run of the script, which costs about 0.1 s with pandas
    and Plotly loaded; frozen objects are not looked at again.
    """
    for name in _WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    yield


def _apologise(error: Exception) -> bool:
    """Say that something went wrong in words; the trace goes to the log, not to the reader."""
    import streamlit as st

    log.error("screen failed", exc_info=error)
    st.error(
        "**This screen could not be shown.** The reason is in the dashboard's log. Reload the "
        "page; if it stays, run `leadlight doctor`, which says what is wrong and what to do.",
        icon=":material/error:",
    )
    return True
