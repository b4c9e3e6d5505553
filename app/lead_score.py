"""What a lead is worth: what is known of it, its score, its band, and when to look again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

from app.policy import Policy
from app.write_back import immaterial, outbox_of
from connectors.enrichment import EmbeddedEnrichment
from data.metrics import DECISION_DELAY
from data.store import Decision, DecisionPoint, EnrichmentWrite, LeadState, LeadWrite
from scoring.bands import BandState, Situation
from scoring.capacity import Entry, Placement, Standing
from scoring.engine import inputs_to_json
from scoring.facts import build_facts, message_facts
from scoring.identity import identity_keys
from scoring.leads import (
    HUMAN_CONTACT_KINDS,
    PASSIVE_KINDS,
    Account,
    CrmRecord,
    Engagement,
    FieldValue,
    RecordKey,
)
from scoring.scores import Fact, Score

_ENRICHED_FROM = ("email", "phone", "website")


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a lead's score is computed from, as of one instant."""

    lead: LeadState
    merged_from: tuple[int, ...]
    cause: str
    extra: Mapping[str, Fact]  # from enrichment and messages
    facts: Mapping[str, Fact]
    engagements: tuple[Engagement, ...]

    @property
    def state(self) -> BandState | None:
        """The band that the lead was in."""
        last = self.lead.last
        if last is None or not last.band:
            return None
        return BandState(last.band, last.band_entered_at or last.scored_at)

    @property
    def owner(self) -> str:
        """Who works the lead."""
        return str(self.facts["owner"].value) if "owner" in self.facts else ""


def is_gone(lead: LeadState) -> bool:
    """Whether no record of the lead is left."""
    return all(r.deleted or r.merged_into is not None for r in lead.records.values())


def known_of(
    lead: LeadState,
    merged_from: tuple[int, ...],
    cause: str,
    accounts: Mapping[RecordKey, Account],
    now: datetime,
    decision: Decision,
) -> Known:
    """Gather what is known; an enrichment that was asked goes into the decision."""
    records = tuple(lead.records.values())
    extra = dict(_enrich(lead, records, now, decision))
    extra |= message_facts(records, lead.engagements.values())
    facts = build_facts(records, accounts, extra, now)
    return Known(lead, merged_from, cause, extra, facts, tuple(lead.engagements.values()))


def standing_of(known: Known, policy: Policy, now: datetime) -> Standing:
    """The lead as admission to bands sees it."""
    tally = policy.scorer.tally(known.facts, known.engagements, now)
    value = None if tally.suppressed else tally.value
    capped = tally.disqualified is not None
    return Standing(known.lead.id, value, known.state, capped, known.owner)


def scored(
    known: Known,
    placement: Placement,
    moved: Mapping[str, int],
    accounts: Mapping[RecordKey, Account],
    policy: Policy,
    now: datetime,
) -> LeadWrite:
    """The lead with its score in the band of its placement. `moved`: where bands are entered."""
    lead, facts, engagements = known.lead, known.facts, known.engagements
    situation = Situation(known.state, moved, placement.waits_for)
    score = policy.scorer.score(facts, engagements, now, situation=situation)
    last = lead.last
    changed = (
        last is None
        or bool(known.merged_from)
        or (last.value, last.band, last.suppressed) != (score.value, score.band, score.suppressed)
        or last.rule_set_hash != score.rule_set_hash
    )
    outbox = outbox_of(lead, score, policy, now) if not score.suppressed else ()
    entered = bool(score.band) and (known.state is None or known.state.band != score.band)
    state = BandState(score.band, now) if entered else known.state if score.band else None
    outlook = policy.scorer.outlook(
        facts,
        engagements,
        now,
        state,
        moved=moved,
        full=placement.waits_for,
        within=immaterial(lead, score, outbox, policy),
    )
    decides_at = lead.created_at + DECISION_DELAY
    due = [at for at in (outlook.due_at, decides_at) if at is not None and at > now]
    limited = {band.key for band in policy.scorer.rule_set.bands if band.capacity is not None}
    return written(
        lead,
        known.merged_from,
        known.cause,
        facts,
        score,
        log=changed,
        inputs=inputs_to_json(facts, engagements) if changed else "",
        outbox=outbox,
        situation=situation,
        waits_for=placement.waits_for,
        entry=Entry(score.band, now, known.owner) if entered and score.band in limited else None,
        due_at=min(due, default=None),
        next_band=(outlook.change.band, outlook.change.at) if outlook.change else None,
        decision=_decision_point(known, accounts, policy, now) if decides_at <= now else None,
    )


def written(
    lead: LeadState,
    merged_from: tuple[int, ...],
    cause: str,
    facts: Mapping[str, Fact],
    score: Score | None,
    **rest: Any,
) -> LeadWrite:
    """How the lead is after the decision; `rest` are LeadWrite's other fields."""
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
    known: Known, accounts: Mapping[RecordKey, Account], policy: Policy, now: datetime
) -> DecisionPoint | None:
    """The score as of a fixed time after creation, from what had happened by then."""
    lead = known.lead
    at = lead.created_at + DECISION_DELAY
    engagements = [e for e in known.engagements if e.occurred_at <= at]
    facts = build_facts(tuple(lead.records.values()), accounts, known.extra, at, past=True)
    score = policy.scorer.score(facts, engagements, at)
    return None if score.suppressed else DecisionPoint(at, score.value, score.band)
