"""The whole product against a floor: what it costs when nothing is done, or what polling imposes.

Everything happens in a temporary folder and on 127.0.0.1.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.connect import connect
from app.settings import Settings
from benchmarks.floors import Result, ratio
from benchmarks.measure import fastest, say
from benchmarks.parts import explaining, reading_the_list, scoring_a_file
from connectors.sandbox.server import Sandbox, start_sandbox

LEADS = 2_500
NEW_LEADS = 40
LEADLIGHT = [sys.executable, "-m", "app.cli"]


def product(home: Path) -> list[Result]:
    """Everything, one after the other: the machine belongs to each in turn."""
    results = [warm_start(home / "run")]
    with sandbox(home / "world", leads=LEADS) as crms:
        results.append(first_read(crms, home / "first"))
    results += [explaining(home / "first"), reading_the_list(home / "first")]
    results.append(scoring_a_file(home))
    with sandbox(home / "quiet", leads=0) as crms:
        results.append(new_leads(crms, home / "new"))
    return results


def warm_start(home: Path) -> Result:
    """From `leadlight run` in a used home to a page that answers, and to a living worker."""
    say("warm start")
    times = []
    for _ in range(3):  # the first one invents the world
        began = time.perf_counter()
        with process(["run"], home, {"LEADLIGHT_PORT": "8791"}):
            _answers("http://127.0.0.1:8791/_stcore/health", 200)
            page = time.perf_counter() - began
            _answers("http://127.0.0.1:8791/healthz", 200)
            times.append((page, time.perf_counter() - began))
    floor = fastest(lambda: python("import streamlit, pandas, plotly.graph_objects"), 2)
    page, worker = min(times[1:])
    return Result(
        "Warm start to a usable page",
        f"{page:.1f} s (worker alive: {worker:.1f} s)",
        f"{floor:.1f} s",
        ratio(page, floor),
        "`leadlight run` with sandbox and 2,500 leads; floor: importing Streamlit, pandas, Plotly",
    )


def first_read(crms: Sandbox, home: Path) -> Result:
    """From an empty database to everything scored and written into both CRMs."""
    say("first read")
    began = time.perf_counter()
    with process(["worker", "--until-idle"], home, credentials(crms)) as worker:
        worker.wait()
    ours = time.perf_counter() - began
    began = time.perf_counter()
    rows = paging_only(crms, home)
    floor = time.perf_counter() - began
    return Result(
        f"First read: {LEADS:,} people, {rows:,} rows, scored and written",
        f"{ours:.1f} s ({LEADS / ours:,.0f} leads/s)",
        f"{floor:.1f} s",
        ratio(ours, floor),
        "`leadlight worker --until-idle`; floor: the same pages through the same clients, no more",
    )


def paging_only(crms: Sandbox, home: Path) -> int:
    """Read every stream of both CRMs and throw it away; the number of rows."""
    settings = Settings(home=home, **_settings(crms))
    rows = 0
    for crm in connect(settings):
        crm.check()
        for stream in crm.streams():
            cursor, more = "", True
            while more:
                page = crm.changes(stream.name, cursor, datetime.now(UTC))
                cursor, more = page.next_cursor, page.more
                rows += len(page.records) + len(page.accounts)
                rows += len(page.engagements) + len(page.outcomes)
        crm.close()
    return rows


def new_leads(crms: Sandbox, home: Path) -> Result:
    """From a contact's creation over the API to its score being readable there; real clock."""
    say(f"{NEW_LEADS} new leads")
    headers = {"Authorization": f"Bearer {crms.hubspot_token}"}
    with (
        httpx.Client(base_url=crms.hubspot_url, headers=headers, trust_env=False) as client,
        process(["worker"], home, credentials(crms)),
    ):
        _first_read_is_over(home)
        created: dict[str, float] = {}
        taken: dict[str, float] = {}
        while len(taken) < NEW_LEADS:
            if len(created) < NEW_LEADS:
                number = len(created)
                fields = {"email": f"new{number}@bench{number}.example", "lastname": f"N{number}"}
                answer = client.post("/crm/v3/objects/contacts", json={"properties": fields})
                created[answer.raise_for_status().json()["id"]] = time.monotonic()
            for contact in [one for one in created if one not in taken]:
                # looked up beside the API, whose rate limit belongs to the worker
                there = crms.state.get("hubspot", "contacts", contact)
                if there is not None and there.fields.get("leadlight_score"):
                    taken[contact] = time.monotonic() - created[contact]
            time.sleep(0.5)
    seconds = sorted(taken.values())
    return Result(
        "New lead to its score in the CRM (HubSpot)",
        f"p50 {seconds[len(seconds) // 2]:.0f} s, p99 {seconds[-1]:.0f} s",
        "p50 15 s, p99 25 s",
        ratio(seconds[-1], 25.0),
        f"{NEW_LEADS} leads, two a second, default intervals; floor: half and all of 15 s polling,"
        " 5 s index lag, 5 s write interval",
    )


# -- pieces --------------------------------------------------------------------------------------


@contextmanager
def sandbox(home: Path, *, leads: int) -> Iterator[Sandbox]:
    """Both sandbox CRMs, in this process."""
    with start_sandbox(home, leads=leads) as running:
        yield running


def credentials(crms: Sandbox) -> dict[str, str]:
    """The environment that connects a worker to the sandbox."""
    return {f"LEADLIGHT_{name.upper()}": value for name, value in _settings(crms).items()}


def _settings(crms: Sandbox) -> dict[str, str]:
    return {
        "hubspot_base_url": crms.hubspot_url,
        "hubspot_token": crms.hubspot_token,
        "salesforce_instance_url": crms.salesforce_url,
        "salesforce_client_id": crms.salesforce_client_id,
        "salesforce_client_secret": crms.salesforce_client_secret,
    }


@contextmanager
def process(
    arguments: list[str], home: Path, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A `leadlight` process with settings of its own; ended with SIGTERM if it still runs."""
    home.mkdir(parents=True, exist_ok=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LEADLIGHT_")}
    started = subprocess.Popen(
        [*LEADLIGHT, *arguments],
        cwd=home,
        env=inherited | {"LEADLIGHT_HOME": str(home)} | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
        started.wait(30)


def python(code: str) -> None:
    """Run a few lines in a fresh Python."""
    subprocess.run([sys.executable, "-c", code], check=True)


def _answers(address: str, status: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with opener.open(address, timeout=1) as answer:
                if answer.status == status:
                    return
        except OSError:
            pass  # not there yet
        time.sleep(0.02)
    raise RuntimeError(f"{address} did not answer {status} within a minute")


def _first_read_is_over(home: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if not (home / "leadlight.db").exists():
            continue
        with sqlite3.connect(home / "leadlight.db") as database:
            try:
                query = "SELECT count(*) FROM connection WHERE backfilled_at IS NOT NULL"
                if database.execute(query).fetchone()[0] == 2:
                    return
            except sqlite3.OperationalError:  # the tables are being made
                continue
    raise RuntimeError("the first read did not end within a minute")
