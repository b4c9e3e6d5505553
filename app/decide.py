"""The decision inside a page's transaction: who is who, what is known, what it is worth.

Pure: everything it needs is in the `Recall`, everything it wants is in the `Decision`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.lead_score import Known, is_gone, known_of, scored, standing_of, written
from app.policy import Policy
from data.store import Decision, LeadState, Recall
from scoring.capacity import Placement, Standing, place, thresholds_for
from scoring.identity import identify
from scoring.leads import RecordKey
from scoring.problems import Problem

__all__ = ["Policy", "decide"]

#: Where no band has a capacity, nobody waits.
ANYWHERE = Placement(None)


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
    2. Every touched lead is scored from all its records and engagements; bands with a capacity let
       in the best of them.
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
    admission, rule_set = recall.admission, policy.scorer.rule_set
    limited = any(band.capacity is not None for band in rule_set.bands)
    known: list[Known] = []
    standings: list[Standing] = []
    for lead in leads.values():
        merged_from = folded.get(lead.id, ())
        why = "new" if lead.last is None else "merge" if merged_from else cause
        if is_gone(lead):
            decision.leads.append(written(lead, merged_from, why, {}, None, deleted=True))
            continue
        try:
            one = known_of(lead, merged_from, why, recall.accounts, now, decision)
            if limited:
                standings.append(standing_of(one, policy, now))
            known.append(one)
        except Exception as error:  # the lead steps aside with its reason; the page commits
            _step_aside(decision, lead, merged_from, why, error)
    placements, _ = place(
        rule_set,
        standings,
        admission.entries,
        now,
        moved=admission.moved,
        closed=admission.closed,
    )
    for one in known:
        moved = thresholds_for(rule_set, admission.moved, one.owner)
        try:
            placed = placements.get(one.lead.id, ANYWHERE)
            decision.leads.append(scored(one, placed, moved, recall.accounts, policy, now))
        except Exception as error:
            _step_aside(decision, one.lead, one.merged_from, one.cause, error)
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


def _step_aside(
    decision: Decision,
    lead: LeadState,
    merged_from: tuple[int, ...],
    cause: str,
    error: Exception,
) -> None:
    decision.problems.append((_scoring_failed(lead, error), lead.id))
    decision.leads.append(written(lead, merged_from, cause, {}, None))


def _scoring_failed(lead: LeadState, error: Exception) -> Problem:
    record = min(lead.records, default=None)
    return Problem(
        "scoring_failed",
        f"This lead could not be scored ({type(error).__name__}). It keeps its place here until "
        "its data or the rule is corrected.",
        detail=f"{type(error).__name__}: {error}",
        record=record,
    )
