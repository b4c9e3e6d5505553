"""Records to feed a store with, and a small pure decision to feed them through."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url, select, text
from sqlmodel import SQLModel

from data.store import (
    Decision,
    Incoming,
    LeadState,
    LeadWrite,
    OutboxWrite,
    PageReport,
    Recall,
    Store,
)
from data.tables import table
from scoring.identity import identify, identity_keys
from scoring.leads import CrmRecord, Engagement, FieldValue, Outcome, RecordKey
from scoring.scores import Contribution, Fact, Score

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


DATABASES = ("sqlite", "postgresql")


@contextmanager
def opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    """A migrated store on the database that the parameter of a module's fixture names."""
    with ExitStack() as closing:
        url = f"sqlite:///{folder / 'leads.db'}"
        if request.param == "postgresql":
            server = make_url(request.getfixturevalue("postgres_server"))
            name = f"leadlight_{uuid.uuid4().hex[:12]}"
            _run_sql(server, f"CREATE DATABASE {name}")
            closing.callback(_run_sql, server, f"DROP DATABASE {name} WITH (FORCE)")
            url = server.set(database=name).render_as_string(hide_password=False)
        store = Store.open(url, migrate=True)
        closing.callback(store.close)
        yield store


def emptied(store: Store) -> Store:
    """The same store without a single row: quicker than another database."""
    with store.engine.begin() as connection:
        for source in reversed(SQLModel.metadata.sorted_tables):
            connection.execute(source.delete())
    return store


