"""Bands with a capacity in the store: who came in, who waits, and where their thresholds stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from data.rows import upsert
from data.states import Admission, LeadWrite
from data.tables import (
    LISTED,
    BandEntry,
    BandThreshold,
    CursorRow,
    Lead,
    RuleSetRow,
    ScoreLog,
    table,
)
from scoring.bands import Band
from scoring.capacity import LOOK_BACK, WEEK, Entry, free, moved_thresholds, queue_of, rooms
from scoring.rule_set import RuleSet

LEAD, LOG, CURSOR, RULES = table(Lead), table(ScoreLog), table(CursorRow), table(RuleSetRow)
ENTRY, THRESHOLD = table(BandEntry), table(BandThreshold)
#: A threshold that has moved does not come down for so long; it may rise at any time.
STEADY = WEEK
#: A first read that has not moved for so long holds nobody back any more.
STUCK = timedelta(minutes=10)


def limited_bands(rule_set: RuleSet) -> list[Band]:
    """The bands with a capacity, best first."""
    return [band for band in rule_set.bands if band.capacity is not None]


def read_admission(connection: Connection, rule_set: RuleSet, now: datetime) -> Admission:
    """What decides who comes in, as of this transaction."""
    limited = limited_bands(rule_set)
    if not limited:
        return Admission()
    rows = connection.execute(select(ENTRY).where(ENTRY.c.entered_at > now - WEEK))
    entries = tuple(Entry(row.band, row.entered_at, row.owner) for row in rows)
    closed = [band.key for band in limited] if _unsettled(connection, rule_set, now) else []
    return Admission(entries, _thresholds(connection), tuple(closed))


def _unsettled(connection: Connection, rule_set: RuleSet, now: datetime) -> bool:
    """Whether scores are not all comparable: other rules' are left, or a first read goes on.

    Who comes first would take the room then, not who is best.
    """
    outdated = select(LEAD.c.id).where(*on_other_rules(rule_set.hash)).limit(1)
    if connection.execute(outdated).first() is not None:
        return True
    first_read = select(CURSOR.c.crm).where(
        CURSOR.c.complete.is_(False), CURSOR.c.moved_at > now - STUCK
    )
    return connection.execute(first_read.limit(1)).first() is not None


def on_other_rules(rule_set_hash: str) -> tuple[Any, ...]:
    """Which leads' scores are of another rule set."""
    # two ranges, because an index finds nothing by inequality
    other = or_(LEAD.c.rule_set_hash < rule_set_hash, LEAD.c.rule_set_hash > rule_set_hash)
    return (
        other,
        LEAD.c.scored_at.is_not(None),
        LEAD.c.merged_into_id.is_(None),
        LEAD.c.deleted.is_(False),
    )


def waiting_leads(
    connection: Connection,
    rule_set: RuleSet,
    admission: Admission,
    now: datetime,
    write_points: int,
    limit: int,
) -> list[int]:
    """Leads that wait for bands which have room, as many of the best as could be let in.

    Their stored scores may be out by less than `write_points`: so may their order.
    """
    limited = [band for band in limited_bands(rule_set) if band.key not in admission.closed]
    if not limited:
        return []
    room = rooms(rule_set, admission.entries, now)
    found: dict[int, None] = {}
    for band in limited:
        waits = LEAD.c.waits_for.contains(f" {band.key} ", autoescape=True)
        for owner in _owners(connection, waits) if band.per_owner else [None]:
            left = free(band, owner or "", room)
            if left > 0:
                whose = waits if owner is None else and_(waits, LEAD.c.owner == owner)
                found.update(dict.fromkeys(_best(connection, whose, left, write_points, limit)))
    return list(found)[:limit]


def _owners(connection: Connection, waits: Any) -> list[str]:
    waiting = select(LEAD.c.owner).where(LEAD.c.waits_for != "", waits).distinct()
    return list(connection.execute(waiting).scalars())


def _best(
    connection: Connection, waits: Any, left: int, write_points: int, limit: int
) -> list[int]:
    """The best so many, and who may be as good as the last of them."""
    value, each = LEAD.c.score_value, min(left, limit)
    waiting = select(LEAD.c.id, value).where(LEAD.c.waits_for != "", LISTED, waits)
    ordered = waiting.order_by(value.desc(), LEAD.c.id)
    last = connection.execute(ordered.limit(1).offset(each - 1)).first()
    if last is not None:
        ordered = ordered.where(value > last.score_value - 2 * write_points).limit(limit)
    return [row.id for row in connection.execute(ordered)]


