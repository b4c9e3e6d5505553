"""An invented database for looking at screens: nothing, a first read, a few leads, or many."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from data.database import writing
from data.plain import contributions_to_json, searchable
from data.store import Store
from data.tables import (
    ConnectionRow,
    CrmRecordRow,
    CursorRow,
    EngagementRow,
    Enrichment,
    ExceptionItem,
    JobRow,
    Lead,
    Outbox,
    OutcomeRow,
    ScoreLog,
    Worker,
    table,
)
from scoring.engine import ENGINE_VERSION
from scoring.rules import default_rule_set
from scoring.scores import DIMENSIONS, Contribution

FIRST = (
    *("Anna", "Björn", "Chidi", "Daria", "Emeka", "Fatima", "Giulia", "Haruki", "Ines", "João"),
    *("Katarzyna", "Liam", "Mehmet", "Noor", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Thị"),
)
LAST = (
    *("Nguyen", "Okafor", "Petersen", "Quist", "Rossi", "Schmidt", "Tanaka", "Ustinov", "Vega"),
    *("Wójcik", "Xu", "Yamamoto", "Zeller", "O'Brien", "García-Márquez"),
)
COMPANIES = (
    "Northwind Logistics",
    "Blue Fjord GmbH",
    "Acme Robotics",
    "Kestrel Analytics Ltd",
    "Papaya Software",
    "Tern & Sons Manufacturing",
    "Ünal Tekstil A.Ş.",
    "Harbour Light Clinics",
)
TITLES = ("VP Sales", "Head of Operations", "Marketing Manager", "CTO", "Student", "Buyer", "")
OWNERS = ("Mia Chen", "Tom Alvarez", "Sales queue", "")
REASONS = (
    ("fit", "role", "Job title: VP or head of a department"),
    ("fit", "company", "Company has 240 employees"),
    ("fit", "company", "Country is one we sell to"),
    ("engagement", "web", "Visited pricing 3 times, last 2 days ago"),
    ("engagement", "mail", "Clicked in an e-mail, last yesterday"),
    ("intent", "message", "Asked for a demo"),
    ("intent", "message", "Wants to start this quarter"),
)
NEXT_STEPS = (
    "Call today: asked for a demo",
    "Offer a demo this week",
    "Send the integration guide",
    "Keep in the newsletter",
)
#: Names that try to be more than text; every screen must show them as they are.
HOSTILE_NAMES = (
    "<script>document.title='owned'</script> Bold",
    "**Bold** :smile: :material/home: [link](http://evil.example) $x^2$",
    "\u202eexe.oilof\u202c Maximiliana Konstantinopolitanskaya-Featherstonehaugh " + "x" * 300,
    "محمد بن عبد الله",
)
SENT_KINDS = ("page_visit", "email_open", "email_click", "form_submission", "call_connected")


@dataclass
class Rows:
    """What is inserted at the end, table by table, in an order that foreign keys accept."""

    now: datetime
    random: random.Random
    by_table: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, row_class: Any, **values: Any) -> None:
        """Keep one row, with the defaults of its class for what is not given."""
        row = row_class(**values).model_dump()
        if row.get("id", 0) is None:
            del row["id"]
        self.by_table.setdefault(row_class, []).append(row)

    def insert(self, store: Store) -> None:
        """Write everything in one transaction."""
        with writing(store.engine) as connection:
            for row_class, rows in self.by_table.items():
                connection.execute(table(row_class).insert(), rows)


def fill_first_read(store: Store, now: datetime) -> None:
    """A store whose first read of HubSpot is under way, without any lead yet."""
    rows = Rows(now, random.Random(1))
    rows.add(ConnectionRow, **_connection("hubspot", "HubSpot", "Portal 4711", now, None))
    for stream, progress in (("contacts", 0.42), ("companies", 1.0), ("forms", None)):
        complete = progress == 1.0
        rows.add(
            CursorRow,
            crm="hubspot",
            stream=stream,
            position="p",
            moved_at=now,
            complete=complete,
            progress=progress,
        )
    _worker(rows, now)
    rows.insert(store)


def fill_small(store: Store, now: datetime) -> None:
    """Three leads: one Hot, one with an unknown band, one without a score and with an exception."""
    rows = Rows(now, random.Random(2))
    _add_lead(rows, 1, 84_300, name="Anna Rossi", age_days=3)
    _add_lead(rows, 2, 51_250, name="Björn Tanaka", age_days=20, certain=False)
    _add_lead(rows, 3, None, name="", age_days=0.01)
    rows.add(ExceptionItem, **_exception(rows, "no_identity", 3, "3"))
    _platform(rows)
    rows.insert(store)


def fill_rich(store: Store, now: datetime, leads: int = 400) -> None:
    """Many leads over both CRMs and all bands, with history, outcomes, jobs and exceptions."""
    rows = Rows(now, random.Random(7))
    for lead_id in range(1, leads + 1):
        value = int(rows.random.betavariate(1.8, 2.4) * 97_000)
        name = HOSTILE_NAMES[lead_id - 1] if lead_id <= len(HOSTILE_NAMES) else None
        if lead_id <= len(HOSTILE_NAMES):
            value = 90_000 - lead_id * 1_000
        recent = rows.random.random() < 0.4
        age = rows.random.uniform(0.02, 7) if recent else rows.random.uniform(35, 90)
        _add_lead(rows, lead_id, value, name=name, age_days=age)
    for number, kind in enumerate(("email_typo", "bad_value", "duplicate_question") * 5):
        rows.add(ExceptionItem, **_exception(rows, kind, number + 1, f"{number}"))
    for number in range(12):
        item = _exception(rows, "bad_value", number + 30, f"closed {number}")
        opened = now - timedelta(days=number % 6 + 0.5)
        rows.add(
            ExceptionItem,
            **item
            | {
                "state": "resolved",
                "dedupe_key": None,
                "created_at": opened,
                "resolved_at": opened + timedelta(hours=9),
            },
        )
    _platform(rows)
    rows.insert(store)


def _platform(rows: Rows) -> None:
    """Both CRMs read to the end, jobs in every state, a worker that is alive."""
    now = rows.now
    done = now - timedelta(days=8)
    rows.add(ConnectionRow, **_connection("hubspot", "HubSpot", "Portal 4711", now, done))
    rows.add(ConnectionRow, **_connection("salesforce", "Salesforce", "Org 00D5g", now, done))
    for crm, stream in (("hubspot", "contacts"), ("hubspot", "forms"), ("salesforce", "leads")):
        rows.add(
            CursorRow,
            crm=crm,
            stream=stream,
            position="p",
            moved_at=now - timedelta(seconds=9),
            complete=True,
            progress=1.0,
        )
    for name, label, age, ok in (
        ("poll:hubspot", "Read HubSpot", 9, True),
        ("poll:salesforce", "Read Salesforce", 40, False),
        ("write", "Write scores", 900, True),
        ("enrich", "Enrich leads", None, None),
    ):
        finished = None if age is None else now - timedelta(seconds=age)
        rows.add(
            JobRow,
            name=name,
            label=label,
            every_seconds=15.0,
            due_at=(finished or now) + timedelta(seconds=15),
            started_at=finished,
            finished_at=finished,
            ok=ok,
            message="The CRM answered 503; tried again by itself." if ok is False else "",
            runs=0 if finished is None else 40,
            failing_since=now - timedelta(minutes=9) if ok is False else None,
        )
    _worker(rows, now)


def _worker(rows: Rows, now: datetime) -> None:
    started = now - timedelta(hours=2)
    beat = now - timedelta(seconds=3)
    rows.add(Worker, name="worker", pid=1, started_at=started, beat_at=beat)


def _connection(
    crm: str, label: str, account: str, now: datetime, backfilled_at: datetime | None
) -> dict[str, Any]:
    return {
        "crm": crm,
        "label": label,
        "account": account,
        "state": "ready",
        "message": "",
        "checked_at": now - timedelta(minutes=2),
        "provisioned_at": now - timedelta(days=8),
        "backfilled_at": backfilled_at,
        "calls": 1_840,
    }


def _exception(rows: Rows, kind: str, lead_id: int, key: str) -> dict[str, Any]:
    opened = rows.now - timedelta(hours=rows.random.uniform(1, 140))
    return {
        "kind": kind,
        "message": "The address anna@gmial.com looks like anna@gmail.com. Confirm it in the CRM.",
        "detail": "",
        "lead_id": lead_id,
        "record_key": f"hubspot:contact:{lead_id}",
        "field": "email",
        "value": "anna@gmial.com",
        "dedupe_key": key,
        "state": "open",
        "created_at": opened,
        "last_seen_at": opened,
        "occurrences": 1,
        "resolved_at": None,
    }


# -- one lead -------------------------------------------------------------------------------------


def _add_lead(
    rows: Rows,
    lead_id: int,
    value: int | None,
    *,
    name: str | None,
    age_days: float,
    certain: bool | None = None,
) -> None:
    pick = rows.random.choice
    created = rows.now - timedelta(days=age_days)
    live = age_days < 7.5
    seen = created + timedelta(seconds=rows.random.uniform(3, 14)) if live else rows.now
    scored = seen + timedelta(seconds=rows.random.uniform(0.1, 0.8))
    written = scored + timedelta(seconds=rows.random.uniform(2, 9))
    crms = pick(("hubspot", "salesforce", "hubspot+salesforce"))
    shown = f"{pick(FIRST)} {pick(LAST)}" if name is None else name
    touched = rows.now - timedelta(minutes=rows.random.expovariate(1 / 6_000))
    lead: dict[str, Any] = {
        "id": lead_id,
        "name": shown,
        "email": f"person{lead_id}@company{lead_id % 40}.example",
        "phone": "+493012345678",
        "company": COMPANIES[lead_id % len(COMPANIES)],
        "domain": f"company{lead_id % 40}.example",
        "country": pick(("DE", "FR", "US", "JP", "BR")),
        "job_title": pick(TITLES),
        "owner": pick(OWNERS),
        "source": pick(("organic search", "paid search", "referral", "event")),
        "crms": crms,
        "account_key": "",
        "created_at": created,
        "seen_at": seen,
        "live": live,
        "first_scored_at": scored if value is not None else None,
        "first_written_at": written if value is not None else None,
        "last_touch_at": max(touched, created) if lead_id % 9 else None,
        "last_human_at": max(touched, created) if lead_id % 4 == 0 else None,
        "merged_into_id": None,
        "deleted": False,
        "facts": {
            "job_title": ["VP Sales", "hubspot", created.isoformat()],
            "employees": [240, "enrichment:embedded", created.isoformat()],
            "text_need": [["pricing", "demo"], "text:lexicon", created.isoformat()],
            "phone_valid": [True, "derived", None],
        },
    }
    lead["search_text"] = searchable(lead)
    rows.add(Lead, **lead | _score_columns(rows, lead_id, value, created, certain=certain))
    for crm in crms.split("+"):
        _add_record(rows, lead_id, crm, value, created, written)
    if value is not None:
        _add_history(rows, lead_id, value, created, age_days)
    _add_events(rows, lead_id, age_days)


def _score_columns(
    rows: Rows, lead_id: int, value: int | None, created: datetime, *, certain: bool | None
) -> dict[str, Any]:
    if value is None:
        empty = dict.fromkeys(
            ("score_value", "score_low", "score_high", "band", "scored_at", "band_entered_at")
        )
        decision = dict.fromkeys(("decision_at", "decision_value", "decision_band"))
        return {**empty, **decision, "reasons": [], "contributions": [], "band_certain": False}
    items = contributions(rows.random, value)
    low, high = max(0, value - 4_200), min(100_000, value + 6_100)
    band = band_of(value)
    sums = {name: sum(c.points for c in items if c.dimension == name) for name in DIMENSIONS}
    reasons = [c.label for c in sorted(items, key=lambda c: -c.points) if c.points > 0][:3]
    rank = [b.key for b in default_rule_set().bands].index(band)
    return {
        "score_value": value,
        "score_low": low,
        "score_high": high,
        "band": band,
        "band_certain": band_of(low) == band_of(high) if certain is None else certain,
        "scoring_mode": "fallback" if low != high else "rules",
        "scored_at": rows.now - timedelta(seconds=lead_id % 600 + 5),
        "band_entered_at": rows.now - timedelta(days=2),
        **_what_comes(rows, lead_id, rank),
        **sums,
        "reasons": reasons,
        "contributions": contributions_to_json(items),
        "next_step": NEXT_STEPS[min(rank, len(NEXT_STEPS) - 1)],
        "rule_set_hash": default_rule_set().hash,
        "decision_at": created + timedelta(hours=1),
        "decision_value": value,
        "decision_band": band,
    }


def _what_comes(rows: Rows, lead_id: int, rank: int) -> dict[str, Any]:
    """Some wait for a better band, some cool within days, the others stay."""
    keys = [band.key for band in default_rule_set().bands]
    waits = f" {keys[rank - 1]} " if rank and lead_id % 11 == 4 else ""
    if lead_id % 3 or keys[rank] == keys[-1]:
        return {"next_band": "", "next_band_at": None, "waits_for": waits}
    at = rows.now + timedelta(days=lead_id % 13, hours=3)
    return {"next_band": keys[rank + 1], "next_band_at": at, "waits_for": waits}


def band_of(value: int) -> str:
    """The band of a score in milli-points under the default rules' thresholds."""
    bands = default_rule_set().bands
    return next((band.key for band in bands if value >= band.threshold), bands[-1].key)


