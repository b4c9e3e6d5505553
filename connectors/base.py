"""The port every CRM adapter fills, and the errors it may raise.

ConnectorError
├── AuthFailed         a person must act: the connection stops until they do
├── RateLimited        wait `retry_after_seconds`, then go on from the same cursor
├── TransientFailure   try again later from the same cursor; nothing is lost
└── RecordRejected     this one record cannot be written; the rest of the batch goes on

Anything else that escapes an adapter is a bug: it is raised and shown, never retried blindly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from scoring.leads import Account, CrmRecord, Engagement, Outcome, RecordKey
from scoring.problems import Problem


class ConnectorError(Exception):
    """Something went wrong with a CRM: read the message and act on it."""

    def __init__(self, message: str = "", *, detail: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.detail = detail  # for the log and the "details" fold; never holds a secret


class AuthFailed(ConnectorError):
    """The CRM refused our credentials: enter valid ones for this connection."""


class RateLimited(ConnectorError):
    """The CRM asked us to slow down: polling resumes by itself after the pause."""

    def __init__(self, message: str = "", *, retry_after_seconds: float, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after_seconds = retry_after_seconds


class TransientFailure(ConnectorError):
    """The CRM did not answer properly: we try again by ourselves, look at it if it lasts."""


class RecordRejected(ConnectorError):
    """The CRM refused this record: correct what the message names, then retry."""

    def __init__(self, message: str = "", *, record: RecordKey, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.record = record


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of thing a CRM lets us poll, and how often relative to the poll interval."""

    name: str  # "contacts", "companies", "emails", "leads", "tasks", …
    label: str
    every: int = 1  # polled once every `every` poll intervals
    required: bool = True  # False: skipped with a named problem where the account lacks it


@dataclass(frozen=True, slots=True)
class Page:
    """One page of changes in our own words, with the cursor to store with it."""

    records: tuple[CrmRecord, ...] = ()
    accounts: tuple[Account, ...] = ()
    engagements: tuple[Engagement, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[Problem, ...] = ()
    next_cursor: str = ""  # opaque text of the adapter's; stored in the same transaction
    more: bool = False  # True: call again at once with next_cursor
    progress: float | None = None  # 0 to 1 while a first read runs, where it can be known


@dataclass(frozen=True, slots=True)
class ScoreWrite:
    """What goes back into the CRM for one record: our own fields only."""

    record: RecordKey
    score: float  # 0 to 100, one decimal (truncated as `points_text` shows it)
    band: str  # the band's key, e.g. "hot"
    fit: float
    engagement: float
    intent: float
    confidence: str  # "certain", "likely", "uncertain"
    reasons: str  # a short plain-text summary, at most 1,000 characters
    next_step: str
    scored_at: datetime
    rule_set: str  # version and hash, e.g. "3 (a1b2c3d4)"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What the CRM said about one record of a batch."""

    record: RecordKey
    status: str  # "done", "later" (try again), "rejected" (a person must act), "gone" (deleted)
    message: str = ""
    moved_to: RecordKey | None = None  # merged or converted: write there from now on


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A next step to create in the CRM, once; `key` makes a replay recognisable."""

    key: str
    record: RecordKey
    subject: str
    body: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found: the account's name, whether writing works, and what is missing."""

    account: str = ""
    ok: bool = True
    problems: tuple[Problem, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


class Crm(Protocol):
    """One connected CRM. Every method may raise the four errors above and nothing else.

    An adapter counts its HTTP calls in `calls` (a running total), for the API budget.
    """

    name: str
    calls: int

    def streams(self) -> Sequence[Stream]:
        """What can be polled, people first: records, then accounts, engagements, outcomes."""
        ...

    def check(self) -> CheckReport:
        """Prove sign-in, permissions and our own fields; every gap is a named problem."""
        ...

    def provision(self) -> CheckReport:
        """Create our own score fields where they are missing; safe to call again."""
        ...

    def changes(self, stream: str, cursor: str, now: datetime) -> Page:
        """The next page of `stream` after `cursor` ("" = from the beginning)."""
        ...

    def write_scores(self, batch: Sequence[ScoreWrite]) -> list[WriteResult]:
        """Write a batch of any size; one result per record, in any order."""
        ...

    def already_written(self, batch: Sequence[ScoreWrite]) -> set[RecordKey]:
        """Which of these records already hold exactly this score and time (after a crash)."""
        ...

    def create_task(self, task: TaskDraft) -> str:
        """Create the task and return its id in the CRM."""
        ...

    def record_url(self, record: RecordKey) -> str:
        """Where a person opens this record in the CRM."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
