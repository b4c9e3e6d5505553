"""The exception queue: each doubtful thing once while it is open, however often it is met."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, true, update

from data.plain import clean
from data.rows import chunks, insert, select_in
from data.tables import CrmRecordRow, ExceptionItem, table
from scoring.leads import RecordKey
from scoring.problems import Problem

ITEM, RECORD = table(ExceptionItem), table(CrmRecordRow)
#: Kinds that a later success of the same call settles.
_OF_CALLS = ("bad_response", "auth_failed")
#: Kinds that a correction in the CRM's record settles.
_IN_THE_RECORD = ("bad_record", "bad_value", "email_typo", "no_identity")


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
    """Put problems into the queue; one that is open already is counted again.

    Returns how many different ones there were.
    """
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
    rows: dict[str, dict[str, Any]] = {}
    for problem, lead_id in problems:
        key = dedupe_key(problem, lead_id)
        met = rows[key]["occurrences"] if key in rows else 0
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
            "occurrences": met + 1,
        }
    statement = insert(connection, ITEM)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["dedupe_key"],
            set_={
                "message": statement.excluded.message,
                "detail": statement.excluded.detail,
                "lead_id": func.coalesce(statement.excluded.lead_id, ITEM.c.lead_id),
                "last_seen_at": statement.excluded.last_seen_at,
                "occurrences": ITEM.c.occurrences + statement.excluded.occurrences,
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


def close_corrected(
    connection: Connection,
    read: Iterable[RecordKey],
    problems: Iterable[Problem],
    now: datetime,
) -> None:
    """Close what was wrong in records that were `read` again without that problem."""
    still = {dedupe_key(problem, None) for problem in problems}
    keys = {str(key) for key in read}
    condition = (ITEM.c.state == "open", ITEM.c.kind.in_(_IN_THE_RECORD))
    gone = [
        row.id
        for row in select_in(
            keys,
            lambda part: connection.execute(
                select(ITEM.c.id, ITEM.c.dedupe_key).where(*condition, ITEM.c.record_key.in_(part))
            ),
        )
        if row.dedupe_key not in still
    ]
    _close(connection, true(), ITEM.c.id, gone, now, "Corrected in the CRM.")


def trouble(connection: Connection, crm: str) -> list[Any]:
    """Open exceptions (id, field) about calls to one CRM that failed."""
    return list(
        connection.execute(
            select(ITEM.c.id, ITEM.c.field).where(
                ITEM.c.state == "open",
                ITEM.c.kind.in_(_OF_CALLS),
                or_(ITEM.c.field == crm, ITEM.c.field.startswith(f"{crm}, ", autoescape=True)),
            )
        )
    )


def close_trouble(connection: Connection, ids: Iterable[int], now: datetime) -> None:
    """Close exceptions about calls that succeed again."""
    _close(connection, true(), ITEM.c.id, ids, now)


def close_granted(
    connection: Connection, crm: str, problems: Iterable[Problem], now: datetime
) -> None:
    """Close permissions that a CRM's check found missing once and does not any more."""
    still = {dedupe_key(problem, None) for problem in problems}
    gone = [
        row.id
        for row in connection.execute(select(ITEM.c.id, ITEM.c.dedupe_key).where(*_ungranted(crm)))
        if row.dedupe_key not in still
    ]
    _close(connection, true(), ITEM.c.id, gone, now, "Granted in the CRM.")


def is_granted(connection: Connection, crm: str) -> bool:
    """Whether the CRM's last check found every permission there."""
    return connection.execute(select(ITEM.c.id).where(*_ungranted(crm)).limit(1)).first() is None


def _ungranted(crm: str) -> tuple[Any, ...]:
    return ITEM.c.state == "open", ITEM.c.kind == "missing_permission", ITEM.c.value == crm


def close_written(connection: Connection, record_keys: Iterable[str], now: datetime) -> None:
    """Close "score refused" of records whose score went through after all."""
    _close(connection, ITEM.c.kind == "write_rejected", ITEM.c.record_key, record_keys, now)


def close_scored(connection: Connection, lead_ids: Iterable[int], now: datetime) -> None:
    """Close "could not score" of leads that now have a score."""
    _close(connection, ITEM.c.kind == "scoring_failed", ITEM.c.lead_id, lead_ids, now)


def _close(
    connection: Connection,
    condition: Any,
    column: Any,
    values: Iterable[Any],
    now: datetime,
    resolution: str = "It settled itself.",
) -> None:
    for part in chunks(sorted(set(values))):
        connection.execute(
            update(ITEM)
            .where(condition, ITEM.c.state == "open", column.in_(part))
            .values(
                state="resolved",
                resolution=resolution,
                resolved_by="leadlight",
                resolved_at=now,
                dedupe_key=None,
            )
        )