def contributions(chance: random.Random, value: int) -> tuple[Contribution, ...]:
    """Signed points that sum to `value` exactly, with a limit, a minus and an unknown fact."""
    weights = [chance.uniform(0.3, 1.0) for _ in REASONS]
    target = value + 6_000
    shares = [int(target * weight / sum(weights)) for weight in weights]
    shares[0] += target - sum(shares)
    items = [
        Contribution(f"rule_{n}", "rule", dimension, group, points, label)
        for n, ((dimension, group, label), points) in enumerate(zip(REASONS, shares, strict=True))
    ]
    items.append(
        Contribution("rule_u", "rule", "fit", "company", 2_500, "Annual revenue is unknown", False)
    )
    items.append(
        Contribution("limit:company", "limit", "fit", "company", -4_500, "Limit of company facts")
    )
    items.append(Contribution("rule_m", "rule", "engagement", "mail", -4_000, "Unsubscribed <1>"))
    return tuple(items)


def _add_record(
    rows: Rows, lead_id: int, crm: str, value: int | None, created: datetime, written: datetime
) -> None:
    kind = "contact" if crm == "hubspot" else "lead"
    rows.add(
        CrmRecordRow,
        key=f"{crm}:{kind}:{lead_id}",
        crm=crm,
        kind=kind,
        record_id=str(lead_id),
        lead_id=lead_id,
        fingerprint="f",
        fields={},
        raw={},
        account_key="",
        links=[],
        created_at=created,
        modified_at=created,
        seen_at=created,
        url=f"https://{crm}.example/{kind}/{lead_id}",
        written_value=value,
        written_band=None if value is None else band_of(value),
        written_at=None if value is None else written,
    )
    if value is not None and lead_id % 50 == 0:
        rows.add(
            Outbox,
            record_key=f"{crm}:{kind}:{lead_id}",
            crm=crm,
            lead_id=lead_id,
            payload={},
            value=value,
            band=band_of(value),
            state="rejected" if lead_id % 100 == 0 else "pending",
            due_at=rows.now,
            created_at=rows.now,
        )


