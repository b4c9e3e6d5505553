"""Every read a screen needs: the five measures, health, and (re-exported) the list and the lead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import and_, func, select

from data.database import reading
from data.details import (
    CRM_LABELS,
    ExceptionRow,
    FactRow,
    LeadDetail,
    RecordRow,
    TimelineEvent,
    exception_row,
    lead_detail,
)
from data.lists import (
    FilterChoices,
    PriorityFilter,
    PriorityPage,
    PriorityRow,
    band_counts,
    filter_choices,
    newest_score_at,
    priority_page,
)
from data.recall import ENRICHMENT, LEAD, OUTBOX, OUTCOME, RECORD
from data.store import Store
from data.tables import ConnectionRow, CursorRow, ExceptionItem, JobRow, table
from scoring.quality import wilson

__all__ = [
    "BandConversion",
    "ConnectionHealth",
    "Conversion",
    "Coverage",
    "Enrichment",
    "EnrichmentDay",
    "EnrichmentRate",
    "ExceptionDay",
    "ExceptionRow",
    "ExceptionVolume",
    "FactRow",
    "FilterChoices",
    "JobHealth",
    "Latency",
    "LatencyPoint",
    "LeadDetail",
    "PriorityFilter",
    "PriorityPage",
    "PriorityRow",
    "RecordRow",
    "StageLatency",
    "TimelineEvent",
    "band_counts",
    "connections",
    "conversion_by_band",
    "coverage",
    "enrichment",
    "exceptions",
    "filter_choices",
    "job_health",
    "latency",
    "lead_detail",
    "newest_score_at",
    "open_exceptions",
    "priority_page",
    "worker_age_seconds",
]

CONNECTION, CURSOR, JOB = table(ConnectionRow), table(CursorRow), table(JobRow)
EXCEPTION = table(ExceptionItem)
HORIZON = timedelta(days=30)
DECISION_DELAY = timedelta(days=7)
#: Measures look at the newest so many leads of their window, which is plenty for a percentile.
SAMPLE = 50_000
STAGES = ("created→seen", "seen→scored", "scored→written", "created→written")


@dataclass(frozen=True, slots=True)
class StageLatency:
    """Seconds of one stage: half, 95 % and 99 % of the leads were at most this slow."""

    p50: float
    p95: float
    p99: float
    n: int


@dataclass(frozen=True, slots=True)
class LatencyPoint:
    """One stage in one hour or day."""

    bucket_start: datetime
    stage: str
    p50: float
    p95: float
    p99: float
    n: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Score latency over time and over all, by stage."""

    points: list[LatencyPoint]
    overall: dict[str, StageLatency]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many leads have a score or a stated reason not to have one."""

    leads: int
    scored: int
    in_exception: int
    unscored: int
    percent: float
    oldest_unscored_seconds: float | None


@dataclass(frozen=True, slots=True)
class BandConversion:
    """One band's mature leads; rate and interval in percent, None without leads."""

    band: str
    leads: int
    converted: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Conversion:
    """Conversion by band, and how many leads are left out because they prove nothing yet."""

    bands: list[BandConversion]
    excluded: int  # decided before their decision instant
    immature: int  # too young for their outcome to count
    horizon_days: int


