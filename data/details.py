"""Everything about one lead, for its page."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, select

from data.database import reading
from data.lists import change, points
from data.plain import contributions_from_json, value_from_json
from data.recall import ENGAGEMENT, ENRICHMENT, LEAD, OUTCOME, RECORD
from data.store import Store
from data.tables import ExceptionItem, ScoreLog, table
from scoring.leads import ENGAGEMENT_KINDS, OUTCOME_KINDS, FieldValue
from scoring.problems import PROBLEM_KINDS
from scoring.scores import Contribution, points_text

LOG, EXCEPTION = table(ScoreLog), table(ExceptionItem)
TIMELINE_ROWS = 300
CAUSES = {
    "new": "First score",
    "changed": "The CRM record changed",
    "engagement": "New activity",
    "time": "Time passed",
    "rules": "New rules",
    "room": "There was room in a band",
    "merge": "Joined with another record",
}
_WEB = re.compile(r"^https?://(www\.)?")
CRM_LABELS = {"hubspot": "HubSpot", "salesforce": "Salesforce"}


@dataclass(frozen=True, slots=True)
class FactRow:
    """One known thing, with its source and age."""

    name: str
    value: FieldValue
    source: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened to a lead."""

    at: datetime
    kind: str  # engagement, score, arrival, enrichment, outcome, exception, write
    title: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One CRM record of the lead, with what it holds of ours (milli-points)."""

    key: str
    crm: str
    kind: str
    url: str
    created_at: datetime
    written_value: int | None
    written_band: str
    written_at: datetime | None
    deleted: bool
    converted: bool  # became a contact, which carries the score from then on


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One open exception."""

    id: int
    kind: str
    message: str
    detail: str
    created_at: datetime
    occurrences: int
    lead_id: int | None
    lead_name: str


@dataclass(frozen=True, slots=True)
class LeadDetail:
    """One lead: what is shown, the score and how it came about, and what happened."""

    id: int
    name: str
    email: str
    phone: str
    company: str
    job_title: str
    owner: str
    source: str
    country: str
    score: float | None
    low: float | None
    high: float | None
    score_value: int | None
    score_low: int | None
    score_high: int | None
    band: str
    band_certain: bool
    change_7d: float | None
    scoring_mode: str
    suppressed: str
    disqualified: str
    scored_at: datetime | None
    band_entered_at: datetime | None
    next_band: str  # what it comes to if nothing happens; "" = not scored any more
    next_band_at: datetime | None  # empty: it stays
    waits_for: tuple[str, ...]  # better bands without room, best first
    created_at: datetime
    last_touch_at: datetime | None
    last_human_at: datetime | None
    contributions: tuple[Contribution, ...]
    reasons: tuple[str, ...]
    next_step: str
    facts: list[FactRow]
    timeline: list[TimelineEvent]
    history: list[tuple[datetime, float]]
    records: list[RecordRow]
    exceptions: list[ExceptionRow]
    merged_into_id: int | None
    deleted: bool


def lead_detail(store: Store, lead_id: int, now: datetime) -> LeadDetail | None:
    """One lead with everything its page shows; None when there is no such lead."""
    with reading(store.engine) as connection:
        row = connection.execute(select(LEAD).where(LEAD.c.id == lead_id)).first()
        if row is None:
            return None
        records = _of(connection, RECORD, lead_id, RECORD.c.created_at)
        log = _of(connection, LOG, lead_id, LOG.c.scored_at.desc(), TIMELINE_ROWS)
        exceptions = _of(connection, EXCEPTION, lead_id, EXCEPTION.c.created_at.desc())
        timeline = _timeline(connection, lead_id, records, log, exceptions)
    scores = [(entry.scored_at, entry.value) for entry in reversed(log)]
    scored = row.score_value is not None
    return LeadDetail(
        id=row.id,
        name=row.name,
        email=row.email,
        phone=row.phone,
        company=row.company,
        job_title=row.job_title,
        owner=row.owner,
        source=row.source,
        country=row.country,
        score=points(row.score_value) if scored else None,
        low=points(row.score_low) if scored else None,
        high=points(row.score_high) if scored else None,
        score_value=row.score_value,
        score_low=row.score_low,
        score_high=row.score_high,
        band=row.band or "",
        band_certain=row.band_certain,
        change_7d=change(scores, row.score_value, now - timedelta(days=7)) if scored else None,
        scoring_mode=row.scoring_mode,
        suppressed=row.suppressed,
        disqualified=row.disqualified,
        scored_at=row.scored_at,
        band_entered_at=row.band_entered_at,
        next_band=row.next_band,
        next_band_at=row.next_band_at,
        waits_for=tuple(row.waits_for.split()),
        created_at=row.created_at,
        last_touch_at=row.last_touch_at,
        last_human_at=row.last_human_at,
        contributions=contributions_from_json(row.contributions),
        reasons=tuple(row.reasons),
        next_step=row.next_step,
        facts=_facts(row.facts),
        timeline=timeline,
        history=[(at, points(value)) for at, value in scores],
        records=[_record(record, {one.key for one in records}) for record in records],
        exceptions=[exception_row(e, row.name) for e in exceptions if e.state == "open"],
        merged_into_id=row.merged_into_id,
        deleted=row.deleted,
    )


