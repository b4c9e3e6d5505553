"""The decision inside a page's transaction: who is who, what is known, what it is worth.

Pure: everything it needs is in the `Recall`, everything it wants is in the `Decision`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from connectors.enrichment import EmbeddedEnrichment
from data.metrics import DECISION_DELAY
from data.store import (
    Decision,
    DecisionPoint,
    EnrichmentWrite,
    LeadState,
    LeadWrite,
    OutboxWrite,
    Recall,
)
from scoring.bands import BandState
from scoring.engine import Scorer, inputs_to_json
from scoring.explain import confidence, summary
from scoring.facts import build_facts, message_facts
from scoring.identity import identify, identity_keys
from scoring.leads import (
    HUMAN_CONTACT_KINDS,
    PASSIVE_KINDS,
    Account,
    CrmRecord,
    FieldValue,
    RecordKey,
)
from scoring.problems import Problem
from scoring.scores import MILLI, Fact, Score

_ENRICHED_FROM = ("email", "phone", "website")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a decision depends on besides the leads themselves."""

    scorer: Scorer
    rule_set_version: int = 1
    write_points: int = 2 * MILLI  # a smaller change inside the same band is not written
    write_wait: timedelta = timedelta(seconds=30)  # later scores are gathered this long


def decide(
    recall: Recall,
    policy: Policy,
    now: datetime,
    cause: str,
    *,
    seen_at: datetime,
    live_since: datetime | None,
) -> Decision:
    """Identify, build facts, score: one `LeadWrite` for every lead the page touches.

    1. Changed records find their lead (or a new one); exact evidence joins leads.
    2. Every touched lead is scored from all its records and engagements.
    3. A lead that cannot be scored becomes an exception; the rest of the page goes on.

    The page was read at `seen_at`, its leads are scored as of `now`. Leads created since
    `live_since` (the end of the first read) count for the score latency.
    """
    found = identify(
        recall.records,
        {key: lead.id for lead in recall.leads.values() for key in lead.records},
        recall.identities,
        {lead.id: tuple(lead.records.values()) for lead in recall.leads.values()},
        recall.new_lead_id,
    )
    decision = Decision(problems=[(problem, None) for problem in found.problems])
    leads, folded = _assemble(recall, found.record_lead, found.merges, seen_at, live_since)
    for lead in leads.values():
        merged_from = folded.get(lead.id, ())
        why = "new" if lead.last is None else "merge" if merged_from else cause
        try:
            write = _decide_lead(lead, merged_from, recall.accounts, policy, now, why, decision)
        except Exception as error:  # the lead steps aside with its reason; the page commits
            decision.problems.append((_scoring_failed(lead, error), lead.id))
            write = _write(lead, merged_from, {}, None, why)
        decision.leads.append(write)
    return decision


# -- who is who --------------------------------------------------------------------------------


def _assemble(
    recall: Recall,
    record_lead: Mapping[RecordKey, int],
    merges: Sequence[tuple[int, int]],
    seen_at: datetime,
    live_since: datetime | None,
) -> tuple[dict[int, LeadState], dict[int, tuple[int, ...]]]:
    """The touched leads after the page, and which leads each of them took in."""
    leads = dict(recall.leads)
    folded: dict[int, tuple[int, ...]] = {}
    for survivor, gone in merges:
        if gone not in leads:
            continue
        state = leads.pop(gone)
        if survivor in leads:
            leads[survivor].absorb(state)
        else:
            leads[survivor] = state
        folded[survivor] = (*folded.get(survivor, ()), gone, *folded.pop(gone, ()))
    for record in recall.records:
        lead_id = record_lead[record.key]
        if lead_id not in leads:
            leads[lead_id] = LeadState(lead_id, record.created_at, seen_at, live=True, new=True)
        lead = leads[lead_id]
        lead.live = lead.live and live_since is not None and record.created_at >= live_since
        lead.records[record.key] = record
        lead.created_at = min(lead.created_at, record.created_at)
    _attach(recall, leads)
    return leads, folded


def _attach(recall: Recall, leads: Mapping[int, LeadState]) -> None:
    """Give new and waiting engagements and outcomes to the lead they belong to."""
    by_record = {key: lead for lead in leads.values() for key in _known_keys(lead)}
    by_email = {
        str(record.fields["email"]): lead
        for lead in leads.values()
        for record in lead.records.values()
        if "email" in record.fields and not record.deleted
    }
    for engagement in recall.engagements:
        owner = by_record.get(engagement.record) if engagement.record else None
        owner = owner or (by_email.get(engagement.email) if engagement.email else None)
        if owner is not None:
            owner.engagements[engagement.key] = engagement
    for outcome in recall.outcomes:
        owner = by_record.get(outcome.record)
        if owner is not None:
            owner.outcomes[outcome.key] = outcome