@dataclass(frozen=True, slots=True)
class EnrichmentRate:
    """One provider's attempts."""

    provider: str
    attempts: int
    success: int
    no_match: int
    failed: int
    percent: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class EnrichmentDay:
    """One day's attempts over all providers."""

    day: datetime
    success: int
    no_match: int
    failed: int


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Enrichment by provider and by day."""

    providers: list[EnrichmentRate]
    days: list[EnrichmentDay]


@dataclass(frozen=True, slots=True)
class ExceptionDay:
    """Exceptions opened and resolved on one day."""

    day: datetime
    opened: int
    resolved: int


@dataclass(frozen=True, slots=True)
class ExceptionVolume:
    """Open exceptions by kind, and how they come and go."""

    open: dict[str, int]
    days: list[ExceptionDay]
    oldest_open_seconds: float | None


@dataclass(frozen=True, slots=True)
class JobHealth:
    """One job: ok, late (overdue by more than two of its intervals), failing, or never run."""

    name: str
    label: str
    state: str
    last_finished_at: datetime | None
    age_seconds: float | None
    message: str
    every_seconds: float
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """One CRM: state, streams (name, last moved, progress of the first read) and write-backs."""

    crm: str
    label: str
    account: str
    state: str
    message: str
    calls: int
    streams: list[tuple[str, datetime | None, float | None]]
    pending_writes: int
    rejected_writes: int
    records: int
    backfilled_at: datetime | None
    checked_at: datetime | None


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _alive() -> Any:
    return and_(LEAD.c.merged_into_id.is_(None), LEAD.c.deleted.is_(False))


def latency(store: Store, *, since: datetime, now: datetime, bucket: str = "hour") -> Latency:
    """Score latency of leads created in [since, now]; leads of a first read do not count."""
    columns = (
        LEAD.c.created_at,
        LEAD.c.seen_at,
        LEAD.c.first_scored_at,
        LEAD.c.first_written_at,
    )
    with reading(store.engine) as connection:
        rows = connection.execute(
            select(*columns)
            .where(LEAD.c.live, LEAD.c.created_at >= since, LEAD.c.created_at <= now)
            .order_by(LEAD.c.created_at.desc())
            .limit(SAMPLE)
        ).all()
    whole: dict[str, list[float]] = {}
    parts: dict[tuple[datetime, str], list[float]] = {}
    for created, seen, scored, written in rows:
        start = _bucket(created, bucket)
        for stage, begin, end in zip(
            STAGES, (created, seen, scored, created), (seen, scored, written, written), strict=True
        ):
            if begin is not None and end is not None:
                seconds = max(0.0, (end - begin).total_seconds())
                whole.setdefault(stage, []).append(seconds)
                parts.setdefault((start, stage), []).append(seconds)
    points = [
        LatencyPoint(start, stage, *_percentiles(values))
        for (start, stage), values in sorted(
            parts.items(), key=lambda item: (item[0][0], STAGES.index(item[0][1]))
        )
    ]
    overall = {
        stage: StageLatency(*_percentiles(whole[stage])) for stage in STAGES if stage in whole
    }
    return Latency(points, overall)


def _percentiles(values: Iterable[float]) -> tuple[float, float, float, int]:
    ordered = sorted(values)
    return (
        percentile(ordered, 0.5),
        percentile(ordered, 0.95),
        percentile(ordered, 0.99),
        len(ordered),
    )


def _bucket(moment: datetime, size: str) -> datetime:
    start = moment.replace(minute=0, second=0, microsecond=0)
    return start if size == "hour" else start.replace(hour=0)


def coverage(store: Store, now: datetime) -> Coverage:
    """Share of leads with a score, or suppressed with a reason; the others and who owns them."""
    has_exception = (
        select(EXCEPTION.c.id)
        .where(EXCEPTION.c.lead_id == LEAD.c.id, EXCEPTION.c.state == "open")
        .exists()
    )
    unscored = and_(_alive(), LEAD.c.scored_at.is_(None))
    with reading(store.engine) as connection:

        def count(where: Any) -> int:
            found = connection.execute(select(func.count()).select_from(LEAD).where(where))
            return int(found.scalar() or 0)

        leads, missing = count(_alive()), count(unscored)
        owned = count(and_(unscored, has_exception)) if missing else 0
        oldest = connection.execute(select(func.min(LEAD.c.seen_at)).where(unscored)).scalar()
    return Coverage(
        leads=leads,
        scored=leads - missing,
        in_exception=owned,
        unscored=missing - owned,
        percent=100.0 * (leads - missing) / leads if leads else 100.0,
        oldest_unscored_seconds=(now - oldest).total_seconds() if oldest else None,
    )


def conversion_by_band(store: Store, now: datetime, bands: Sequence[str]) -> Conversion:
    """Share of leads that converted within the horizon after their decision instant, per band.

    Outcome "converted" or "won"; Wilson intervals (95 %). Leads decided before the instant are
    excluded, leads whose horizon has not passed are immature; both are counted.
    """
    first = (
        select(OUTCOME.c.lead_id, func.min(OUTCOME.c.occurred_at).label("first_at"))
        .where(OUTCOME.c.lead_id.is_not(None))
        .group_by(OUTCOME.c.lead_id)
        .subquery()
    )
    success = (
        select(OUTCOME.c.lead_id, func.min(OUTCOME.c.occurred_at).label("success_at"))
        .where(OUTCOME.c.kind.in_(["converted", "won"]))
        .group_by(OUTCOME.c.lead_id)
        .subquery()
    )
    with reading(store.engine) as connection:
        rows = connection.execute(
            select(LEAD.c.decision_band, LEAD.c.decision_at, first.c.first_at, success.c.success_at)
            .outerjoin(first, first.c.lead_id == LEAD.c.id)
            .outerjoin(success, success.c.lead_id == LEAD.c.id)
            .where(_alive(), LEAD.c.created_at <= now - DECISION_DELAY - HORIZON)
        ).all()
        immature = connection.execute(
            select(func.count())
            .select_from(LEAD)
            .where(_alive(), LEAD.c.created_at > now - DECISION_DELAY - HORIZON)
        ).scalar()
    counts = {band: [0, 0] for band in bands}
    excluded = 0
    for band, decided_at, first_at, success_at in rows:
        if decided_at is None or band not in counts or (first_at and first_at <= decided_at):
            excluded += 1
            continue
        counts[band][0] += 1
        counts[band][1] += bool(success_at and success_at <= decided_at + HORIZON)
    return Conversion(
        [_conversion(band, leads, converted) for band, (leads, converted) in counts.items()],
        excluded,
        int(immature or 0),
        HORIZON.days,
    )


def _conversion(band: str, leads: int, converted: int) -> BandConversion:
    low, high = wilson(converted, leads)
    rate = 100 * converted / leads if leads else None
    return BandConversion(band, leads, converted, rate, 100 * low, 100 * high)


def enrichment(store: Store, *, since: datetime, now: datetime) -> Enrichment:
    """Attempts since an instant, by provider and by day."""
    columns = (
        ENRICHMENT.c.provider,
        ENRICHMENT.c.status,
        ENRICHMENT.c.latency_ms,
        ENRICHMENT.c.started_at,
    )
    with reading(store.engine) as connection:
        rows = connection.execute(
            select(*columns)
            .where(ENRICHMENT.c.started_at >= since, ENRICHMENT.c.started_at <= now)
            .order_by(ENRICHMENT.c.started_at.desc())
            .limit(SAMPLE)
        ).all()
    providers: dict[str, list[Any]] = {}
    days: dict[datetime, dict[str, int]] = {}
    for row in rows:
        providers.setdefault(row.provider, []).append(row)
        day = days.setdefault(_bucket(row.started_at, "day"), {})
        day[row.status] = day.get(row.status, 0) + 1
    return Enrichment(
        [_rate(name, found) for name, found in sorted(providers.items())],
        [
            EnrichmentDay(day, c.get("success", 0), c.get("no_match", 0), c.get("failed", 0))
            for day, c in sorted(days.items())
        ],
    )


def _rate(provider: str, rows: Sequence[Any]) -> EnrichmentRate:
    count = {status: 0 for status in ("success", "no_match", "failed")}
    for row in rows:
        count[row.status] += 1
    spent = sorted(row.latency_ms for row in rows)
    return EnrichmentRate(
        provider,
        len(rows),
        count["success"],
        count["no_match"],
        count["failed"],
        100 * count["success"] / len(rows),
        percentile(spent, 0.5),
        percentile(spent, 0.95),
    )


def exceptions(store: Store, *, since: datetime, now: datetime) -> ExceptionVolume:
    """What is open by kind, what came and went per day since an instant, and the oldest."""
    is_open = EXCEPTION.c.state == "open"
    with reading(store.engine) as connection:
        kinds = connection.execute(
            select(EXCEPTION.c.kind, func.count())
            .where(is_open)
            .group_by(EXCEPTION.c.kind)
            .order_by(func.count().desc())
        ).all()
        oldest = connection.execute(select(func.min(EXCEPTION.c.created_at)).where(is_open))
        oldest_at = oldest.scalar()
        moments = {
            name: connection.execute(select(column).where(column >= since).limit(SAMPLE)).scalars()
            for name, column in (
                ("opened", EXCEPTION.c.created_at),
                ("resolved", EXCEPTION.c.resolved_at),
            )
        }
        days: dict[datetime, dict[str, int]] = {}
        for name, found in moments.items():
            for moment in found:
                day = days.setdefault(_bucket(moment.astimezone(UTC), "day"), {})
                day[name] = day.get(name, 0) + 1
    return ExceptionVolume(
        open={kind: int(count) for kind, count in kinds},
        days=[
            ExceptionDay(day, counts.get("opened", 0), counts.get("resolved", 0))
            for day, counts in sorted(days.items())
        ],
        oldest_open_seconds=(now - oldest_at).total_seconds() if oldest_at else None,
    )


def open_exceptions(store: Store, limit: int) -> list[ExceptionRow]:
    """The newest open exceptions, with the lead they are about."""
    with reading(store.engine) as connection:
        rows = connection.execute(
            select(EXCEPTION, LEAD.c.name.label("lead_name"))
            .outerjoin(LEAD, LEAD.c.id == EXCEPTION.c.lead_id)
            .where(EXCEPTION.c.state == "open")
            .order_by(EXCEPTION.c.created_at.desc(), EXCEPTION.c.id.desc())
            .limit(limit)
        )
        return [exception_row(row, row.lead_name or "") for row in rows]


def job_health(store: Store, now: datetime) -> list[JobHealth]:
    """Every job with how its last run ended and how old it is."""
    with reading(store.engine) as connection:
        rows = connection.execute(select(JOB).order_by(JOB.c.name)).all()
    return [_job(row, now) for row in rows]


def _job(row: Any, now: datetime) -> JobHealth:
    age = (now - row.finished_at).total_seconds() if row.finished_at else None
    late_seconds = (now - row.due_at).total_seconds()
    if row.ok is False:
        state = "failing"
    elif age is None:
        state = "never"
    else:
        state = "late" if late_seconds > max(2 * row.every_seconds, 60) else "ok"
    return JobHealth(
        name=row.name,
        label=row.label,
        state=state,
        last_finished_at=row.finished_at,
        age_seconds=age,
        message=row.message,
        every_seconds=row.every_seconds,
        failing_since=row.failing_since,
    )


def worker_age_seconds(store: Store, now: datetime) -> float | None:
    """Seconds since any worker's last sign of life; None when there never was one."""
    found = store.heartbeat()
    return (now - found[1]).total_seconds() if found else None