def _add_history(rows: Rows, lead_id: int, value: int, created: datetime, age_days: float) -> None:
    steps = min(8, max(1, int(age_days)))
    points: Sequence[int] = [
        max(0, min(100_000, value + int(rows.random.uniform(-22_000, 4_000))))
        for _ in range(steps - 1)
    ] + [value]
    for number, points_then in enumerate(points):
        at = created + timedelta(days=age_days * number / steps, seconds=20)
        band = band_of(points_then)
        rows.add(
            ScoreLog,
            lead_id=lead_id,
            scored_at=min(at, rows.now),
            value=points_then,
            low=max(0, points_then - 4_200),
            high=min(100_000, points_then + 6_100),
            band=band,
            previous_band=band_of(points[number - 1]) if number else "",
            scoring_mode="rules",
            cause="new" if number == 0 else "engagement",
            rule_set_hash=default_rule_set().hash,
            engine_version=ENGINE_VERSION,
            inputs="{}",
            contributions=[],
        )


def _add_events(rows: Rows, lead_id: int, age_days: float) -> None:
    for number in range(lead_id % 6):
        kind = rows.random.choice(SENT_KINDS)
        rows.add(
            EngagementRow,
            key=f"event:{lead_id}:{number}",
            lead_id=lead_id,
            record_key=f"hubspot:contact:{lead_id}",
            email="",
            kind=kind,
            occurred_at=rows.now - timedelta(days=rows.random.uniform(0, age_days)),
            detail={"url": "/pricing?<b>x</b>"} if kind == "page_visit" else {},
            seen_at=rows.now,
        )
    status = rows.random.choices(("success", "no_match", "failed"), (70, 27, 3))[0]
    started = rows.now - timedelta(days=rows.random.uniform(0, min(age_days, 6.9)))
    rows.add(
        Enrichment,
        lead_id=lead_id,
        provider="embedded",
        status=status,
        started_at=started,
        finished_at=started,
        latency_ms=rows.random.uniform(1, 12),
        facts={},
        message="",
    )
    score = rows.by_table[Lead][-1]["score_value"]
    if score is not None and age_days > 33 and rows.random.random() < (score / 100_000) ** 2:
        rows.add(
            OutcomeRow,
            key=f"outcome:{lead_id}",
            lead_id=lead_id,
            record_key=f"hubspot:contact:{lead_id}",
            kind="converted",
            occurred_at=rows.now - timedelta(days=age_days - 9),
            amount=12_000.0,
            seen_at=rows.now,
        )