def _run_sql(server: URL, statement: str) -> None:
    engine = create_engine(server.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


def key(number: int | str, crm: str = "hubspot", kind: str = "contact") -> RecordKey:
    """A record's name."""
    return RecordKey(crm, kind, str(number))


def record(number: int | str, crm: str = "hubspot", **given: Any) -> CrmRecord:
    """One person with an address of their own; `given` are CrmRecord's arguments or fields."""
    own = ("created_at", "modified_at", "account", "links", "merged_into", "deleted", "url", "raw")
    arguments = {name: given.pop(name) for name in own if name in given}
    created = arguments.pop("created_at", NOW - timedelta(days=2))
    fields: dict[str, FieldValue] = {"email": f"person{number}@example.com", **given}
    return CrmRecord(
        key(number, crm),
        created,
        arguments.pop("modified_at", created),
        {name: value for name, value in fields.items() if value != ""},
        **arguments,
    )


def visit(number: int | str, record: RecordKey | None = None, **given: Any) -> Engagement:
    """One page visit."""
    at = given.pop("occurred_at", NOW - timedelta(hours=1))
    return Engagement(f"visit:{number}", "page_visit", at, record, **given)


def outcome(number: int | str, record: RecordKey, kind: str = "converted", **given: Any) -> Outcome:
    """How somebody ended."""
    return Outcome(
        f"deal:{number}", kind, given.pop("occurred_at", NOW - timedelta(hours=1)), record, **given
    )


def score_of(lead: LeadState, now: datetime) -> Score:
    """Ten points for being known and one per visit."""
    visits = min(90, len(lead.engagements)) * 1_000
    parts = (
        Contribution("known", "rule", "fit", "who", 10_000, "Is known"),
        Contribution("visits", "rule", "engagement", "web", visits, f"{visits // 1000} visits"),
    )
    value = 10_000 + visits
    return Score(
        value=value,
        low=value,
        high=min(100_000, value + 5_000),
        band="hot" if value >= 15_000 else "cold",
        band_certain=value >= 15_000,
        dimensions={"fit": 10_000, "engagement": visits, "intent": 0},
        contributions=parts,
        scoring_mode="rules",
        rule_set_hash="rules-1",
        engine_version="test",
        now=now,
        inputs_hash=str(sorted(lead.engagements)),
        next_step="Call",
        reasons=("Is known",),
    )


def decide(recall: Recall, now: datetime = NOW) -> Decision:
    """The page's meaning, as the product's own decision finds it, with the simple score above."""
    leads = dict(recall.leads)
    found = identify(
        recall.records,
        {known: lead.id for lead in leads.values() for known in lead.records},
        recall.identities,
        {lead.id: tuple(lead.records.values()) for lead in leads.values()},
        recall.new_lead_id,
    )
    folded: dict[int, list[int]] = {}
    for survivor, gone in found.merges:
        leads[survivor].absorb(leads.pop(gone))
        folded.setdefault(survivor, []).append(gone)
    for changed in recall.records:
        lead_id = found.record_lead[changed.key]
        if lead_id not in leads:
            leads[lead_id] = LeadState(lead_id, changed.created_at, now, new=True)
        leads[lead_id].records[changed.key] = changed
    owners = {known: lead for lead in leads.values() for known in lead.records}
    emails = {r.fields.get("email"): lead for lead in leads.values() for r in lead.records.values()}
    for event in recall.engagements:
        owner = owners.get(event.record) if event.record else emails.get(event.email)
        if owner is not None:
            owner.engagements[event.key] = event
    for ending in recall.outcomes:
        if ending.record in owners:
            owners[ending.record].outcomes[ending.key] = ending
    writes = [_write(lead, folded.get(lead.id, []), now) for lead in leads.values()]
    return Decision(leads=writes, problems=[(problem, None) for problem in found.problems])


def _write(lead: LeadState, merged_from: list[int], now: datetime) -> LeadWrite:
    score = score_of(lead, now)
    records = sorted(lead.records.values(), key=lambda r: r.modified_at)
    said: dict[str, FieldValue] = {name: v for r in records for name, v in r.fields.items()}
    visits = [event.occurred_at for event in lead.engagements.values()]
    changed = lead.last is None or lead.last.value != score.value
    return LeadWrite(
        state=lead,
        columns={
            "name": str(said.get("last_name", "")),
            "email": str(said.get("email", "")),
            "phone": str(said.get("phone", "")),
            "company": str(said.get("company", "")),
            "domain": "",
            "country": str(said.get("country", "")),
            "job_title": str(said.get("job_title", "")),
            "owner": str(said.get("owner", "")),
            "source": str(said.get("lead_source", "")),
            "crms": "+".join(sorted({r.key.crm for r in records})),
            "account_key": next((str(r.account) for r in records if r.account), ""),
            "last_touch_at": max(visits, default=None),
            "last_human_at": None,
        },
        identities=[pair for r in records for pair in identity_keys(r)],
        facts={name: Fact(value, records[0].key.crm, now) for name, value in said.items()},
        score=score,
        cause="merge" if merged_from else "new" if lead.new else "changed",
        log=changed,
        inputs=json.dumps({"visits": len(visits)}),
        outbox=_outbox(lead, score, now),
        merged_from=merged_from,
        deleted=all(r.deleted or r.merged_into is not None for r in records),
    )


def _outbox(lead: LeadState, score: Score, now: datetime) -> list[OutboxWrite]:
    waiting = []
    for known in lead.records:
        written = lead.written.get(known)
        value = lead.waiting.get(known, written.value if written else None)
        if value != score.value:
            first = written is None
            payload: Mapping[str, Any] = {"score": score.value / 1_000, "band": score.band}
            waiting.append(
                OutboxWrite(known, payload, score.value, score.band, first, 2 if first else 0, now)
            )
    return waiting


def commit(store: Store, now: datetime = NOW, **page: Any) -> PageReport:
    """One page through the small decision; `cursor` and `decide` may be given."""
    move = page.pop("cursor", None)
    chosen = page.pop("decide", lambda recall: decide(recall, now))
    return store.commit_page(Incoming(**page), now=now, decide=chosen, cursor=move)


def rows(store: Store, row_class: Any) -> list[Any]:
    """Everything in one table, in the order of its primary key."""
    source = table(row_class)
    with store.engine.connect() as connection:
        return list(connection.execute(select(source).order_by(*source.primary_key)))


def everything(store: Store, *but: str) -> dict[str, list[Any]]:
    """The content of every table but the named ones."""
    with store.engine.connect() as connection:
        return {
            source.name: [tuple(row) for row in connection.execute(select(source))]
            for source in SQLModel.metadata.sorted_tables
            if source.name not in but
        }
