"""The priority list: filters, sorting and paging in SQL, never more rows than a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from data.database import reading
from data.recall import LEAD
from data.store import Store
from data.tables import LISTED, ScoreLog, table
from scoring.cleaning import fold

LOG = table(ScoreLog)
TREND_DAYS = 12


@dataclass(frozen=True, slots=True)
class PriorityFilter:
    """What the list is narrowed to; empty means everything."""

    bands: Sequence[str] = ()
    crms: Sequence[str] = ()
    owners: Sequence[str] = ()
    sources: Sequence[str] = ()
    countries: Sequence[str] = ()
    search: str = ""
    uncertain_only: bool = False
    sort: str = "score"  # score, newest, last_touch


@dataclass(frozen=True, slots=True)
class PriorityRow:
    """One lead on the list; scores in points with one decimal, cut off."""

    rank: int
    lead_id: int
    name: str
    email: str
    company: str
    job_title: str
    score: float
    low: float
    high: float
    band: str
    band_certain: bool
    trend: list[float]
    change_7d: float | None
    reasons: list[str]
    next_step: str
    owner: str
    source: str
    country: str
    crms: str
    created_at: datetime
    last_touch_at: datetime | None
    last_human_at: datetime | None
    band_entered_at: datetime | None
    next_band: str  # what it comes to if nothing happens; "" = not scored any more
    next_band_at: datetime | None  # empty: it stays
    waits_for: tuple[str, ...]  # better bands without room, best first
    scored_at: datetime
    written_at: datetime | None
    scoring_mode: str
    suppressed: str


@dataclass(frozen=True, slots=True)
class PriorityPage:
    """One page of the list and how many leads the filter matches."""

    rows: list[PriorityRow]
    total: int


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What the filters offer, with how many leads each choice has, most frequent first."""

    bands: dict[str, int] = field(default_factory=dict)
    crms: dict[str, int] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    countries: dict[str, int] = field(default_factory=dict)


def points(milli: int | None) -> float:
    """Milli-points as points with one decimal, cut off as everywhere people see them."""
    return abs(milli or 0) // 100 / 10 * (-1 if (milli or 0) < 0 else 1)


def priority_page(
    store: Store, f: PriorityFilter, *, page: int, per_page: int, now: datetime
) -> PriorityPage:
    """One page (from 1) of the leads that match, with their trend of the last days."""
    # every score is at least 0: said when nothing else is, so that SQLite counts in an index
    where = and_(LISTED, *(_conditions(f) or [LEAD.c.score_value >= 0]))
    order = {
        "newest": (LEAD.c.created_at.desc(), LEAD.c.id.desc()),
        "last_touch": (LEAD.c.last_touch_at.desc().nulls_last(), LEAD.c.id.desc()),
    }.get(f.sort, (LEAD.c.score_value.desc(), LEAD.c.id.desc()))
    first = (max(page, 1) - 1) * per_page
    with reading(store.engine) as connection:
        total = connection.execute(select(func.count()).select_from(LEAD).where(where)).scalar()
        found = connection.execute(
            select(LEAD).where(where).order_by(*order).limit(per_page).offset(first)
        ).all()
        history = _history(connection, [row.id for row in found], now)
    rows = [
        _row(first + number, row, history.get(row.id, []), now)
        for number, row in enumerate(found, start=1)
    ]
    return PriorityPage(rows, int(total or 0))


def _conditions(f: PriorityFilter) -> list[Any]:
    conditions: list[Any] = []
    for column, wanted in (
        (LEAD.c.band, f.bands),
        (LEAD.c.owner, f.owners),
        (LEAD.c.source, f.sources),
        (LEAD.c.country, f.countries),
    ):
        if wanted:
            conditions.append(column.in_(list(wanted)))
    if f.crms:
        conditions.append(or_(*(LEAD.c.crms.contains(crm, autoescape=True) for crm in f.crms)))
    if f.uncertain_only:
        conditions.append(LEAD.c.band_certain.is_(False))
    for word in fold(f.search).split():
        conditions.append(LEAD.c.search_text.contains(word, autoescape=True))
    return conditions