def connections(store: Store, now: datetime) -> list[ConnectionHealth]:
    """Every connected CRM with its streams and write-backs."""
    with reading(store.engine) as connection:
        rows = connection.execute(select(CONNECTION).order_by(CONNECTION.c.crm)).all()
        cursors = connection.execute(select(CURSOR).order_by(CURSOR.c.crm, CURSOR.c.stream)).all()
        waiting = connection.execute(
            select(OUTBOX.c.crm, OUTBOX.c.state, func.count()).group_by(
                OUTBOX.c.crm, OUTBOX.c.state
            )
        ).all()
        records = {
            crm: int(count)
            for crm, count in connection.execute(
                select(RECORD.c.crm, func.count())
                .where(RECORD.c.deleted.is_(False))
                .group_by(RECORD.c.crm)
            )
        }
    return [
        ConnectionHealth(
            crm=row.crm,
            label=CRM_LABELS.get(row.crm, row.label),
            account=row.account,
            state=row.state,
            message=row.message,
            calls=row.calls,
            streams=[(c.stream, c.moved_at, _progress(c)) for c in cursors if c.crm == row.crm],
            pending_writes=_waiting(waiting, row.crm, ("pending", "sending")),
            rejected_writes=_waiting(waiting, row.crm, ("rejected",)),
            records=records.get(row.crm, 0),
            backfilled_at=row.backfilled_at,
            checked_at=row.checked_at,
        )
        for row in rows
    ]


def _progress(cursor: Any) -> float | None:
    return 1.0 if cursor.complete else cursor.progress


def _waiting(rows: Sequence[Any], crm: str, states: Sequence[str]) -> int:
    return sum(int(count) for name, state, count in rows if name == crm and state in states)
