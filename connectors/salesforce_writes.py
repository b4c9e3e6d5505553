"""Scores and tasks into Salesforce: only our own fields, 200 records a call, a result for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.base import (
    ConnectorError,
    RateLimited,
    RecordRejected,
    ScoreWrite,
    TaskDraft,
    TransientFailure,
    WriteResult,
)
from connectors.salesforce_describe import refusal
from connectors.salesforce_rows import person, quoted
from connectors.salesforce_session import Refused, SalesforceSession
from scoring.leads import RecordKey
from scoring.normalise import parse_time

#: Records of one sObject Collections call (one API call, whatever their number): to write, to read.
COLLECTION_ROWS, RETRIEVE_ROWS = 200, 2_000
_OBJECTS = {"lead": "Lead", "contact": "Contact"}
_LATER = frozenset({"UNABLE_TO_LOCK_ROW", "ENTITY_IS_LOCKED", "SERVER_UNAVAILABLE"})
_GONE = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY"})
_CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"
_HIDDEN = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"})
_CLOSED = frozenset({"INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS"})
_REFERENCE = "Leadlight reference: "
_CHECKED = ("Leadlight_Score__c", "Leadlight_Band__c", "Leadlight_Scored_At__c")


def write_scores(session: SalesforceSession, batch: Sequence[ScoreWrite]) -> list[WriteResult]:
    """Write a batch of any size; raises only when nothing could be written at all.

    Of a record that occurs twice the newest score counts. What was not sent after a failure is
    "later".
    """
    results: list[WriteResult] = []
    writes = []
    for write in _newest(batch):
        if write.record.kind in _OBJECTS:
            writes.append(write)
        else:
            message = (
                f"A Salesforce {write.record.kind} holds no score: only leads and contacts do."
            )
            results.append(WriteResult(write.record, "rejected", message))
    # one type after the other, because a call is cut into at most ten runs of the same type
    writes.sort(key=lambda write: write.record.kind)
    for start in range(0, len(writes), COLLECTION_ROWS):
        chunk = writes[start : start + COLLECTION_ROWS]
        try:
            results += _write_chunk(session, chunk)
        except (RateLimited, TransientFailure) as error:
            if not results:
                raise
            results += [WriteResult(w.record, "later", str(error)) for w in writes[start:]]
            break
    return results


def _newest(batch: Sequence[ScoreWrite]) -> list[ScoreWrite]:
    """One write per record: twice the same one in a call would be a duplicate."""
    newest: dict[RecordKey, ScoreWrite] = {}
    for write in batch:
        known = newest.get(write.record)
        if known is None or write.scored_at >= known.scored_at:
            newest[write.record] = write
    return list(newest.values())


def _write_chunk(session: SalesforceSession, chunk: list[ScoreWrite]) -> list[WriteResult]:
    body = {"allOrNone": False, "records": [_record(write) for write in chunk]}
    try:
        answers = session.rest("composite/sobjects", "PATCH", body)
    except Refused as refused:
        if not _HIDDEN & set(refused.codes):
            raise refusal(refused, "writing scores") from None
        message = _no_fields("; ".join(refused.messages)[:300])
        return [WriteResult(write.record, "rejected", message) for write in chunk]
    if not isinstance(answers, list) or len(answers) != len(chunk):
        raise TransientFailure(
            "Salesforce did not say what became of the scores: they are written again.",
            detail=str(answers)[:200],
        )
    results = [_result(write, answer) for write, answer in zip(chunk, answers, strict=True)]
    return _moved(session, results)


def _record(write: ScoreWrite) -> dict[str, Any]:
    return {
        "attributes": {"type": _OBJECTS[write.record.kind]},
        "id": write.record.id,
        "Leadlight_Score__c": write.score,
        "Leadlight_Band__c": write.band[:40],
        "Leadlight_Fit__c": write.fit,
        "Leadlight_Engagement__c": write.engagement,
        "Leadlight_Intent__c": write.intent,
        "Leadlight_Confidence__c": write.confidence[:40],
        "Leadlight_Reasons__c": write.reasons[:4_000],
        "Leadlight_Next_Step__c": write.next_step[:255],
        "Leadlight_Scored_At__c": _wire(write.scored_at),
        "Leadlight_Rule_Set__c": write.rule_set[:80],
    }


def _result(write: ScoreWrite, answer: Any) -> WriteResult:
    if not isinstance(answer, Mapping):
        return WriteResult(write.record, "later", "Salesforce did not say what became of it.")
    if answer.get("success"):
        return WriteResult(write.record, "done")
    found = [error for error in answer.get("errors") or () if isinstance(error, Mapping)]
    codes = {str(error.get("statusCode")) for error in found}
    text = "; ".join(str(error.get("message", "")).strip() for error in found)[:500]
    if codes & _LATER:
        return WriteResult(write.record, "later", text)
    if codes & _GONE or _CONVERTED in codes:
        return WriteResult(write.record, "gone", text)
    if codes & _HIDDEN:
        return WriteResult(write.record, "rejected", _no_fields(text))
    if codes & _CLOSED:
        message = (
            f"The API user may not edit this record ({text}). Give them edit access to it (sharing"
            " rule, or “Modify All” on leads and contacts), then retry."
        )
        return WriteResult(write.record, "rejected", message)
    reason = text or ", ".join(sorted(codes)) or "no reason given"
    return WriteResult(write.record, "rejected", f"Salesforce refused the score: {reason}")


def _no_fields(reason: str) -> str:
    return (
        f"Our fields cannot be written ({reason}). Assign the permission set “Leadlight” to the"
        " API user (field-level security), then retry."
    )


def _moved(session: SalesforceSession, results: list[WriteResult]) -> list[WriteResult]:
    """Where a converted lead or a merged record lives on, asked once for all of a chunk."""
    gone = [result.record for result in results if result.status == "gone"]
    homes: dict[RecordKey, RecordKey] = {}
    for kind, object_ in _OBJECTS.items():
        ids = quoted(record.id for record in gone if record.kind == kind)
        if not ids:
            continue
        column = ", ConvertedContactId" if kind == "lead" else ""
        soql = f"SELECT Id, MasterRecordId{column} FROM {object_} WHERE Id IN ({ids})"
        try:
            rows = session.query_all(soql, deleted=True)
        except (Refused, ConnectorError):
            continue  # the scores are settled already; where the record went shows in the next poll
        for row in rows:
            home = person(gone[0].crm, row.get("ConvertedContactId") or row.get("MasterRecordId"))
            if home is not None:
                homes[RecordKey(gone[0].crm, kind, str(row["Id"]))] = home
    return [
        WriteResult(r.record, r.status, r.message, homes.get(r.record)) if r.status == "gone" else r
        for r in results
    ]


def already_written(session: SalesforceSession, batch: Sequence[ScoreWrite]) -> set[RecordKey]:
    """Which of these leads and contacts hold exactly this score, band and time.

    Where our fields are missing or hidden none does, and writing then says what to grant.
    """
    held: set[RecordKey] = set()
    for kind, object_ in _OBJECTS.items():
        writes = [w for w in batch if w.record.kind == kind and _is_id(w.record.id)]
        ids = list(dict.fromkeys(write.record.id for write in writes))
        rows: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(ids), RETRIEVE_ROWS):
            rows |= _retrieved(session, object_, ids[start : start + RETRIEVE_ROWS])
        held |= {w.record for w in writes if _holds(rows.get(w.record.id), w)}
    return held


def _retrieved(
    session: SalesforceSession, object_: str, ids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """What records hold in our own fields, by id; those that cannot be read are left out."""
    body = {"ids": ids, "fields": ["Id", *_CHECKED]}
    try:
        answer = session.rest(f"composite/sobjects/{object_}", "POST", body)
    except Refused as refused:
        if _HIDDEN & set(refused.codes):
            return {}
        raise refusal(refused, "reading back scores") from None
    if answer is None:  # an empty list
        return {}
    if not isinstance(answer, list):
        raise TransientFailure(
            "Salesforce did not say which scores it holds: they are read again.",
            detail=str(answer)[:200],
        )
    return {str(row.get("Id")): row for row in answer if isinstance(row, Mapping)}


def _holds(row: Mapping[str, Any] | None, write: ScoreWrite) -> bool:
    score = row.get("Leadlight_Score__c") if row is not None else None
    if row is None or not isinstance(score, int | float):
        return False
    try:
        at = parse_time(str(row.get("Leadlight_Scored_At__c") or ""))
    except ValueError:
        return False
    return (
        f"{score:.1f}" == f"{write.score:.1f}"
        and row.get("Leadlight_Band__c") == write.band[:40]
        and _wire(at) == _wire(write.scored_at)
    )


def _is_id(text: str) -> bool:
    """Whether this can be a record's id; one that cannot would fail the call for all."""
    return len(text) in (15, 18) and text.isascii() and text.isalnum()


