"""The exception queue: each doubtful thing once while it is open, however often it is met."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from data.plain import clean
from data.rows import insert, select_in
from data.tables import CrmRecordRow, ExceptionItem, table
from scoring.problems import Problem

ITEM, RECORD = table(ExceptionItem), table(CrmRecordRow)


def dedupe_key(problem: Problem, lead_id: int | None) -> str:
    """What makes two problems the same while one is open: kind, who or what, and the value."""
    who = str(problem.record or lead_id or "")
    about = (problem.field, problem.value) if problem.field or who else (problem.message, "")
    text = "\x1f".join((problem.kind, who, *about))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def raise_exceptions(
    connection: Connection,
    problems: Sequence[tuple[Problem, int | None]],
    now: datetime,
    owner: str = "ops",
) -> int:
    """Put problems into the queue; one that is open already is counted again. Returns the number."""
    if not problems:
        return 0
    keys = {str(problem.record) for problem, _ in problems if problem.record}
    leads = {
        row.key: row.lead_id
        for row in select_in(
            keys,
            lambda part: connection.execute(
                select(RECORD.c.key, RECORD.c.lead_id).where(RECORD.c.key.in_(part))
            ),
        )
    }
    rows: dict[str, dict[str, object]] = {}
    for problem, lead_id in problems:
        key = dedupe_key(problem, lead_id)
        rows[key] = {
            "kind": problem.kind,
            "message": clean(problem.message),
            "detail": clean(problem.detail)[:4_000],
            "lead_id": lead_id or leads.get(str(problem.record)),
            "record_key": str(problem.record or ""),
            "field": clean(problem.field),
            "value": clean(problem.value)[:1_000],
            "dedupe_key": key,
            "state": "open",
            "owner": owner,
            "resolution": "",
            "resolved_by": "",
            "created_at": now,
            "last_seen_at": now,
            "occurrences": 1,
        }
    statement = insert(connection, ITEM)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["dedupe_key"],
            set_={
                "message": statement.excluded.message,
                "detail": statement.excluded.detail,
                "lead_id": statement.excluded.lead_id,
                "last_seen_at": statement.excluded.last_seen_at,
                "occurrences": ITEM.c.occurrences + 1,
            },
        ),
        list(rows.values()),
    )
    return len(rows)


def resolve_exception(
    connection: Connection, item_id: int, resolution: str, by: str, now: datetime
) -> bool:
    """Close an open item; False when somebody else already did."""
    closed = connection.execute(
        update(ITEM)
        .where(ITEM.c.id == item_id, ITEM.c.state == "open")
        .values(
            state="resolved",
            resolution=clean(resolution),
            resolved_by=by,
            resolved_at=now,
            dedupe_key=None,
        )
    )
    return closed.rowcount == 1


def close_matching(connection: Connection, kind: str, record_key: str, now: datetime) -> None:
    """Close open items that settled themselves, for example a write that went through later."""
    connection.execute(
        update(ITEM)
        .where(ITEM.c.kind == kind, ITEM.c.record_key == record_key, ITEM.c.state == "open")
        .values(
            state="resolved",
            resolution="It settled itself.",
            resolved_by="leadlight",
            resolved_at=now,
            dedupe_key=None,
        )
    )
