"""`make bench`: measures, compares with a floor measured in the same run, writes the report.

Nothing here is a test: numbers depend on the machine, ratios less so. Everything happens in a
temporary folder and on 127.0.0.1.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.connect import connect
from app.score_file import score_file
from app.settings import Settings
from connectors.sandbox.server import Sandbox, start_sandbox
from data.lists import PriorityFilter, priority_page
from data.store import Store
from scoring.engine import compile_rule_set
from scoring.inputs import inputs_from_json
from scoring.rules import default_rule_set

LEADS = 2_500
NEW_LEADS = 40
FILE_ROWS = 20_000
LIST_LEADS = 50_000
REPORT = Path(__file__).parent.parent / "docs" / "performance.md"
LEADLIGHT = [sys.executable, "-m", "app.cli"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report; `ratio` compares ours with the floor (1 = nothing left to win)."""

    what: str
    ours: str
    floor: str
    ratio: str
    how: str


def main() -> None:
    """Run everything, then write the report."""
    with tempfile.TemporaryDirectory(prefix="leadlight-bench-") as folder:
        home = Path(folder)
        results = [warm_start(home / "run")]
        with sandbox(home / "world", leads=LEADS) as crms:
            results.append(first_read(crms, home / "first"))
        results += [engine(home / "first"), reading_the_list(home / "first")]
        results.append(scoring_a_file(home))
        with sandbox(home / "quiet", leads=0) as crms:
            results.append(new_leads(crms, home / "new"))
    REPORT.write_text(report(results, datetime.now(UTC)), "utf-8")
    say(f"Written to {REPORT.name}.")


# -- the whole product ---------------------------------------------------------------------------


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


# -- parts ---------------------------------------------------------------------------------------


def engine(home: Path) -> Result:
    """One lead through the default rules, over the inputs of the sandbox's leads."""
    say("engine")
    with sqlite3.connect(home / "leadlight.db") as database:
        texts = [
            row[0] for row in database.execute("SELECT inputs FROM score_log WHERE inputs<>''")
        ]
    texts = texts[:1_000]
    inputs = [inputs_from_json(text) for text in texts]
    scorer = compile_rule_set(default_rule_set())
    now = datetime.now(UTC)

    def score_all() -> None:
        for facts, engagements in inputs:
            scorer.score(facts, engagements, now)

    def copy_all() -> None:
        for text in texts:
            json.dumps(json.loads(text))

    ours = fastest(score_all, 5) / len(inputs) * 1e6
    floor = fastest(copy_all, 5) / len(texts) * 1e6
    size = statistics.mean(len(engagements) for _, engagements in inputs)
    return Result(
        f"One lead through {len(default_rule_set().rules())} rules, explained",
        f"{ours:,.0f} µs",
        f"{floor:,.0f} µs",
        ratio(ours, floor),
        f"{size:.0f} engagements on average; floor: its inputs through the JSON parser and back",
    )


def reading_the_list(home: Path) -> Result:
    """The first page, a search and a late page of the priority list."""
    say(f"list of {LIST_LEADS:,} leads")
    path = home / "leadlight.db"
    multiply(path, LIST_LEADS)
    store, now = Store.open(f"sqlite:///{path}"), datetime.now(UTC)

    def show(page: int, search: str = "") -> Callable[[], object]:
        narrowed = PriorityFilter(search=search)
        return lambda: priority_page(store, narrowed, page=page, per_page=50, now=now)

    times = [median(show(1), 15), median(show(1, "hazel"), 15), median(show(100), 15)]
    with sqlite3.connect(path) as database:
        ids = [row[0] for row in database.execute("SELECT id FROM lead LIMIT 50")]
        marks = ",".join("?" * len(ids))
        query = f"SELECT * FROM lead WHERE id IN ({marks})"
        floor = median(lambda: database.execute(query, ids).fetchall(), 15)
    store.close()
    first, search, late = (1_000 * seconds for seconds in times)
    return Result(
        f"Priority list over {LIST_LEADS:,} leads",
        f"first page {first:.0f} ms, search {search:.0f} ms, page 100 {late:.0f} ms",
        f"{1_000 * floor:.1f} ms",
        ratio(times[0], floor),
        "SQLite, median; floor: the same 50 rows by primary key, without count, order or trend",
    )


def multiply(path: Path, wanted: int) -> None:
    """Copies of the leads that are there, until there are `wanted`, with scores a little apart."""
    with sqlite3.connect(path) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(lead)")]
        rest = [name for name in names if name not in ("id", "score_value")]
        columns = ", ".join(["id", "score_value", *rest])
        top, count = database.execute("SELECT max(id), count(*) FROM lead").fetchone()
        for copy in range(1, -(-wanted // count)):
            values = f"id + {copy * top}, abs(score_value - {copy * 37})"
            database.execute(
                f"INSERT INTO lead ({columns}) SELECT {values}, {', '.join(rest)} FROM lead"
                " WHERE id <= ?",
                (top,),
            )
        database.execute("ANALYZE")


def scoring_a_file(home: Path) -> Result:
    """Rows of a CSV file scored and written back."""
    say(f"file of {FILE_ROWS:,} rows")
    source = home / "leads.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Email", "Job Title", "Company", "Employees", "Country", "Message"])
        for number in range(FILE_ROWS):
            title = ("VP Sales", "Student", "CRM Manager", "Data Analyst")[number % 4]
            message = "We need a demo and a price this month." if number % 3 == 0 else ""
            company = f"Company {number // 3}"
            writer.writerow([f"p{number}@c{number}.example", title, company, number, "DE", message])
    began = time.perf_counter()
    score_file(source, output=home / "scored.csv")
    ours = time.perf_counter() - began

    def copy() -> None:
        with source.open(newline="") as old, (home / "copy.csv").open("w", newline="") as new:
            csv.writer(new).writerows(csv.reader(old))

    floor = fastest(copy, 3)
    return Result(
        "Scoring a file",
        f"{FILE_ROWS / ours:,.0f} rows/s",
        f"{FILE_ROWS / floor:,.0f} rows/s",
        ratio(ours, floor),
        f"{FILE_ROWS:,} rows with default rules; floor: copying the file with the csv module",
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


def fastest(work: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of several runs: what the machine can do undisturbed."""
    return min(_seconds(work) for _ in range(times))


def median(work: Callable[[], object], times: int) -> float:
    """Seconds of the middle one of several runs."""
    return statistics.median(_seconds(work) for _ in range(times))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(ours: float, floor: float) -> str:
    """How many times the floor."""
    return f"{ours / floor:.1f}x"


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench: {text}", flush=True)


def report(results: Iterable[Result], at: datetime) -> str:
    """The report as Markdown."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench`. Each number stands beside a floor measured in the same run: what",
        "the same work costs when nothing is done with it, or what physics (polling) imposes. The",
        "ratio travels between machines better than the number does.",
        "",
        f"Measured on {at:%Y-%m-%d}: {_cpu()}, {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()}.",
        "",
        "| what | ours | floor | ratio | how |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r.what} | {r.ours} | {r.floor} | {r.ratio} | {r.how} |" for r in results]
    return "\n".join([*lines, ""])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    main()