def _history(
    connection: Connection, ids: Sequence[int], now: datetime
) -> dict[int, list[tuple[datetime, int]]]:
    """Scores of the last days per lead, oldest first."""
    if not ids:
        return {}
    rows = connection.execute(
        select(LOG.c.lead_id, LOG.c.scored_at, LOG.c.value)
        .where(LOG.c.lead_id.in_(list(ids)), LOG.c.scored_at >= now - timedelta(days=60))
        .order_by(LOG.c.lead_id, LOG.c.scored_at, LOG.c.id)
    )
    history: dict[int, list[tuple[datetime, int]]] = {}
    for row in rows:
        history.setdefault(row.lead_id, []).append((row.scored_at, row.value))
    return history


def value_at(history: Sequence[tuple[datetime, int]], moment: datetime) -> int | None:
    """The score in force at an instant; None before the first."""
    value = None
    for at, points_then in history:
        if at > moment:
            break
        value = points_then
    return value


def change(history: Sequence[tuple[datetime, int]], current: int, then: datetime) -> float | None:
    """Points gained since `then`; None when there was no score yet."""
    before = value_at(history, then)
    return None if before is None else points(current - before)


def _row(
    rank: int, row: Any, history: Sequence[tuple[datetime, int]], now: datetime
) -> PriorityRow:
    days = [now - timedelta(days=back) for back in range(TREND_DAYS - 1, 0, -1)]
    trend = [value for day in days if (value := value_at(history, day)) is not None]
    return PriorityRow(
        rank=rank,
        lead_id=row.id,
        name=row.name,
        email=row.email,
        company=row.company,
        job_title=row.job_title,
        score=points(row.score_value),
        low=points(row.score_low),
        high=points(row.score_high),
        band=row.band,
        band_certain=row.band_certain,
        trend=[points(value) for value in (*trend, row.score_value)],
        change_7d=change(history, row.score_value, now - timedelta(days=7)),
        reasons=list(row.reasons),
        next_step=row.next_step,
        owner=row.owner,
        source=row.source,
        country=row.country,
        crms=row.crms,
        created_at=row.created_at,
        last_touch_at=row.last_touch_at,
        last_human_at=row.last_human_at,
        band_entered_at=row.band_entered_at,
        next_band=row.next_band,
        next_band_at=row.next_band_at,
        waits_for=tuple(row.waits_for.split()),
        scored_at=row.scored_at,
        written_at=row.first_written_at,
        scoring_mode=row.scoring_mode,
        suppressed=row.suppressed,
    )


def band_counts(store: Store) -> dict[str, int]:
    """Leads per band."""
    return filter_counts(store, LEAD.c.band)


def filter_counts(store: Store, column: Any, limit: int = 200) -> dict[str, int]:
    """Values of a column with the number of leads, most frequent first, empty ones left out."""
    number = func.count()
    with reading(store.engine) as connection:
        rows = connection.execute(
            select(column, number)
            .where(LISTED)
            .group_by(column)
            .order_by(number.desc(), column)
            .limit(limit)
        )
        return {str(value): int(count) for value, count in rows if value}


def filter_choices(store: Store) -> FilterChoices:
    """What the list's filters offer."""
    crms: dict[str, int] = {}
    for joined, count in filter_counts(store, LEAD.c.crms).items():
        for crm in joined.split("+"):
            crms[crm] = crms.get(crm, 0) + count
    return FilterChoices(
        bands=band_counts(store),
        crms=crms,
        owners=filter_counts(store, LEAD.c.owner),
        sources=filter_counts(store, LEAD.c.source),
        countries=filter_counts(store, LEAD.c.country),
    )


def newest_score_at(store: Store) -> datetime | None:
    """When any lead was last scored."""
    with reading(store.engine) as connection:
        found: datetime | None = connection.execute(select(func.max(LEAD.c.scored_at))).scalar()
        return found
