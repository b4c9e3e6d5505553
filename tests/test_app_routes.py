"""What machines ask the dashboard: whether it is alive, and how it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from dashboard_data import fill_rich, fill_small
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette

from app.dashboard import server_options
from app.routes import exposition, health, routes
from data import metrics
from data.store import Store
from pages.colours import theme_options

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: moment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A small database as of NOW."""
    opened = Store.open(f"sqlite:///{tmp_path / 'leadlight.db'}", migrate=True)
    fill_small(opened, NOW)
    yield opened
    opened.close()


def test_a_working_system_is_healthy(store: Store) -> None:
    body, status = health(lambda: store, at(NOW))
    assert status == 200
    assert body["status"] == body["database"] == "ok"
    assert body["worker_age_seconds"] == 3.0
    assert body["jobs"] == {
        "poll:hubspot": 9.0,
        "poll:salesforce": 40.0,
        "write": 900.0,
        "enrich": None,
    }
    assert body["version"]


def test_a_silent_worker_is_unhealthy(store: Store) -> None:
    body, status = health(lambda: store, at(NOW + timedelta(seconds=58)))
    assert (status, body["status"]) == (503, "worker stale")


def test_a_worker_that_never_ran_is_unhealthy(tmp_path: Path) -> None:
    empty = Store.open(f"sqlite:///{tmp_path / 'empty.db'}", migrate=True)
    assert health(lambda: empty, at(NOW))[1] == 503


def test_a_database_without_tables_is_unhealthy(tmp_path: Path) -> None:
    bare = Store.open(f"sqlite:///{tmp_path / 'bare.db'}")
    body, status = health(lambda: bare, at(NOW))
    assert (status, body["status"]) == (503, "database")


def test_a_broken_database_is_named_without_its_secrets() -> None:
    def broken() -> Store:
        raise OperationalError("postgresql://u:hunter2@h/d", {}, Exception("hunter2"))

    body, status = health(broken, at(NOW))
    assert status == 503
    assert body["database"] == "failed: OperationalError"
    assert "hunter2" not in str(body)


def test_the_metrics_are_what_the_screens_show(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'rich.db'}", migrate=True)
    fill_rich(store, NOW)
    families = text_string_to_metric_families(exposition(store, at(NOW)).decode())
    samples = {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }
    assert samples[("leadlight_leads",)] == 400
    assert samples[("leadlight_coverage_ratio",)] == 1.0
    assert samples[("leadlight_exceptions_open", "email_typo")] == 5
    assert samples[("leadlight_job_age_seconds", "write")] == 900
    assert samples[("leadlight_worker_heartbeat_age_seconds",)] == 3
    assert samples[("leadlight_crm_calls_total", "hubspot")] == 1_840
    for band, count in metrics.band_counts(store).items():
        assert samples[("leadlight_band_leads", band)] == count
    waiting = metrics.connections(store, NOW)[0].pending_writes
    assert samples[("leadlight_outbox_pending", "hubspot")] == waiting > 0
    latency = metrics.latency(store, since=NOW - timedelta(days=1), now=NOW, bucket="day")
    whole = latency.overall["created→written"]
    assert samples[("leadlight_score_latency_seconds", "0.99", "created_to_written")] == whole.p99


def test_an_empty_database_has_metrics_too(tmp_path: Path) -> None:
    empty = Store.open(f"sqlite:///{tmp_path / 'empty.db'}", migrate=True)
    assert b"leadlight_leads 0.0" in exposition(empty, at(NOW))


def test_both_routes_answer_over_http(store: Store) -> None:
    served = httpx.ASGITransport(app=Starlette(routes=routes(lambda: store, at(NOW))))

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(transport=served, base_url="http://127.0.0.1") as client:
            return await client.get("/healthz"), await client.get("/metrics")

    # in a thread of its own: a browser test before it may have left a loop running in this one
    with ThreadPoolExecutor(1) as thread:
        alive, scraped = thread.submit(asyncio.run, ask()).result()
    assert alive.json()["status"] == "ok"
    assert scraped.headers["content-type"].startswith("text/plain")
    assert "leadlight_build_info" in scraped.text


def test_the_server_is_closed_quiet_and_keeps_to_itself() -> None:
    options = server_options("127.0.0.1", 8501)
    assert options["server.address"] == "127.0.0.1"
    assert options["server.enableXsrfProtection"] is True
    assert options["server.enableAgentApi"] is False
    assert options["browser.gatherUsageStats"] is False
    assert "127.0.0.1" in options["server.allowedHosts"]


def test_a_server_for_others_accepts_their_host_names() -> None:
    assert "server.allowedHosts" not in server_options("0.0.0.0", 8501)


def test_streamlit_knows_every_option_we_set() -> None:
    from streamlit import config

    known = set(config.get_config_options())
    assert set(server_options("127.0.0.1", 1) | theme_options()) <= known