def _known_keys(lead: LeadState) -> set[RecordKey]:
    keys = set(lead.records)
    for record in lead.records.values():
        keys.update(record.links)
        if record.merged_into is not None:
            keys.add(record.merged_into)
    return keys


# -- what it is worth --------------------------------------------------------------------------


def _decide_lead(
    lead: LeadState,
    merged_from: tuple[int, ...],
    accounts: Mapping[RecordKey, Account],
    policy: Policy,
    now: datetime,
    cause: str,
    decision: Decision,
) -> LeadWrite:
    records = tuple(lead.records.values())
    if all(record.deleted or record.merged_into is not None for record in records):
        return _write(lead, merged_from, {}, None, cause, deleted=True)
    extra = dict(_enrich(lead, records, now, decision))
    extra |= message_facts(records, lead.engagements.values())
    facts = build_facts(records, accounts, extra, now)
    engagements = tuple(lead.engagements.values())
    last = lead.last
    score = policy.scorer.score(facts, engagements, now, last.band or None if last else None)
    moved = (
        last is None
        or bool(merged_from)
        or (last.value, last.band, last.suppressed) != (score.value, score.band, score.suppressed)
        or last.rule_set_hash != score.rule_set_hash
    )
    outbox = _outbox(lead, score, policy, now) if not score.suppressed else ()
    outlook = policy.scorer.outlook(
        facts,
        engagements,
        now,
        _state_after(lead, score),
        within=_immaterial(lead, score, outbox, policy),
    )
    return _write(
        lead,
        merged_from,
        facts,
        score,
        cause,
        log=moved,
        inputs=inputs_to_json(facts, engagements) if moved else "",
        outbox=outbox,
        next_look_at=outlook.due_at,
        decision=_decision_point(lead, records, accounts, extra, policy, now),
    )


def _state_after(lead: LeadState, score: Score) -> BandState | None:
    """The band that the lead is in now, and since when."""
    if not score.band:
        return None
    last = lead.last
    stayed = last is not None and last.band == score.band
    entered_at = last.band_entered_at if last is not None and stayed else None
    return BandState(score.band, entered_at or score.now)


def _write(
    lead: LeadState,
    merged_from: tuple[int, ...],
    facts: Mapping[str, Fact],
    score: Score | None,
    cause: str,
    **rest: Any,
) -> LeadWrite:
    return LeadWrite(
        state=lead,
        columns=_columns(lead, facts),
        identities=[pair for record in lead.records.values() for pair in identity_keys(record)],
        facts=facts,
        score=score,
        cause=cause,
        merged_from=merged_from,
        **rest,
    )


