"""The whole loop for tests: real CRM clients over HTTP to the real sandbox, a real database.

Only the clock is invented: the sandbox, the pipeline and every wait share one `FakeClock`.
"""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import pytest
from conftest import FakeClock
from sqlalchemy import Table, func, select

from app import jobs
from app.pipeline import Pipeline
from app.settings import Settings
from app.work import Job, JobOutcome
from app.write_back import shown_points
from connectors.base import Crm
from connectors.hubspot import HubSpotCrm
from connectors.salesforce import SalesforceCrm
from connectors.salesforce_session import API_VERSION
from connectors.sandbox.server import Sandbox, SeenRequest, start_sandbox
from connectors.sandbox.state import State, Stored
from data import tables
from data.store import Store
from scoring.leads import RecordKey

LEAD, RECORD = tables.table(tables.Lead), tables.table(tables.CrmRecordRow)
LOG, OUTBOX = tables.table(tables.ScoreLog), tables.table(tables.Outbox)
EXCEPTION, CURSOR = tables.table(tables.ExceptionItem), tables.table(tables.CursorRow)
ENGAGEMENT = tables.table(tables.EngagementRow)
IN_HUBSPOT, IN_SALESFORCE = "leadlight_score", "Leadlight_Score__c"
#: Where each CRM keeps people, and under which name it keeps our score and its time.
PEOPLE = {
    ("hubspot", "contacts"): ("contact", IN_HUBSPOT, "leadlight_scored_at"),
    ("salesforce", "Lead"): ("lead", IN_SALESFORCE, "Leadlight_Scored_At__c"),
    ("salesforce", "Contact"): ("contact", IN_SALESFORCE, "Leadlight_Scored_At__c"),
}
#: Where scores are written: the only calls of the product that change people.
WRITE_PATHS = ("/contacts/batch/update", "/composite/sobjects")
DEFAULT_POLL_SECONDS = float(Settings.model_fields["poll_seconds"].default)


class FakePause(threading.Event):
    """A stop signal whose waits let the invented time pass instead of the real one."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let `timeout` seconds pass at once; whether the signal is set."""
        self._clock.advance(timeout or 0.0)
        return self.is_set()


