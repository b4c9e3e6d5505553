"""The outbox: what waits to be written into a CRM, taken most valuable first, settled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from data.exceptions import close_matching, raise_exceptions
from data.recall import LEAD, OUTBOX, RECORD
from data.states import OutboxEntry, Settled
from scoring.leads import RecordKey
from scoring.problems import Problem


def take(connection: Connection, crm: str, limit: int, now: datetime) -> list[OutboxEntry]:
    """Mark due entries as being sent: first scores, then band changes, then by value."""
    rows = connection.execute(
        select(OUTBOX)
        .where(OUTBOX.c.crm == crm, OUTBOX.c.state == "pending", OUTBOX.c.due_at <= now)
        .order_by(
            OUTBOX.c.first.desc(), OUTBOX.c.priority.desc(), OUTBOX.c.value.desc(), OUTBOX.c.due_at
        )
        .limit(limit)
    ).all()
    if rows:
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.record_key.in_([row.record_key for row in rows]))
            .values(state="sending")
        )
    return [_entry(row) for row in rows]


def interrupted(connection: Connection, crm: str, limit: int) -> list[OutboxEntry]:
    """Entries that were being sent when their worker died: only the CRM knows whether they arrived."""
    rows = connection.execute(
        select(OUTBOX)
        .where(OUTBOX.c.crm == crm, OUTBOX.c.state == "sending")
        .order_by(OUTBOX.c.record_key)
        .limit(limit)
    )
    return [_entry(row) for row in rows]


def _entry(row: Any) -> OutboxEntry:
    return OutboxEntry(
        record=RecordKey.parse(row.record_key),
        lead_id=row.lead_id,
        payload=row.payload,
        value=row.value,
        band=row.band,
        first=row.first,
        version=row.version,
        attempts=row.attempts,
    )


def settle(connection: Connection, results: Sequence[Settled], now: datetime) -> None:
    """Record what became of each write-back; one that was replaced meanwhile waits again."""
    for result in results:
        key = str(result.record)
        ours = (OUTBOX.c.record_key == key, OUTBOX.c.version == result.version)
        row = connection.execute(select(OUTBOX).where(OUTBOX.c.record_key == key)).first()
        if row is None:
            continue
        if result.status == "done":
            # The values that arrived are those of `result.version`; a replaced row holds newer ones.
            _mark_written(connection, row, result, now)
        if row.version != result.version:
            connection.execute(
                update(OUTBOX).where(OUTBOX.c.record_key == key).values(state="pending")
            )
        elif result.status in ("done", "gone"):
            connection.execute(delete(OUTBOX).where(*ours))
        elif result.status == "rejected":
            _reject(connection, row, result, now)
        else:
            attempts = row.attempts + (result.status == "later")
            connection.execute(
                update(OUTBOX)
                .where(*ours)
                .values(
                    state="pending",
                    attempts=attempts,
                    due_at=result.retry_at or now,
                    message=result.message,
                )
            )


def _mark_written(connection: Connection, row: Any, result: Settled, now: datetime) -> None:
    same = row.version == result.version
    values = {"written_at": now}
    if same:
        values |= {"written_value": row.value, "written_band": row.band}
    key = str(result.moved_to or result.record)
    connection.execute(update(RECORD).where(RECORD.c.key == key).values(**values))
    connection.execute(
        update(LEAD)
        .where(LEAD.c.id == row.lead_id, LEAD.c.first_written_at.is_(None))
        .values(first_written_at=now)
    )
    close_matching(connection, "write_rejected", str(result.record), now)


def _reject(connection: Connection, row: Any, result: Settled, now: datetime) -> None:
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.record_key == row.record_key, OUTBOX.c.version == result.version)
        .values(state="rejected", message=result.message, attempts=row.attempts + 1)
    )
    problem = Problem(
        "write_rejected",
        f"The score of {result.record} was refused: {result.message}",
        record=result.record,
        field="score",
    )
    raise_exceptions(connection, [(problem, row.lead_id)], now)
