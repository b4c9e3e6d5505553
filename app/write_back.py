"""What goes back into the CRMs: the scores that differ materially from what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.policy import Policy
from data.store import LeadState, OutboxWrite
from scoring.explain import confidence, summary
from scoring.leads import CrmRecord
from scoring.scores import Score


def shown_points(milli: int) -> float:
    """Points as people and CRMs see them: one decimal, cut off."""
    return milli // 100 / 10 if milli >= 0 else -(-milli // 100 / 10)


def outbox_of(
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


def immaterial(
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