class WallClock(FakeClock):
    """The real time, for loops whose worker is a process of its own."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)

    __call__ = now


class Client:
    """A third-party app beside ours: plain HTTP against both CRMs, under its own sign-in."""

    def __init__(self, sandbox: Sandbox) -> None:
        token = {"Authorization": f"Bearer {sandbox.hubspot_token}"}
        self.hubspot = httpx.Client(base_url=sandbox.hubspot_url, headers=token, trust_env=False)
        self.salesforce = httpx.Client(base_url=sandbox.salesforce_url, trust_env=False)
        form = {
            "grant_type": "client_credentials",
            "client_id": sandbox.salesforce_client_id,
            "client_secret": sandbox.salesforce_client_secret,
        }
        answer = self.salesforce.post("/services/oauth2/token", data=form).raise_for_status()
        session = answer.json()["access_token"]
        self.salesforce.headers["Authorization"] = f"Bearer {session}"
        self._data = f"/services/data/v{API_VERSION}"

    def add_contact(self, **properties: str) -> RecordKey:
        """Create a HubSpot contact."""
        answer = self.hubspot.post("/crm/v3/objects/contacts", json={"properties": properties})
        return RecordKey("hubspot", "contact", str(_body(answer)["id"]))

    def change_contact(self, record: RecordKey, **properties: str) -> None:
        """Change a HubSpot contact."""
        path = f"/crm/v3/objects/contacts/{record.id}"
        _body(self.hubspot.patch(path, json={"properties": properties}))

    def add(self, type_: str, **fields: Any) -> RecordKey:
        """Create a Salesforce record (kinds of our records are its types in lower case)."""
        answer = self.salesforce.post(f"{self._data}/sobjects/{type_}/", json=fields)
        return RecordKey("salesforce", type_.lower(), str(_body(answer)["id"]))

    def change(self, record: RecordKey, **fields: Any) -> None:
        """Change a Salesforce record."""
        path = f"{self._data}/sobjects/{record.kind.capitalize()}/{record.id}"
        self.salesforce.patch(path, json=fields).raise_for_status()

    def scores(self, records: Collection[RecordKey]) -> dict[RecordKey, float]:
        """The score each record holds, read back from its CRM; records without one are left out."""
        found = {}
        ids = [record.id for record in records if record.crm == "hubspot"]
        for part in _chunks(ids, 100):
            body = {"inputs": [{"id": i} for i in part], "properties": [IN_HUBSPOT]}
            answer = _body(self.hubspot.post("/crm/v3/objects/contacts/batch/read", json=body))
            for row in answer["results"]:
                score = row["properties"].get(IN_HUBSPOT)
                if score:
                    found[RecordKey("hubspot", "contact", row["id"])] = float(score)
        for kind in ("lead", "contact"):
            ids = [r.id for r in records if r.crm == "salesforce" and r.kind == kind]
            for part in _chunks(ids, 200):
                wanted = {"ids": part, "fields": ["Id", IN_SALESFORCE]}
                path = f"{self._data}/composite/sobjects/{kind.capitalize()}"
                for row in _body(self.salesforce.post(path, json=wanted)):
                    if row and row.get(IN_SALESFORCE) is not None:
                        found[RecordKey("salesforce", kind, row["Id"])] = row[IN_SALESFORCE]
        return found

    def close(self) -> None:
        """Let go of connections."""
        self.hubspot.close()
        self.salesforce.close()


@dataclass
class Loop:
    """The product at work on a sandbox, driven by hand."""

    clock: FakeClock
    sandbox: Sandbox
    store: Store
    crms: tuple[Crm, ...]
    pipeline: Pipeline
    jobs: Sequence[Job]
    client: Client
    outcomes: list[tuple[str, JobOutcome]] = field(default_factory=list)
    started: bool = False

    def catch_up(self) -> dict[str, JobOutcome]:
        """Everything that can be done now, as `leadlight worker --until-idle` does it."""
        return jobs.run_until_idle(self.store, self.jobs, self.clock, FakePause(self.clock))

    def tick(self, seconds: float = 1.0) -> dict[str, JobOutcome]:
        """Let time pass, then run the jobs that have become due, as the worker does."""
        self.clock.advance(seconds)
        by_name = {job.name: job for job in self.jobs}
        ran = {}
        for name in self.store.due_jobs(self.clock()):
            outcome = jobs.run_job(self.store, by_name[name], self.clock, FakePause(self.clock))
            if outcome is not None:
                ran[name] = outcome
                self.outcomes.append((name, outcome))
        return ran

    def run_for(self, seconds: float, *, step: float = 5.0) -> None:
        """Let so much time pass at least, with the jobs running at their intervals."""
        end = self.clock().timestamp() + seconds
        while self.clock().timestamp() < end:
            self.tick(step)

    def settle(self) -> None:
        """Go on until nothing waits: searches lag, and later scores are gathered for a while.

        Fails when something still waits after ten minutes.
        """
        if not self.started:
            self.started = True
            self.catch_up()
        for _ in range(10):
            ran = self.tick(61)
            if any(outcome.items for outcome in ran.values()):
                self.tick(6)  # writes come round more often than polls
            elif not self.rows(OUTBOX):
                return
        raise AssertionError(f"still waiting: {self.rows(OUTBOX)[:3]}, {ran}")

    # -- what is stored ------------------------------------------------------------------------

    def rows(self, table: Table, *where: Any) -> list[Any]:
        """Rows of a table of the store."""
        with self.store.engine.connect() as connection:
            return list(connection.execute(select(table).where(*where)))

    def count(self, table: Table, *where: Any) -> int:
        """How many rows a table of the store has."""
        with self.store.engine.connect() as connection:
            return int(
                connection.execute(select(func.count()).select_from(table).where(*where)).scalar()
                or 0
            )

    def leads(self) -> list[Any]:
        """Leads as people see them: neither joined with another nor deleted."""
        return self.rows(LEAD, LEAD.c.merged_into_id.is_(None), LEAD.c.deleted.is_(False))

    def exceptions(self, kind: str = "") -> list[Any]:
        """Open exceptions."""
        kinds = [EXCEPTION.c.kind == kind] if kind else []
        return self.rows(EXCEPTION, EXCEPTION.c.state == "open", *kinds)

    def lead_of(self, record: RecordKey) -> Any:
        """The lead that owns a record."""
        (found,) = self.rows(RECORD, RECORD.c.key == str(record))
        (lead,) = self.rows(LEAD, LEAD.c.id == found.lead_id)
        return lead

    def shown_scores(self) -> dict[RecordKey, float]:
        """The score that our store holds for each record, as people see it."""
        scores = {lead.id: lead.score_value for lead in self.leads()}
        return {
            RecordKey.parse(row.key): shown_points(scores[row.lead_id])
            for row in self.rows(RECORD, RECORD.c.deleted.is_(False))
            if scores.get(row.lead_id) is not None
        }

    # -- what the CRMs see ---------------------------------------------------------------------

    def calls_since(self, place: int) -> list[SeenRequest]:
        """Calls that the CRMs received after `len(sandbox.requests)` was `place`."""
        return list(self.sandbox.requests)[place:]

    def fault(self, crm: str, kind: str, *, path: str = "", times: int = 1, **more: Any) -> None:
        """Disturb the next calls to a CRM whose path holds `path`."""
        name = f"{crm}.faults"
        planned = json.loads(self.sandbox.state.meta(name) or "[]")
        planned.append({"kind": kind, "path": path, "times": times, **more})
        self.sandbox.state.set_meta(name, json.dumps(planned))

    def switch(self, name: str, value: str) -> None:
        """Turn one of the sandbox's switches, such as `hubspot.auth`."""
        self.sandbox.state.set_meta(name, value)