def _wire(moment: datetime) -> str:
    """Whole seconds in UTC: Salesforce keeps no fractions."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def create_task(session: SalesforceSession, task: TaskDraft) -> str:
    """Create the next-step task once, and return its id; a replay finds the first by its reference.

    Its owner is the person's. Raises RecordRejected and connector errors.
    """
    reference = f"{_REFERENCE}{task.key}"
    if task.record.kind not in _OBJECTS:
        raise RecordRejected("A task needs a lead or a contact.", record=task.record)
    try:
        known = session.query_all(
            f"SELECT Id, Description FROM Task WHERE WhoId = '{task.record.id}'"
            " ORDER BY CreatedDate DESC LIMIT 200"
        )
        for row in known:
            if reference in str(row.get("Description") or "").splitlines():
                return str(row["Id"])
        body = {
            "WhoId": task.record.id,
            "Subject": task.subject[:255],
            "Description": f"{task.body[:31_000]}\n\n{reference}",
            "ActivityDate": task.due_at.astimezone(UTC).date().isoformat(),
            "Status": "Not Started",
            "Priority": "Normal",
        }
        owner = _owner(session, task.record)
        answer = session.rest("sobjects/Task/", "POST", body | owner, again=False)
    except Refused as refused:
        raise RecordRejected(
            f"Salesforce refused the task: {'; '.join(refused.messages)[:300]}",
            record=task.record,
            detail=str(refused)[:300],
        ) from None
    task_id = str(answer.get("id") or "") if isinstance(answer, Mapping) else ""
    if not task_id:
        raise TransientFailure(
            "Salesforce did not say which task it created: it is looked up and tried again.",
            detail=str(answer)[:200],
        )
    return task_id


def _owner(session: SalesforceSession, record: RecordKey) -> dict[str, str]:
    """The person's owner, who then sees the task; a queue cannot own it everywhere."""
    rows = session.query_all(
        f"SELECT OwnerId FROM {_OBJECTS[record.kind]} WHERE Id = '{record.id}'"
    )
    owner = str(rows[0].get("OwnerId") or "") if rows else ""
    return {"OwnerId": owner} if owner.startswith("005") else {}