def save_entries(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    """Note who came into bands with a capacity."""
    rows = [
        {
            "band": write.entry.band,
            "owner": write.entry.owner,
            "lead_id": write.state.id,
            "entered_at": write.entry.entered_at,
        }
        for write in writes
        if write.entry is not None
    ]
    if rows:
        connection.execute(ENTRY.insert(), rows)


# -- thresholds ------------------------------------------------------------------------------------


def move_thresholds(
    connection: Connection, rule_set: RuleSet, write_points: int, now: datetime
) -> int:
    """Set the thresholds anew from the scores of the last weeks; returns how many moved.

    Leads whose band a move may concern are due at once. Their stored scores may be out by less than
    `write_points`. While scores are not comparable, everything stays.
    """
    connection.execute(delete(ENTRY).where(ENTRY.c.entered_at <= now - LOOK_BACK))
    limited = limited_bands(rule_set)
    if limited and _unsettled(connection, rule_set, now):
        return 0
    before = _thresholds(connection)
    after: Mapping[str, int] = {}
    if limited:
        since = _watched_since(connection, now)
        peaks = {}
        for band in limited:
            peaks.update(_peaks(connection, band, rule_set.hash, since))
        lately = select(THRESHOLD.c.queue).where(THRESHOLD.c.moved_at > now - STEADY)
        held = set(connection.execute(lately).scalars())
        after = moved_thresholds(rule_set, peaks, now - since, before, held)
    gone = [queue for queue in before if queue not in after]
    if gone:
        connection.execute(delete(THRESHOLD).where(THRESHOLD.c.queue.in_(gone)))
    moved = {q: value for q, value in after.items() if before.get(q) != value}
    rows = [{"queue": q, "threshold": value, "moved_at": now} for q, value in moved.items()]
    upsert(connection, THRESHOLD, rows)
    return sum(
        _make_due(connection, band, queue, before, after, write_points, now)
        for band in limited
        for queue in {*moved, *gone}
        if queue.partition(":")[0] == band.key
    )


def _watched_since(connection: Connection, now: datetime) -> datetime:
    """From when on scores are of the rules in force, and not longer ago than is looked back."""
    activated: datetime | None = connection.execute(
        select(RULES.c.activated_at).where(RULES.c.state == "active")
    ).scalar()
    return max(activated or now - LOOK_BACK, now - LOOK_BACK)


def _peaks(
    connection: Connection, band: Band, rule_set_hash: str, since: datetime
) -> dict[str, list[int]]:
    """The highest score of every lead that came into the band or was outside it, by queue."""
    logged = (
        select(LOG.c.lead_id, func.max(LOG.c.value).label("value"))
        .where(
            LOG.c.scored_at >= since,
            LOG.c.rule_set_hash == rule_set_hash,
            LOG.c.previous_band != band.key,
            LOG.c.value >= band.threshold,
        )
        .group_by(LOG.c.lead_id)
    )
    outside = select(LEAD.c.id.label("lead_id"), LEAD.c.score_value.label("value")).where(
        LISTED, LEAD.c.band != band.key, LEAD.c.score_value >= band.threshold
    )
    either = logged.union_all(outside).subquery()
    rows = connection.execute(
        select(LEAD.c.owner, func.max(either.c.value).label("value"))
        .join(either, LEAD.c.id == either.c.lead_id)
        .group_by(LEAD.c.id, LEAD.c.owner)
    )
    peaks: dict[str, list[int]] = {}
    for row in rows:
        peaks.setdefault(queue_of(band, row.owner), []).append(row.value)
    return peaks


def _make_due(
    connection: Connection,
    band: Band,
    queue: str,
    before: Mapping[str, int],
    after: Mapping[str, int],
    write_points: int,
    now: datetime,
) -> int:
    """Let leads outside the band be looked at that one threshold lets in and the other does not."""
    ends = before.get(queue, band.threshold), after.get(queue, band.threshold)
    if ends[0] == ends[1]:
        return 0
    value = LEAD.c.score_value
    concerned: list[Any] = [
        LISTED,
        LEAD.c.band != band.key,
        value > min(ends) - write_points,
        value < max(ends) + write_points,
    ]
    if band.per_owner:
        concerned.append(LEAD.c.owner == queue.partition(":")[2])
    sooner = or_(LEAD.c.due_at.is_(None), LEAD.c.due_at > now)
    connection.execute(update(LEAD).where(*concerned, sooner).values(due_at=now))
    return 1


def _thresholds(connection: Connection) -> dict[str, int]:
    return {row.queue: row.threshold for row in connection.execute(select(THRESHOLD))}
