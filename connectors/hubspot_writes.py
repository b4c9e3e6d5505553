"""What we send to HubSpot: scores in batches, one result per record, and next steps as tasks."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.base import (
    RateLimited,
    RecordRejected,
    ScoreWrite,
    TaskDraft,
    TransientFailure,
    WriteResult,
)
from connectors.hubspot_errors import Refused, refusal
from connectors.hubspot_session import BATCH_ROWS, HubSpotSession, Row
from scoring.leads import RecordKey
from scoring.normalise import parse_time

TYPE = "contacts"
TASK_TO_CONTACT = 204
_REFERENCE = "Leadlight reference: "
_CHECKED = ("leadlight_score", "leadlight_band", "leadlight_scored_at")
_GONE = frozenset({"OBJECT_NOT_FOUND", "NOT_FOUND", "OBJECT_ARCHIVED"})
_LATER = frozenset({"RATE_LIMITS", "RATE_LIMIT", "LOCKED", "INTERNAL_ERROR", "CONFLICT"})
_INVALID = re.compile(r"Property values were not valid: (\[.*\])", re.DOTALL)


def write_scores(session: HubSpotSession, batch: Sequence[ScoreWrite]) -> list[WriteResult]:
    """Write scores, 100 contacts a call; raises only when nothing could be written at all.

    Of a record that occurs twice the newest score counts. A batch that HubSpot refuses as a whole
    is halved until the culprit stands alone. What was not sent after a failure is "later".
    """
    newest: dict[RecordKey, ScoreWrite] = {}
    for write in batch:
        known = newest.get(write.record)
        if known is None or write.scored_at >= known.scored_at:
            newest[write.record] = write
    results, writes = [], []
    for write in newest.values():
        if write.record.kind == "contact" and write.record.id.isdigit():
            writes.append(write)
        else:
            message = f"HubSpot keeps scores on contacts: {write.record} is none."
            results.append(WriteResult(write.record, "rejected", message))
    for start in range(0, len(writes), BATCH_ROWS):
        chunk = writes[start : start + BATCH_ROWS]
        try:
            results += _write_chunk(session, chunk)
        except (RateLimited, TransientFailure) as error:
            if not results:
                raise
            results += [WriteResult(w.record, "later", str(error)) for w in writes[start:]]
            break
    return results


def _write_chunk(session: HubSpotSession, chunk: Sequence[ScoreWrite]) -> list[WriteResult]:
    inputs = [{"id": w.record.id, "properties": _properties(w)} for w in chunk]
    try:
        answer = session.update(TYPE, inputs)
    except Refused as refused:
        return _refused_chunk(session, chunk, refused)
    written = {str(row.get("id")) for row in answer.results}
    failed = _failures(answer.errors)
    results = []
    for write in chunk:
        if write.record.id in written:
            results.append(WriteResult(write.record, "done"))
        elif write.record.id in failed:
            results.append(_failure(write.record, failed[write.record.id]))
        else:
            results.append(_moved(session, write.record))
    return results


def _refused_chunk(
    session: HubSpotSession, chunk: Sequence[ScoreWrite], refused: Refused
) -> list[WriteResult]:
    """What becomes of a chunk that HubSpot refused as a whole."""
    if refused.status == 403:
        raise refusal(refused, "writing scores") from None
    if "PROPERTY_DOESNT_EXIST" in refused.message:
        message = (
            "Our contact properties are missing in HubSpot: check the connection, which creates"
            f" them, then retry. ({_reason(refused.message)})"
        )
        return [WriteResult(write.record, "rejected", message) for write in chunk]
    if len(chunk) > 1:
        middle = len(chunk) // 2
        return [
            result
            for half in (chunk[:middle], chunk[middle:])
            for result in _write_chunk(session, half)
        ]
    record = chunk[0].record
    if refused.status == 404 or refused.category in _GONE:
        return [WriteResult(record, "gone", refused.message[:300])]
    return [
        WriteResult(record, "rejected", f"HubSpot refused the score: {_reason(refused.message)}")
    ]


def _properties(write: ScoreWrite) -> dict[str, str]:
    return {
        "leadlight_score": f"{write.score:.1f}",
        "leadlight_band": write.band,
        "leadlight_fit": f"{write.fit:.1f}",
        "leadlight_engagement": f"{write.engagement:.1f}",
        "leadlight_intent": f"{write.intent:.1f}",
        "leadlight_confidence": write.confidence,
        "leadlight_reasons": write.reasons[:4_000],
        "leadlight_next_step": write.next_step[:1_000],
        "leadlight_scored_at": _wire(write.scored_at),
        "leadlight_rule_set": write.rule_set[:200],
    }


def _failures(errors: Iterable[Row]) -> dict[str, Row]:
    """The error of each record that a 207 answer names."""
    found = {}
    for error in errors:
        context = error.get("context")
        ids = context.get("ids") or context.get("id") if isinstance(context, Mapping) else None
        for record_id in ids if isinstance(ids, list) else ():
            found[str(record_id)] = error
    return found


def _failure(record: RecordKey, error: Row) -> WriteResult:
    category, message = str(error.get("category") or ""), str(error.get("message") or "")
    if category in _GONE:
        return WriteResult(record, "gone", message[:300])
    if category in _LATER:
        return WriteResult(record, "later", message[:300])
    reason = _reason(message) or category or "no reason given"
    return WriteResult(record, "rejected", f"HubSpot refused the score: {reason}")


def _moved(session: HubSpotSession, record: RecordKey) -> WriteResult:
    """A record that neither went through nor failed: merged, most likely, so it has a new id."""
    try:
        row = session.get(TYPE, record.id, _CHECKED)
    except Refused as refused:
        if refused.status == 404:
            return WriteResult(record, "gone", refused.message[:300])
        return WriteResult(record, "later", refused.message[:300])
    new_id = str(row.get("id") or "")
    if new_id.isdigit() and new_id != record.id:
        return WriteResult(
            record, "gone", "It was merged.", RecordKey(record.crm, record.kind, new_id)
        )
    return WriteResult(record, "later", "HubSpot did not say what became of it.")


def already_written(session: HubSpotSession, batch: Sequence[ScoreWrite]) -> set[RecordKey]:
    """Which of these contacts hold exactly this score, band and time."""
    contacts = [w for w in batch if w.record.kind == "contact" and w.record.id.isdigit()]
    ids = list(dict.fromkeys(write.record.id for write in contacts))
    try:
        rows = session.read(TYPE, ids, _CHECKED).results
    except Refused as refused:
        raise refusal(refused, "reading back scores") from None
    found = {str(row.get("id")): row.get("properties") for row in rows}
    return {w.record for w in contacts if _holds(found.get(w.record.id), w)}


def _holds(properties: Any, write: ScoreWrite) -> bool:
    if not isinstance(properties, Mapping):
        return False
    try:
        score = float(properties.get("leadlight_score") or "nan")
        at = parse_time(str(properties.get("leadlight_scored_at") or ""))
    except ValueError:
        return False
    return (
        f"{score:.1f}" == f"{write.score:.1f}"
        and properties.get("leadlight_band") == write.band
        and _wire(at) == _wire(write.scored_at)
    )


def create_task(session: HubSpotSession, task: TaskDraft) -> str:
    """Create the next-step task once, and return its id; a replay finds the first by its reference.

    Its owner is the contact's. The contact's tasks are listed by association, which shows a new one
    at once; search would not. Raises RecordRejected and connector errors.
    """
    if task.record.kind != "contact" or not task.record.id.isdigit():
        raise RecordRejected("A task needs a contact.", record=task.record)
    try:
        person = session.get(TYPE, task.record.id, ("hubspot_owner_id",))
        contact_id = str(person.get("id") or task.record.id)
        known = _known_task(session, contact_id, task.key)
        if known:
            return known
        created = session.create("tasks", _task(task, contact_id, person))
    except Refused as refused:
        if refused.status == 403:
            raise refusal(refused, "creating tasks") from None
        raise RecordRejected(
            f"HubSpot refused the task: {_reason(refused.message)}",
            record=task.record,
            detail=str(refused),
        ) from None
    task_id = str(created.get("id") or "")
    if not task_id:
        raise TransientFailure(
            "HubSpot did not say which task it created: it is looked up and tried again.",
            detail=str(created)[:200],
        )
    return task_id


def _known_task(session: HubSpotSession, contact_id: str, key: str) -> str:
    ids = session.linked(TYPE, "tasks", [contact_id]).get(contact_id, [])
    newest = sorted(ids, key=lambda i: int(i) if i.isdigit() else 0, reverse=True)
    for start in range(0, len(newest), BATCH_ROWS):
        chunk = newest[start : start + BATCH_ROWS]
        for row in session.read("tasks", chunk, ("hs_task_body",)).results:
            properties = row.get("properties")
            body = properties.get("hs_task_body") if isinstance(properties, Mapping) else None
            if f"{_REFERENCE}{html.escape(key)}<" in f"{body or ''}<":
                return str(row.get("id"))
    return ""


def _task(task: TaskDraft, contact_id: str, person: Row) -> dict[str, Any]:
    text = html.escape(task.body[:30_000]).replace("\n", "<br>")
    properties = {
        "hs_timestamp": _wire(task.due_at),
        "hs_task_subject": task.subject[:255],
        "hs_task_body": f"{text}<br><br>{_REFERENCE}{html.escape(task.key)}",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "MEDIUM",
        "hs_task_type": "TODO",
    }
    values = person.get("properties")
    owner = values.get("hubspot_owner_id") if isinstance(values, Mapping) else None
    if owner:
        properties["hubspot_owner_id"] = str(owner)
    link = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_CONTACT}
    return {
        "properties": properties,
        "associations": [{"to": {"id": contact_id}, "types": [link]}],
    }


def _reason(message: str) -> str:
    """What a refusal says, without the JSON that HubSpot wraps property errors in."""
    found = _INVALID.search(message)
    if found:
        try:
            rows = json.loads(found[1])
            message = "; ".join(f"{row.get('name')}: {row.get('message')}" for row in rows)
        except (ValueError, AttributeError):
            message = found[1]
    return message[:300]


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