def _columns(lead: LeadState, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """What the screens show of the person: the newest record that knows a thing says it."""
    newest = sorted(
        lead.records.values(),
        key=lambda r: (r.deleted or r.merged_into is not None, -r.modified_at.timestamp(), r.key),
    )

    def said(name: str) -> str:
        return next((str(r.fields[name]) for r in newest if name in r.fields), "")

    def known(name: str) -> str:
        return str(facts[name].value) if name in facts else said(name)

    named = next((r for r in newest if {"first_name", "last_name"} & set(r.fields)), None)
    parts = [str(named.fields.get(n, "")) for n in ("first_name", "last_name")] if named else []
    touches = [e.occurred_at for e in lead.engagements.values() if e.kind not in PASSIVE_KINDS]
    talks = [e.occurred_at for e in lead.engagements.values() if e.kind in HUMAN_CONTACT_KINDS]
    return {
        "name": " ".join(part for part in parts if part),
        "email": said("email"),
        "phone": said("phone"),
        "company": known("company"),
        "domain": known("domain"),
        "country": known("country"),
        "job_title": known("job_title"),
        "owner": known("owner"),
        "source": known("lead_source"),
        "crms": "+".join(sorted({r.key.crm for r in newest if not r.deleted})),
        "account_key": next((str(r.account) for r in newest if r.account), ""),
        "last_touch_at": max(touches, default=None),
        "last_human_at": max(talks, default=None),
    }


def _enrich(
    lead: LeadState, records: Sequence[CrmRecord], now: datetime, decision: Decision
) -> Mapping[str, Fact]:
    """Facts of the embedded provider; asked again only when what it starts from has changed."""
    known: dict[str, FieldValue] = {}
    for record in sorted(records, key=lambda r: r.modified_at, reverse=True):
        for name in _ENRICHED_FROM:
            if name in record.fields and not record.deleted:
                known.setdefault(name, record.fields[name])
    text = json.dumps({name: str(value) for name, value in sorted(known.items())})
    input_hash = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    if input_hash == lead.enrichment_hash:
        return lead.enrichment
    provider = EmbeddedEnrichment()
    started = perf_counter()
    answer = provider.enrich(known)
    spent_ms = (perf_counter() - started) * 1_000
    decision.enrichments.append(
        EnrichmentWrite(
            lead.id,
            provider.name,
            answer.status,
            now,
            spent_ms,
            answer.facts,
            answer.message,
            input_hash,
        )
    )
    return answer.facts if answer.status == "success" else {}


def _decision_point(
    lead: LeadState,
    records: Sequence[CrmRecord],
    accounts: Mapping[RecordKey, Account],
    extra: Mapping[str, Fact],
    policy: Policy,
    now: datetime,
) -> DecisionPoint | None:
    """The score as of a fixed time after creation, from what had happened by then."""
    at = lead.created_at + DECISION_DELAY
    if now < at:
        return None
    engagements = [e for e in lead.engagements.values() if e.occurred_at <= at]
    facts = build_facts(records, accounts, extra, at, past=True)
    score = policy.scorer.score(facts, engagements, at)
    return None if score.suppressed else DecisionPoint(at, score.value, score.band)


# -- what goes back ----------------------------------------------------------------------------


def shown_points(milli: int) -> float:
    """Points as people and CRMs see them: one decimal, cut off."""
    return milli // 100 / 10 if milli >= 0 else -(-milli // 100 / 10)


def _outbox(
    lead: LeadState, score: Score, policy: Policy, now: datetime
) -> tuple[OutboxWrite, ...]:
    """Write-backs for every live record whose stored score differs materially."""
    payload = {
        "score": shown_points(score.value),
        "band": score.band,
        "fit": shown_points(score.dimensions["fit"]),
        "engagement": shown_points(score.dimensions["engagement"]),
        "intent": shown_points(score.dimensions["intent"]),
        "confidence": confidence(score),
        "reasons": summary(score),
        "next_step": score.next_step,
        "scored_at": score.now.isoformat(),
        "rule_set": f"{policy.rule_set_version} ({score.rule_set_hash[:8]})",
    }
    writes = []
    for key, record in lead.records.items():
        if not _is_written(lead, record):
            continue
        written, waiting = lead.written.get(key), lead.waiting.get(key)
        banded = written is not None and written.band != score.band
        material = (
            written is None or banded or abs(written.value - score.value) >= (policy.write_points)
        )
        if not material and waiting is None:
            continue
        if waiting == score.value and not banded:
            continue  # this very value waits already
        first = written is None and waiting is None
        writes.append(
            OutboxWrite(
                record=key,
                payload=payload,
                value=score.value,
                band=score.band,
                first=first,
                priority=2 if first else 1 if banded else 0,
                due_at=now if first or banded else now + policy.write_wait,
            )
        )
    return tuple(writes)


def _immaterial(
    lead: LeadState, score: Score, outbox: Sequence[OutboxWrite], policy: Policy
) -> tuple[int, int]:
    """The values that differ materially neither from the score nor from what any CRM holds."""
    renewed = {write.record for write in outbox} | set(lead.waiting)
    known = [score.value]
    for key, record in lead.records.items():
        written = lead.written.get(key)
        if written is not None and key not in renewed and _is_written(lead, record):
            known.append(written.value)
    return max(known) - policy.write_points + 1, min(known) + policy.write_points - 1


def _is_written(lead: LeadState, record: CrmRecord) -> bool:
    """Whether the record carries a score of ours."""
    if record.deleted or record.merged_into is not None:
        return False
    return not _converted_elsewhere(lead, record)


def _converted_elsewhere(lead: LeadState, record: CrmRecord) -> bool:
    """A converted Salesforce Lead is read-only; its score belongs to the Contact it became."""
    return record.key.kind == "lead" and any(
        link.kind == "contact" and link in lead.records for link in record.links
    )


def _scoring_failed(lead: LeadState, error: Exception) -> Problem:
    record = min(lead.records, default=None)
    return Problem(
        "scoring_failed",
        f"This lead could not be scored ({type(error).__name__}). It keeps its place here until "
        "its data or the rule is corrected.",
        detail=f"{type(error).__name__}: {error}",
        record=record,
    )
