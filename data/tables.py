"""Every table, one class each. Times are aware UTC; points are whole milli-points.

Rows are written in bulk through `table.__table__`; the classes are the single definition of what a
row holds, for migrations, types and reading.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Index,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


class Utc(TypeDecorator[datetime]):
    """An instant: refuses naive times going in, gives aware UTC coming out, on any database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value.isoformat()}: give it a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JsonType = JSON().with_variant(JSONB(), "postgresql")


def _json() -> Any:
    return Field(sa_column=Column(JsonType, nullable=False))


def _at(*, optional: bool = False, index: bool = False) -> Any:
    column: Column[datetime] = Column(Utc(), nullable=optional, index=index)
    return Field(default=None, sa_column=column) if optional else Field(sa_column=column)


def _text() -> Any:
    return Field(default="", sa_column=Column(Text(), nullable=False))


#: Leads that belong on the list: scored, not suppressed, not merged away, not deleted.
LISTED = text("band IS NOT NULL AND merged_into_id IS NULL AND NOT deleted")
MERGED = text("merged_into_id IS NOT NULL")
WAITING = text("waits_for <> ''")
LISTED_BY = {
    "score": ("score_value", "id"),
    "band": ("band", "score_value", "id"),
    "newest": ("created_at", "id"),
    "touch": ("last_touch_at", "id"),
    "owner": ("owner",),
    "source": ("source",),
    "country": ("country",),
    "crms": ("crms",),
}


class Lead(SQLModel, table=True):
    """One person over all CRMs, with the current score beside what is shown of them."""

    __tablename__ = "lead"
    __table_args__ = (
        *(
            # what the list sorts, filters and counts by, without the leads it never shows
            Index(f"ix_lead_listed_{name}", *columns, sqlite_where=LISTED, postgresql_where=LISTED)
            for name, columns in LISTED_BY.items()
        ),
        # only the few that are: else SQLite takes it for finding all leads that are not
        Index("ix_lead_merged", "merged_into_id", sqlite_where=MERGED, postgresql_where=MERGED),
        Index("ix_lead_rules", "rule_set_hash", "id"),
        Index("ix_lead_waiting", "score_value", sqlite_where=WAITING, postgresql_where=WAITING),
    )

    id: int | None = Field(default=None, primary_key=True)
    name: str = _text()
    email: str = _text()
    phone: str = _text()
    company: str = _text()
    domain: str = _text()
    country: str = _text()
    job_title: str = _text()
    owner: str = _text()
    source: str = _text()
    crms: str = _text()
    account_key: str = _text()
    search_text: str = _text()
    created_at: datetime = _at(index=True)
    seen_at: datetime = _at()
    #: False for leads that a connection's first read brought: their latency says nothing
    live: bool = True
    first_scored_at: datetime | None = _at(optional=True)
    first_written_at: datetime | None = _at(optional=True)
    last_touch_at: datetime | None = _at(optional=True)
    last_human_at: datetime | None = _at(optional=True)
    merged_into_id: int | None = Field(default=None, foreign_key="lead.id")
    deleted: bool = False
    facts: dict[str, Any] = _json()

    score_value: int | None = None
    score_low: int | None = None
    score_high: int | None = None
    band: str | None = None
    band_certain: bool = False
    scoring_mode: str = ""
    scored_at: datetime | None = _at(optional=True)
    band_entered_at: datetime | None = _at(optional=True)
    fit: int = 0
    engagement: int = 0
    intent: int = 0
    reasons: list[str] = _json()
    contributions: list[Any] = _json()
    next_step: str = _text()
    rule_set_hash: str = ""
    inputs_hash: str = ""
    suppressed: str = _text()
    disqualified: str = _text()
    #: when the score is looked at again if nothing happens; empty: time alone never changes it
    due_at: datetime | None = _at(optional=True, index=True)
    #: the band it comes to if nothing happens ("" = no longer scored), and when
    next_band: str = ""
    next_band_at: datetime | None = _at(optional=True)
    #: better bands that the score is enough for but that have no room, best first, between spaces
    waits_for: str = ""

    decision_at: datetime | None = _at(optional=True)
    decision_value: int | None = None
    decision_band: str | None = None


class Identity(SQLModel, table=True):
    """What finds a lead again: an e-mail address, a phone number, a CRM record."""

    __tablename__ = "identity"

    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    lead_id: int = Field(foreign_key="lead.id", index=True)