@contextmanager
def running(
    home: Path, clock: FakeClock, *, database_url: str = "", **options: Any
) -> Iterator[Loop]:
    """A sandbox (empty unless `options` say otherwise) with the product connected to it."""
    with ExitStack() as stack:
        given = {"leads": 0, "live": 0.0, **options}
        sandbox = stack.enter_context(start_sandbox(home / "sandbox", now=clock, **given))
        url = database_url or f"sqlite:///{home / 'leadlight.db'}"
        store = Store.open(url, migrate=True)
        stack.callback(store.close)
        hubspot, salesforce = connected(sandbox, clock)
        stack.callback(hubspot.close)
        stack.callback(salesforce.close)
        client = Client(sandbox)
        stack.callback(client.close)
        pipeline = Pipeline(store, (hubspot, salesforce), clock, DEFAULT_POLL_SECONDS)
        pipeline.policy()
        work = pipeline.jobs()
        jobs.declare(store, work, clock())
        yield Loop(clock, sandbox, store, (hubspot, salesforce), pipeline, work, client)


@contextmanager
def ready(home: Path, clock: FakeClock) -> Iterator[Loop]:
    """Two empty CRMs, connected and read for the first time; sets the clock to after that."""
    folder, moment = _made_ready()
    shutil.copytree(folder.name, home, dirs_exist_ok=True)
    clock.moment = moment
    with running(home, clock) as loop:
        loop.started = True
        yield loop


@cache
def _made_ready() -> tuple[TemporaryDirectory[str], datetime]:
    """The files of a loop whose first read is over, made once: most tests begin there."""
    folder, clock = TemporaryDirectory(prefix="leadlight-loop-"), FakeClock()
    with running(Path(folder.name), clock) as loop:
        loop.settle()
    return folder, clock()


def connected(sandbox: Sandbox, clock: FakeClock) -> tuple[HubSpotCrm, SalesforceCrm]:
    """Both real adapters; their waits let the invented time pass."""

    def sleep(seconds: float) -> None:
        clock.advance(seconds)

    return (
        HubSpotCrm(sandbox.hubspot_token, base_url=sandbox.hubspot_url, sleep=sleep),
        SalesforceCrm(
            sandbox.salesforce_url,
            client_id=sandbox.salesforce_client_id,
            client_secret=sandbox.salesforce_client_secret,
            sleep=sleep,
        ),
    )


class Seen(NamedTuple):
    """One score that arrived in a CRM."""

    score: float
    scored_at: str


def watch_scores(
    state: State, patch: pytest.MonkeyPatch, on_score: Callable[[], None] = lambda: None
) -> Mapping[RecordKey, Sequence[Seen]]:
    """Every score that a CRM stores from now on, by record; `on_score` is called after each."""
    arrived: dict[RecordKey, list[Seen]] = defaultdict(list)
    put = state.put

    def noted(stored: Stored) -> None:
        put(stored)
        kind, score, at = PEOPLE.get((stored.crm, stored.type), ("", "", ""))
        if score in stored.fields:
            key = RecordKey(stored.crm, kind, stored.id)
            arrived[key].append(Seen(float(stored.fields[score]), str(stored.fields[at])))
            on_score()

    patch.setattr(state, "put", noted)
    return arrived


def held_scores(state: State) -> dict[RecordKey, float]:
    """The score that each living record of both CRMs holds now."""
    found = {}
    for (crm, type_), (kind, score, _) in PEOPLE.items():
        for stored in state.select("crm=? AND type=? AND archived=0", (crm, type_)):
            if score in stored.fields:
                found[RecordKey(crm, kind, stored.id)] = float(stored.fields[score])
    return found


def is_write(call: SeenRequest) -> bool:
    """Whether a call writes scores (reading a batch is a POST too, but elsewhere)."""
    changes = call.method == "PATCH" or call.path.endswith("/batch/update")
    return changes and call.path.endswith(WRITE_PATHS)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def seconds_between(start: datetime, end: datetime) -> float:
    """Seconds from one instant to another."""
    return (end - start).total_seconds()


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _body(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url} {answer.status_code}: {answer.text[:400]}"
    return answer.json()
