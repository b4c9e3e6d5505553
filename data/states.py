"""What passes between the store and the pipeline: what a page touches, and what was decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scoring.bands import Situation
from scoring.capacity import Entry
from scoring.leads import Account, CrmRecord, Engagement, Outcome, RecordKey
from scoring.problems import Problem
from scoring.scores import Fact, Score


class CursorMoved(Exception):
    """Somebody else moved this cursor: their page counts, ours is dropped; read on from theirs."""


@dataclass(frozen=True, slots=True)
class CursorMove:
    """From where to where a stream's cursor goes, in the page's own transaction."""

    crm: str
    stream: str
    before: str
    after: str
    complete: bool = False  # the first read has reached the present
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """One page in our own words; `also_leads` are looked at although nothing of theirs came."""

    records: Sequence[CrmRecord] = ()
    accounts: Sequence[Account] = ()
    engagements: Sequence[Engagement] = ()
    outcomes: Sequence[Outcome] = ()
    problems: Sequence[Problem] = ()
    also_leads: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class LastScore:
    """The score a lead has now."""

    value: int
    low: int
    high: int
    band: str
    band_entered_at: datetime | None
    scored_at: datetime
    rule_set_hash: str
    inputs_hash: str
    suppressed: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a CRM record holds of ours."""

    value: int
    band: str
    written_at: datetime


@dataclass
class LeadState:
    """One lead with everything that its score is made of."""

    id: int
    created_at: datetime
    seen_at: datetime
    live: bool = True
    new: bool = False
    records: dict[RecordKey, CrmRecord] = field(default_factory=dict)
    engagements: dict[str, Engagement] = field(default_factory=dict)  # by key
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    first_scored_at: datetime | None = None
    last: LastScore | None = None
    written: dict[RecordKey, Written] = field(default_factory=dict)
    waiting: dict[RecordKey, int] = field(default_factory=dict)  # value in the outbox, per record
    enrichment: dict[str, Fact] = field(default_factory=dict)
    enrichment_hash: str = ""

    def absorb(self, other: LeadState) -> None:
        """Take over everything of a lead that turned out to be the same person."""
        self.records.update(other.records)
        self.engagements.update(other.engagements)
        self.outcomes.update(other.outcomes)
        self.written.update(other.written)
        self.waiting.update(other.waiting)
        self.created_at = min(self.created_at, other.created_at)
        self.seen_at = min(self.seen_at, other.seen_at)
        self.live = self.live and other.live
        scored = [at for at in (self.first_scored_at, other.first_scored_at) if at is not None]
        self.first_scored_at = min(scored, default=None)


@dataclass(frozen=True, slots=True)
class Admission:
    """What decides who comes into bands with a capacity."""

    entries: tuple[Entry, ...] = ()  # of the last 7 days
    moved: Mapping[str, int] = field(default_factory=dict)  # thresholds that have moved, by queue
    closed: tuple[str, ...] = ()  # bands that let nobody in while scores are not comparable


@dataclass(frozen=True, slots=True)
class Recall:
    """Everything stored that a page touches, together with what is new in it."""

    leads: Mapping[int, LeadState]
    identities: Mapping[tuple[str, str], int]
    records: tuple[CrmRecord, ...]  # only those whose content changed
    accounts: Mapping[RecordKey, Account]
    #: new ones, and earlier ones that waited for somebody this page may bring
    engagements: tuple[Engagement, ...]
    outcomes: tuple[Outcome, ...]
    new_lead_id: Callable[[], int]
    admission: Admission = field(default_factory=Admission)


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """A lead's score as of its decision instant, for honest conversion numbers."""

    at: datetime
    value: int
    band: str


@dataclass(frozen=True, slots=True)
class EnrichmentWrite:
    """One attempt to learn more about a lead."""

    lead_id: int
    provider: str
    status: str
    started_at: datetime
    latency_ms: float
    facts: Mapping[str, Fact]
    message: str
    input_hash: str


@dataclass(frozen=True, slots=True)
class OutboxWrite:
    """A score that is to be written into one CRM record."""

    record: RecordKey
    payload: Mapping[str, Any]  # the fields of connectors.base.ScoreWrite but `record`, as JSON
    value: int
    band: str
    first: bool
    priority: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class LeadWrite:
    """How a lead is after the decision."""

    state: LeadState
    columns: Mapping[str, Any]  # shown columns: name, email, …, last_touch_at, last_human_at
    identities: Sequence[tuple[str, str]]
    facts: Mapping[str, Fact]
    score: Score | None
    cause: str
    log: bool = False  # the score changed: keep it with its inputs
    inputs: str = ""
    outbox: Sequence[OutboxWrite] = ()
    merged_from: Sequence[int] = ()
    situation: Situation | None = None  # what decided the band besides the score
    waits_for: Sequence[str] = ()
    entry: Entry | None = None  # into a band with a capacity
    due_at: datetime | None = None
    next_band: tuple[str, datetime] | None = None
    decision: DecisionPoint | None = None
    deleted: bool = False


@dataclass
class Decision:
    """Everything a page causes."""

    leads: list[LeadWrite] = field(default_factory=list)
    problems: list[tuple[Problem, int | None]] = field(default_factory=list)
    enrichments: list[EnrichmentWrite] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PageReport:
    """What one page came to."""

    records: int = 0  # read
    changed: int = 0  # of these, with new content
    engagements: int = 0  # new
    outcomes: int = 0  # new
    leads: int = 0  # scored
    created: int = 0
    merged: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One waiting write-back, taken to be sent."""

    record: RecordKey
    lead_id: int
    payload: Mapping[str, Any]
    value: int
    band: str
    first: bool
    version: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one write-back."""

    record: RecordKey
    version: int
    status: str  # "done", "later", "rejected", "gone", "return" (was never sent)
    message: str = ""
    retry_at: datetime | None = None
    moved_to: RecordKey | None = None
