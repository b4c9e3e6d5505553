"""The outbox: what waits to be written into a CRM, taken most valuable first, settled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from data.exceptions import close_written, raise_exceptions
from data.plain import clean
from data.recall import LEAD, OUTBOX, RECORD
from data.rows import chunks, select_in
from data.states import OutboxEntry, Settled
from scoring.leads import RecordKey
from scoring.problems import Problem

Pair = tuple[Any, Settled]  # an outbox row and what became of it
#: After these nothing waits any more.
_OVER = ("done", "gone")
_KEPT = ("state", "attempts", "due_at", "message")


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
    """Entries that a dead worker was sending: only the CRM knows whether they arrived."""
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
    """Record what became of write-backs; one that was replaced meanwhile waits again.

    What a CRM record holds of ours is noted only for the newest value: where a newer one waits,
    its own arrival will say so.
    """
    rows = {
        row.record_key: row
        for row in select_in(
            {str(result.record) for result in results},
            lambda keys: connection.execute(select(OUTBOX).where(OUTBOX.c.record_key.in_(keys))),
        )
    }
    pairs = [(rows[str(r.record)], r) for r in results if str(r.record) in rows]
    done = [pair for pair in pairs if pair[1].status == "done"]
    over = [row.record_key for row, r in pairs if _current(row, r) and r.status in _OVER]
    _mark_written(connection, done, now)
    for part in chunks(over):
        connection.execute(delete(OUTBOX).where(OUTBOX.c.record_key.in_(part)))
    _keep(connection, [pair for pair in pairs if pair[0].record_key not in set(over)])
    _raise_rejected(connection, [pair for pair in pairs if pair[1].status == "rejected"], now)


def _current(row: Any, result: Settled) -> bool:
    return bool(row.version == result.version)


def _mark_written(connection: Connection, done: Sequence[Pair], now: datetime) -> None:
    arrived = [
        {
            "written": str(result.moved_to or result.record),
            "value": row.value,
            "band": row.band,
            "at": now,
        }
        for row, result in done
        if _current(row, result)
    ]
    if arrived:
        connection.execute(
            update(RECORD)
            .where(RECORD.c.key == bindparam("written"))
            .values(
                written_value=bindparam("value"),
                written_band=bindparam("band"),
                written_at=bindparam("at"),
            ),
            arrived,
        )
    for part in chunks(sorted({row.lead_id for row, _ in done})):
        connection.execute(
            update(LEAD)
            .where(LEAD.c.id.in_(part), LEAD.c.first_written_at.is_(None))
            .values(first_written_at=now)
        )
    close_written(connection, [row.record_key for row, _ in done], now)


def _keep(connection: Connection, pairs: Sequence[Pair]) -> None:
    """Put entries back: to be sent (again), or aside until a person has acted."""
    rows = [_kept(row, result) for row, result in pairs]
    if rows:
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.record_key == bindparam("waiting"))
            .values({name: bindparam(f"new_{name}") for name in _KEPT}),
            rows,
        )


def _kept(row: Any, result: Settled) -> dict[str, Any]:
    values = {
        "state": "pending",
        "attempts": row.attempts,
        "due_at": result.retry_at or row.due_at,
        "message": row.message,
    }
    if _current(row, result):
        values["state"] = "rejected" if result.status == "rejected" else "pending"
        values["attempts"] = row.attempts + (result.status in ("later", "rejected"))
        values["message"] = clean(result.message)
    return {"waiting": row.record_key, **{f"new_{name}": values[name] for name in _KEPT}}


def _raise_rejected(connection: Connection, rejected: Sequence[Pair], now: datetime) -> None:
    problems = [
        (
            Problem(
                "write_rejected",
                f"The score of {result.record} was refused: {result.message}",
                record=result.record,
                field="score",
            ),
            row.lead_id,
        )
        for row, result in rejected
        if _current(row, result)
    ]
    raise_exceptions(connection, problems, now)