class CrmRecordRow(SQLModel, table=True):
    """One CRM record as last read, and what we last wrote into it."""

    __tablename__ = "crm_record"

    key: str = Field(primary_key=True)
    crm: str
    kind: str
    record_id: str
    lead_id: int = Field(foreign_key="lead.id", index=True)
    fingerprint: str
    fields: dict[str, Any] = _json()
    raw: dict[str, str] = _json()
    account_key: str = Field(default="", index=True)
    links: list[str] = _json()
    created_at: datetime = _at()
    modified_at: datetime = _at()
    seen_at: datetime = _at()
    merged_into: str = ""
    deleted: bool = False
    url: str = _text()
    written_value: int | None = None
    written_band: str | None = None
    written_at: datetime | None = _at(optional=True)


class AccountRow(SQLModel, table=True):
    """One company of one CRM."""

    __tablename__ = "account"

    key: str = Field(primary_key=True)
    fields: dict[str, Any] = _json()
    modified_at: datetime = _at()


class EngagementRow(SQLModel, table=True):
    """One behavioural event; `lead_id` is empty until somebody is known to own it."""

    __tablename__ = "engagement"
    __table_args__ = (Index("ix_engagement_lead", "lead_id", "occurred_at"),)

    key: str = Field(primary_key=True)
    lead_id: int | None = Field(default=None, foreign_key="lead.id")
    record_key: str = Field(default="", index=True)
    email: str = Field(default="", index=True)
    kind: str
    occurred_at: datetime = _at()
    detail: dict[str, str] = _json()
    seen_at: datetime = _at()


class LeadInput(SQLModel, table=True):
    """What scoring reads of a lead besides its engagements, short enough to be read of everybody.

    Rows stay when a lead is merged, deleted or erased, without facts: that tells whoever keeps
    columns (`data.columns`) that it is gone. So nothing here refers to the lead by foreign key.
    """

    __tablename__ = "lead_input"

    lead_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    version: int = Field(index=True)  # InputChange of the latest change of facts or engagements
    facts: str | None = Field(sa_column=Column(Text(), nullable=True))  # `data.inputs`


class InputChange(SQLModel, table=True):
    """One transaction that changed inputs; versions count up in the order of commits.

    The token tells two histories with the same versions apart: another database, or one restored
    from a backup.
    """

    __tablename__ = "input_change"

    version: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    token: str


class OutcomeRow(SQLModel, table=True):
    """How a lead ended."""

    __tablename__ = "outcome"

    key: str = Field(primary_key=True)
    lead_id: int | None = Field(default=None, foreign_key="lead.id", index=True)
    record_key: str = Field(index=True)
    kind: str
    occurred_at: datetime = _at()
    amount: float | None = None
    seen_at: datetime = _at()


class ScoreLog(SQLModel, table=True):
    """Every score that changed, with what it was computed from: enough to compute it again."""

    __tablename__ = "score_log"
    __table_args__ = (Index("ix_score_log_lead", "lead_id", "scored_at"),)

    id: int | None = Field(default=None, primary_key=True)
    lead_id: int = Field(foreign_key="lead.id")
    scored_at: datetime = _at(index=True)
    value: int
    low: int
    high: int
    band: str
    previous_band: str = ""
    #: what decided the band besides the score (`data.plain.situation_to_json`)
    situation: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JsonType, nullable=True)
    )
    scoring_mode: str
    cause: str
    rule_set_hash: str
    engine_version: str
    model_version: str = ""
    inputs: str = Field(sa_column=Column(Text(), nullable=False))
    contributions: list[Any] = _json()


class BandEntry(SQLModel, table=True):
    """A lead came into a band with a capacity; those of the last days say what room is left."""

    __tablename__ = "band_entry"

    id: int | None = Field(default=None, primary_key=True)
    band: str
    owner: str = _text()
    lead_id: int = Field(foreign_key="lead.id", index=True)
    entered_at: datetime = _at(index=True)


class BandThreshold(SQLModel, table=True):
    """Where a band with a capacity is entered now (`scoring.capacity.moved_thresholds`)."""

    __tablename__ = "band_threshold"

    queue: str = Field(primary_key=True)  # of `scoring.capacity.queue_of`
    threshold: int  # milli-points
    moved_at: datetime = _at()