def _of(
    connection: Connection, source: Table, lead_id: int, order: Any, limit: int | None = None
) -> list[Any]:
    statement = select(source).where(source.c.lead_id == lead_id).order_by(order)
    return list(connection.execute(statement.limit(limit)))


def _facts(facts: dict[str, Any]) -> list[FactRow]:
    return [
        FactRow(name, value_from_json(value), source, datetime.fromisoformat(at) if at else None)
        for name, (value, source, at) in sorted(facts.items())
    ]


def _record(row: Any, keys: Collection[str]) -> RecordRow:
    return RecordRow(
        key=row.key,
        crm=row.crm,
        kind=row.kind,
        url=row.url,
        created_at=row.created_at,
        written_value=row.written_value,
        written_band=row.written_band or "",
        written_at=row.written_at,
        deleted=row.deleted,
        converted=row.kind == "lead"
        and any(":contact:" in link and link in keys for link in row.links),
    )


def exception_row(row: Any, lead_name: str = "") -> ExceptionRow:
    """An exception as the screens show it."""
    return ExceptionRow(
        id=row.id,
        kind=row.kind,
        message=row.message,
        detail=row.detail,
        created_at=row.created_at,
        occurrences=row.occurrences,
        lead_id=row.lead_id,
        lead_name=lead_name,
    )


def _timeline(
    connection: Connection, lead_id: int, records: list[Any], log: list[Any], exceptions: list[Any]
) -> list[TimelineEvent]:
    """What happened, newest first."""
    events = [
        TimelineEvent(
            row.created_at, "arrival", f"Came into {CRM_LABELS.get(row.crm, row.crm)}", row.kind
        )
        for row in records
    ]
    events += [
        TimelineEvent(
            row.written_at,
            "write",
            f"Score {points_text(row.written_value or 0)} in {CRM_LABELS.get(row.crm, row.crm)}",
        )
        for row in records
        if row.written_at is not None
    ]
    newest = _of(connection, ENGAGEMENT, lead_id, ENGAGEMENT.c.occurred_at.desc(), TIMELINE_ROWS)
    events += [
        TimelineEvent(
            row.occurred_at,
            "engagement",
            ENGAGEMENT_KINDS.get(row.kind, row.kind),
            _engagement_detail(row.detail),
        )
        for row in newest
    ]
    events += _score_events(log)
    for row in _of(connection, ENRICHMENT, lead_id, ENRICHMENT.c.started_at):
        events.append(
            TimelineEvent(row.started_at, "enrichment", "Looked up in packaged data", row.message)
        )
    for row in _of(connection, OUTCOME, lead_id, OUTCOME.c.occurred_at):
        amount = f"{row.amount:,.0f}" if row.amount else ""
        title = OUTCOME_KINDS.get(row.kind, row.kind)
        events.append(TimelineEvent(row.occurred_at, "outcome", title, amount))
    for row in exceptions:
        label = PROBLEM_KINDS.get(row.kind, (row.kind, ""))[0]
        events.append(TimelineEvent(row.created_at, "exception", label, row.message))
    return sorted(events, key=lambda event: event.at, reverse=True)


def _engagement_detail(detail: dict[str, str]) -> str:
    campaign = detail.get("campaign", "")
    shown = (
        detail.get("form", ""),
        _WEB.sub("", detail.get("url", "")),
        f"campaign {campaign}" if campaign.isdecimal() else campaign,
        detail.get("subject", ""),
        detail.get("message", ""),
    )
    return " · ".join(part for part in shown if part)


def _score_events(log: list[Any]) -> list[TimelineEvent]:
    events = []
    for row, before in zip(log, [*log[1:], None], strict=False):  # the oldest has none before
        text = points_text(row.value)
        title = f"Score {text}" if before is None else f"Score {points_text(before.value)} → {text}"
        events.append(
            TimelineEvent(row.scored_at, "score", title, CAUSES.get(row.cause, row.cause))
        )
    return events
