"""Saving one page: what came, what it means and the cursor, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from data.admission import save_entries
from data.exceptions import close_scored, raise_exceptions
from data.inputs import save_inputs
from data.plain import (
    clean,
    cleaned,
    contributions_to_json,
    facts_to_json,
    fields_to_json,
    searchable,
    situation_to_json,
)
from data.recall import (
    ACCOUNT,
    ENGAGEMENT,
    ENRICHMENT,
    IDENTITY,
    LEAD,
    OUTBOX,
    OUTCOME,
    RECORD,
)
from data.rows import insert, insert_new, select_in, upsert
from data.states import CursorMove, CursorMoved, Decision, LeadWrite, Recall
from data.tables import CursorRow, ExceptionItem, ScoreLog, table
from scoring.leads import Account, CrmRecord, Engagement, Outcome
from scoring.scores import Facts

CURSOR, LOG, EXCEPTION = table(CursorRow), table(ScoreLog), table(ExceptionItem)
#: Columns of `lead` that only settling a write-back (or a merge) may set.
_SETTLED_ELSEWHERE = ("first_written_at",)
#: Columns that stay when a decision says nothing about them.
_DECISION_POINT = ("decision_at", "decision_value", "decision_band")


def move_cursor(connection: Connection, move: CursorMove, now: datetime) -> None:
    """Compare-and-set; raises CursorMoved when the cursor is not where the page began."""
    values = {
        "position": move.after,
        "moved_at": now,
        "complete": move.complete,
        "progress": move.progress,
    }
    moved = connection.execute(
        update(CURSOR)
        .where(
            CURSOR.c.crm == move.crm,
            CURSOR.c.stream == move.stream,
            CURSOR.c.position == move.before,
        )
        .values(**values)
    ).rowcount
    if moved == 1:
        return
    if move.before == "":
        row = {"crm": move.crm, "stream": move.stream, **values}
        statement = insert(connection, CURSOR).on_conflict_do_nothing().values(row)
        # the row itself, because drivers need not count what an INSERT did
        if connection.execute(statement.returning(CURSOR.c.crm)).first() is not None:
            return
    raise CursorMoved


def save_accounts(connection: Connection, accounts: Iterable[Account]) -> None:
    """Insert or replace companies."""
    rows = [
        {"key": str(a.key), "fields": fields_to_json(a.fields), "modified_at": a.modified_at}
        for a in accounts
    ]
    upsert(connection, ACCOUNT, rows)


def save_decision(
    connection: Connection, decision: Decision, page: Recall, new: set[str], now: datetime
) -> None:
    """Write everything that a page causes; `new` are the keys of engagements not stored before.

    1. Leads first (others point to them), merged ones become tombstones.
    2. What scoring in bulk reads of them.
    3. Records, engagements and outcomes go to the lead that now owns them.
    4. Identity keys, score log, outbox, enrichment attempts and exceptions.

    Raises ValueError when the decision leaves a changed record without a lead: its content would
    be lost while the cursor moves on.
    """
    owners = {key: w.state.id for w in decision.leads for key in w.state.records}
    if lost := [str(record.key) for record in page.records if record.key not in owners]:
        raise ValueError(f"The decision gives no lead to {', '.join(lost)}: nothing was saved.")
    _save_leads(connection, decision.leads)
    _fold_merged(connection, decision.leads)
    _save_inputs(connection, decision.leads)
    _save_records(connection, page.records, owners, now)
    _save_engagements(connection, decision.leads, page.engagements, new, now)
    _save_outcomes(connection, decision.leads, page.outcomes, now)
    _save_identities(connection, decision.leads)
    _save_log(connection, decision.leads)
    save_entries(connection, decision.leads)
    _save_outbox(connection, decision.leads, now)
    _save_enrichments(connection, decision)
    close_scored(connection, [w.state.id for w in decision.leads if w.score is not None], now)
    raise_exceptions(connection, decision.problems, now)


def _save_leads(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    with_decision = [w for w in writes if w.decision is not None]
    without = [w for w in writes if w.decision is None]
    upsert(connection, LEAD, [_lead_row(w) for w in with_decision], keep=_SETTLED_ELSEWHERE)
    upsert(
        connection,
        LEAD,
        [_lead_row(w) for w in without],
        keep=(*_SETTLED_ELSEWHERE, *_DECISION_POINT),
    )


def _lead_row(write: LeadWrite) -> dict[str, Any]:
    state, score, last = write.state, write.score, write.state.last
    columns = cleaned(dict(write.columns))
    row: dict[str, Any] = {
        "id": state.id,
        **columns,
        "search_text": searchable(columns),
        "created_at": state.created_at,
        "seen_at": state.seen_at,
        "live": state.live,
        "first_scored_at": state.first_scored_at or (score.now if score else None),
        "first_written_at": None,
        "merged_into_id": None,
        "deleted": write.deleted,
        "facts": facts_to_json(write.facts),
        "due_at": write.due_at,
        "next_band": write.next_band[0] if write.next_band else "",
        "next_band_at": write.next_band[1] if write.next_band else None,
        "waits_for": f" {' '.join(write.waits_for)} " if write.waits_for else "",
        "decision_at": write.decision.at if write.decision else None,
        "decision_value": write.decision.value if write.decision else None,
        "decision_band": write.decision.band if write.decision else None,
    }
    if score is None:
        return {
            **row,
            "score_value": None,
            "score_low": None,
            "score_high": None,
            "band": None,
            "band_certain": False,
            "scoring_mode": "",
            "scored_at": None,
            "band_entered_at": None,
            "fit": 0,
            "engagement": 0,
            "intent": 0,
            "reasons": [],
            "contributions": [],
            "next_step": "",
            "rule_set_hash": "",
            "inputs_hash": "",
            "suppressed": "",
            "disqualified": "",
        }
    stayed = last is not None and last.band == score.band and last.band_entered_at is not None
    scored = not score.suppressed
    return {
        **row,
        "score_value": score.value if scored else None,
        "score_low": score.low if scored else None,
        "score_high": score.high if scored else None,
        "band": score.band if scored else None,
        "band_certain": score.band_certain,
        "scoring_mode": score.scoring_mode,
        "scored_at": score.now,
        "band_entered_at": last.band_entered_at if last and stayed else score.now,
        "fit": score.dimensions.get("fit", 0),
        "engagement": score.dimensions.get("engagement", 0),
        "intent": score.dimensions.get("intent", 0),
        "reasons": cleaned(list(score.reasons)),
        "contributions": contributions_to_json(score.contributions),
        "next_step": clean(score.next_step),
        "rule_set_hash": score.rule_set_hash,
        "inputs_hash": score.inputs_hash,
        "suppressed": clean(score.suppressed),
        "disqualified": clean(score.disqualified),
    }


def _fold_merged(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    """Everything of a folded lead goes to the kept one; its score log stays its own history."""
    for write in writes:
        folded, kept = list(write.merged_from), write.state.id
        if not folded:
            continue
        for owned in (RECORD, ENGAGEMENT, OUTCOME, IDENTITY, OUTBOX, ENRICHMENT, EXCEPTION):
            connection.execute(
                update(owned).where(owned.c.lead_id.in_(folded)).values(lead_id=kept)
            )
        first = select(func.min(LEAD.c.first_written_at)).where(LEAD.c.id.in_([kept, *folded]))
        connection.execute(
            update(LEAD)
            .where(LEAD.c.id == kept)
            .values(first_written_at=connection.execute(first).scalar())
        )
        connection.execute(
            update(LEAD)
            .where((LEAD.c.id.in_(folded)) | (LEAD.c.merged_into_id.in_(folded)))
            .values(merged_into_id=kept, due_at=None, waits_for="")
        )


def _save_inputs(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    """Facts for scoring in bulk; leads that would be read again as they are already stay out."""
    changed: dict[int, Facts | None] = {}
    for write in writes:
        last, score = write.state.last, write.score
        changed.update(dict.fromkeys(write.merged_from))
        if score is None or write.deleted:
            changed[write.state.id] = None
        elif write.merged_from or last is None or last.inputs_hash != score.inputs_hash:
            changed[write.state.id] = write.facts
    save_inputs(connection, changed)


def _save_records(
    connection: Connection, records: Sequence[CrmRecord], owners: dict[Any, int], now: datetime
) -> None:
    rows = [
        {
            "key": str(record.key),
            "crm": record.key.crm,
            "kind": record.key.kind,
            "record_id": record.key.id,
            "lead_id": owners[record.key],
            "fingerprint": record.fingerprint(),
            "fields": fields_to_json(record.fields),
            "raw": cleaned(dict(record.raw)),
            "account_key": str(record.account or ""),
            "links": [str(link) for link in record.links],
            "created_at": record.created_at,
            "modified_at": record.modified_at,
            "seen_at": now,
            "merged_into": str(record.merged_into or ""),
            "deleted": record.deleted,
            "url": clean(record.url),
        }
        for record in records
    ]
    upsert(connection, RECORD, rows, keep=("seen_at",))


def _save_engagements(
    connection: Connection,
    writes: Sequence[LeadWrite],
    engagements: Sequence[Engagement],
    new: set[str],
    now: datetime,
) -> None:
    owners = {key: w.state.id for w in writes for key in w.state.engagements}
    rows = [
        {
            "key": e.key,
            "lead_id": owners.get(e.key),
            "record_key": str(e.record or ""),
            "email": clean(e.email),
            "kind": e.kind,
            "occurred_at": e.occurred_at,
            "detail": cleaned(dict(e.detail)),
            "seen_at": now,
        }
        for e in engagements
        if e.key in new
    ]
    insert_new(connection, ENGAGEMENT, rows)
    found = [
        {"waiting": e.key, "owner": owners[e.key]}
        for e in engagements
        if e.key not in new and e.key in owners
    ]
    if found:
        connection.execute(
            update(ENGAGEMENT)
            .where(ENGAGEMENT.c.key == bindparam("waiting"))
            .values(lead_id=bindparam("owner")),
            found,
        )


def _save_outcomes(
    connection: Connection, writes: Sequence[LeadWrite], outcomes: Sequence[Outcome], now: datetime
) -> None:
    owners = {key: w.state.id for w in writes for key in w.state.outcomes}
    rows = [
        {
            "key": o.key,
            "lead_id": owners.get(o.key),
            "record_key": str(o.record),
            "kind": o.kind,
            "occurred_at": o.occurred_at,
            "amount": o.amount,
            "seen_at": now,
        }
        for o in outcomes
    ]
    upsert(connection, OUTCOME, rows, keep=("seen_at",))


def _save_identities(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    wanted = {w.state.id: {(k, clean(v)) for k, v in w.identities} for w in writes}
    stale = [
        (row.kind, row.value)
        for row in select_in(
            wanted,
            lambda part: connection.execute(select(IDENTITY).where(IDENTITY.c.lead_id.in_(part))),
        )
        if (row.kind, row.value) not in wanted[row.lead_id]
    ]
    for kind, value in stale:
        connection.execute(
            IDENTITY.delete().where(IDENTITY.c.kind == kind, IDENTITY.c.value == value)
        )
    insert_new(
        connection,
        IDENTITY,
        [
            {"kind": kind, "value": value, "lead_id": lead_id}
            for lead_id, pairs in wanted.items()
            for kind, value in sorted(pairs)
        ],
    )


def _save_log(connection: Connection, writes: Sequence[LeadWrite]) -> None:
    rows = [
        {
            "lead_id": write.state.id,
            "scored_at": write.score.now,
            "value": write.score.value,
            "low": write.score.low,
            "high": write.score.high,
            "band": write.score.band,
            "previous_band": write.state.last.band if write.state.last else "",
            "situation": situation_to_json(write.situation) if write.situation else None,
            "scoring_mode": write.score.scoring_mode,
            "cause": write.cause,
            "rule_set_hash": write.score.rule_set_hash,
            "engine_version": write.score.engine_version,
            "model_version": "",
            "inputs": clean(write.inputs),
            "contributions": contributions_to_json(write.score.contributions),
        }
        for write in writes
        if write.log and write.score is not None
    ]
    if rows:
        connection.execute(LOG.insert(), rows)


def _save_outbox(connection: Connection, writes: Sequence[LeadWrite], now: datetime) -> None:
    rows = [
        {
            "record_key": str(entry.record),
            "crm": entry.record.crm,
            "lead_id": write.state.id,
            "payload": cleaned(dict(entry.payload)),
            "value": entry.value,
            "band": entry.band,
            "first": entry.first,
            "priority": entry.priority,
            "version": 1,
            "state": "pending",
            "attempts": 0,
            "due_at": entry.due_at,
            "created_at": now,
            "message": "",
        }
        for write in writes
        for entry in write.outbox
    ]
    if not rows:
        return
    statement = insert(connection, OUTBOX)
    replaced = {
        name: statement.excluded[name]
        for name in ("lead_id", "payload", "value", "band", "priority", "attempts", "message")
    }
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["record_key"],
            # A waiting first score stays a first score and keeps its place in the queue; what is
            # being sent right now stays "sending", and its older version settles nothing.
            set_={
                **replaced,
                "version": OUTBOX.c.version + 1,
                "state": case((OUTBOX.c.state == "rejected", "pending"), else_=OUTBOX.c.state),
            },
        ),
        rows,
    )


def _save_enrichments(connection: Connection, decision: Decision) -> None:
    rows = [
        {
            "lead_id": attempt.lead_id,
            "provider": attempt.provider,
            "status": attempt.status,
            "started_at": attempt.started_at,
            "finished_at": attempt.started_at,
            "latency_ms": attempt.latency_ms,
            "facts": facts_to_json(attempt.facts),
            "message": clean(attempt.message),
            "input_hash": attempt.input_hash,
        }
        for attempt in decision.enrichments
    ]
    if rows:
        connection.execute(ENRICHMENT.insert(), rows)