class Outbox(SQLModel, table=True):
    """What waits to be written into a CRM: the newest value per record only."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_due", "crm", "state", "due_at"),)

    record_key: str = Field(primary_key=True)
    crm: str
    lead_id: int = Field(foreign_key="lead.id")
    payload: dict[str, Any] = _json()
    value: int
    band: str
    first: bool = False
    priority: int = 0
    version: int = 1
    state: str = "pending"  # pending, sending, rejected
    attempts: int = 0
    due_at: datetime = _at()
    created_at: datetime = _at()
    message: str = _text()


class ExceptionItem(SQLModel, table=True):
    """Something doubtful that a person settles."""

    __tablename__ = "exception_item"
    __table_args__ = (Index("ix_exception_item_open", "state", "kind"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    message: str = _text()
    detail: str = _text()
    lead_id: int | None = Field(default=None, foreign_key="lead.id", index=True)
    record_key: str = Field(default="", index=True)
    field: str = ""
    value: str = _text()
    dedupe_key: str | None = Field(default=None, unique=True)  # empty once resolved
    state: str = "open"
    owner: str = "ops"
    resolution: str = _text()
    resolved_by: str = ""
    created_at: datetime = _at(index=True)
    last_seen_at: datetime = _at()
    occurrences: int = 1
    resolved_at: datetime | None = _at(optional=True)


class RuleSetRow(SQLModel, table=True):
    """One version of the rules."""

    __tablename__ = "rule_set"

    id: int | None = Field(default=None, primary_key=True)
    version: int = Field(unique=True)
    hash: str = Field(unique=True)
    name: str
    document: str = Field(sa_column=Column(Text(), nullable=False))
    state: str = "draft"  # draft, active, retired
    note: str = _text()
    created_at: datetime = _at()
    activated_at: datetime | None = _at(optional=True)


class CursorRow(SQLModel, table=True):
    """How far a stream has been read; moves only together with the rows it stands for."""

    __tablename__ = "cursor"

    crm: str = Field(primary_key=True)
    stream: str = Field(primary_key=True)
    position: str = Field(default="", sa_column=Column(Text(), nullable=False))
    moved_at: datetime = _at()
    complete: bool = False  # the first read has reached the present
    progress: float | None = None


class JobRow(SQLModel, table=True):
    """One repeated job and when it is due."""

    __tablename__ = "job"

    name: str = Field(primary_key=True)
    label: str = ""
    every_seconds: float
    due_at: datetime = _at()
    started_at: datetime | None = _at(optional=True)
    finished_at: datetime | None = _at(optional=True)
    ok: bool | None = None
    message: str = _text()
    runs: int = 0
    failing_since: datetime | None = _at(optional=True)


class JobRun(SQLModel, table=True):
    """One run of a job that did something or failed."""

    __tablename__ = "job_run"
    __table_args__ = (Index("ix_job_run_job", "job", "started_at"),)

    id: int | None = Field(default=None, primary_key=True)
    job: str
    started_at: datetime = _at()
    finished_at: datetime | None = _at(optional=True)
    ok: bool | None = None
    message: str = _text()
    items: int = 0


class Enrichment(SQLModel, table=True):
    """One attempt to learn more about a lead."""

    __tablename__ = "enrichment"
    __table_args__ = (Index("ix_enrichment_lead", "lead_id", "started_at"),)

    id: int | None = Field(default=None, primary_key=True)
    lead_id: int = Field(foreign_key="lead.id")
    provider: str
    status: str  # success, no_match, failed
    started_at: datetime = _at(index=True)
    finished_at: datetime = _at()
    latency_ms: float
    facts: dict[str, Any] = _json()
    message: str = _text()
    input_hash: str = ""


class ConnectionRow(SQLModel, table=True):
    """One connected CRM and how it is doing."""

    __tablename__ = "connection"

    crm: str = Field(primary_key=True)
    label: str = ""
    account: str = ""
    state: str = "new"  # new, ready, degraded, auth_failed, waiting
    message: str = _text()
    checked_at: datetime | None = _at(optional=True)
    provisioned_at: datetime | None = _at(optional=True)
    backfilled_at: datetime | None = _at(optional=True)
    calls: int = 0


class Worker(SQLModel, table=True):
    """A worker's sign of life."""

    __tablename__ = "worker"

    name: str = Field(primary_key=True)
    pid: int
    started_at: datetime = _at()
    beat_at: datetime = _at()


def table(row: type[SQLModel]) -> Table:
    """The Core table of a row class."""
    found = row.__table__  # type: ignore[attr-defined]
    assert isinstance(found, Table)
    return found
