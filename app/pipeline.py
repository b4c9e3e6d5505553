"""The record's trip as units of work; `app.jobs` only repeats them.

Each pass does one bounded piece, says what it did, and says whether there is more. Calls to a CRM
happen outside transactions; everything a page causes is saved in one, with its cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from app.decide import Policy, decide
from app.work import Job, JobOutcome
from connectors.base import (
    AuthFailed,
    ConnectorError,
    Crm,
    RateLimited,
    ScoreWrite,
    Stream,
    WriteResult,
)
from data.store import (
    CursorMove,
    CursorMoved,
    Decision,
    Incoming,
    OutboxEntry,
    PageReport,
    Recall,
    Settled,
    Store,
)
from scoring.engine import compile_rule_set
from scoring.problems import Problem
from scoring.rules import default_rule_set, parse_rule_set

log = structlog.get_logger(__name__)

#: A pass stops after this many pages and comes back, so that one stream never starves the others.
PAGES_A_PASS = 20
_CONNECTING, _WRITING = "checking the connection", "writing scores"
WRITE_BATCH = 200
RESCORE_BATCH = 200
CHECK_EVERY_SECONDS = 600.0
_MISSING = "Something is missing: see the exceptions"
WRITE_EVERY_SECONDS = 5.0
RESCORE_EVERY_SECONDS = 30.0
THRESHOLDS, THRESHOLDS_EVERY_SECONDS = "thresholds", 3_600.0
#: Streams of records of people, which a first read leaves for last (docs/decisions.md, 2).
PEOPLE = frozenset({"contacts", "leads"})
_FIRST_RETRY = timedelta(minutes=1)
_LONGEST_RETRY = timedelta(hours=1)


@dataclass
class Pipeline:
    """The passes over one store, its CRMs and the active rule set."""

    store: Store
    crms: Sequence[Crm]
    clock: Callable[[], datetime]
    poll_seconds: float = 15.0
    write_wait: timedelta = timedelta(seconds=30)  # later scores are gathered this long
    _policy: Policy | None = field(default=None, init=False)
    _streams: dict[str, Sequence[Stream]] = field(default_factory=dict, init=False)
    _read_once: set[str] = field(default_factory=set, init=False)

    # -- rules ---------------------------------------------------------------------------------

    def policy(self) -> Policy:
        """The active rule set, compiled once per version; a new store gets the default rules."""
        row = self.store.active_rule_set()
        if row is None:
            rules = default_rule_set()
            self.store.activate_rule_set(
                rules.document, rules.hash, rules.name, "Shipped with Leadlight", self.clock()
            )
            return self.policy()
        if self._policy is None or self._policy.scorer.rule_set.hash != row.hash:
            parsed, problems = parse_rule_set(row.document)
            if parsed is None:
                raise ValueError(f"The active rule set cannot be read: {problems[0].message}")
            self._policy = Policy(
                compile_rule_set(parsed),
                rule_set_version=row.version,
                write_wait=self.write_wait,
            )
        return self._policy

    # -- jobs ----------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """Everything the worker repeats, in the order in which it matters."""
        jobs: list[Job] = []
        for crm in self.crms:
            label = crm.name.capitalize() if crm.name != "hubspot" else "HubSpot"
            jobs.append(
                Job(
                    f"connect:{crm.name}",
                    f"{label}: check the connection and our fields",
                    CHECK_EVERY_SECONDS,
                    partial(self.connect, crm),
                )
            )
            jobs.append(
                Job(
                    f"first-read:{crm.name}",
                    f"{label}: first read of everything",
                    self.poll_seconds,
                    partial(self.first_read, crm),
                )
            )
            jobs.extend(
                Job(
                    _poll_name(crm, stream),
                    f"{label}: {stream.label[0].lower()}{stream.label[1:]}",
                    self.poll_seconds * stream.every,
                    partial(self.poll, crm, stream),
                )
                for stream in self.streams(crm)
            )
            jobs.append(
                Job(
                    f"write:{crm.name}",
                    f"{label}: write scores",
                    WRITE_EVERY_SECONDS,
                    partial(self.write_back, crm),
                )
            )
        jobs.append(Job("rescore", "Rescore what is due", RESCORE_EVERY_SECONDS, self.rescore))
        jobs.append(
            Job(
                THRESHOLDS,
                "Move the thresholds of bands with a capacity",
                THRESHOLDS_EVERY_SECONDS,
                self.move_thresholds,
            )
        )
        return jobs

    def streams(self, crm: Crm) -> Sequence[Stream]:
        """The CRM's streams, asked once."""
        if crm.name not in self._streams:
            self._streams[crm.name] = tuple(crm.streams())
        return self._streams[crm.name]

    # -- connect -------------------------------------------------------------------------------

    def connect(self, crm: Crm, now: datetime) -> JobOutcome:
        """Check the connection and create our own fields where they are missing."""
        try:
            report = crm.provision()
        except ConnectorError as error:
            return self._failed(crm, error, now, _CONNECTING)
        well = self._recovered(crm, now, _CONNECTING)
        self.store.set_connection(
            crm.name,
            account=report.account,
            state="ready" if report.ok and well else "degraded",
            message=" ".join(problem.message for problem in report.problems),
            checked_at=now,
            provisioned_at=now,
            calls=crm.calls,
        )
        self.store.check_permissions(crm.name, report.problems, now)
        return JobOutcome("Ready" if report.ok else _MISSING, 0)

    # -- read ----------------------------------------------------------------------------------

    def first_read(self, crm: Crm, now: datetime) -> JobOutcome:
        """Read everything once: companies, engagements and outcomes first, people last."""
        waiting = [
            stream
            for stream in self.streams(crm)
            if not self.store.cursor(crm.name, stream.name)[1]
        ]
        if not waiting:
            row = self.store.connection_state(crm.name)
            if row is None or row.backfilled_at is None:
                self.store.set_connection(crm.name, backfilled_at=now)
                for stream in self.streams(crm):  # some are polled rarely and gave up waiting
                    self.store.make_due(_poll_name(crm, stream), now)
            return JobOutcome()
        waiting.sort(key=lambda stream: stream.name in PEOPLE)
        outcome = self._read(crm, waiting[0], now)
        return JobOutcome(
            f"{waiting[0].label}: {outcome.message}",
            outcome.items,
            again=outcome.ok,
            ok=outcome.ok,
            wait_seconds=outcome.wait_seconds,
        )

    def poll(self, crm: Crm, stream: Stream, now: datetime) -> JobOutcome:
        """Read what changed in one stream, once the CRM's first read is over."""
        if not self._first_read_is_over(crm):
            return JobOutcome("Waits for the first read")
        connection = self.store.connection_state(crm.name)
        return self._read(crm, stream, now, connection.backfilled_at if connection else None)

    def _first_read_is_over(self, crm: Crm) -> bool:
        """Whether every stream has been read to its end once; what is true once stays true."""
        if crm.name not in self._read_once and all(
            self.store.cursor(crm.name, stream.name)[1] for stream in self.streams(crm)
        ):
            self._read_once.add(crm.name)
        return crm.name in self._read_once

    def _read(
        self, crm: Crm, stream: Stream, now: datetime, live_since: datetime | None = None
    ) -> JobOutcome:
        """Up to `PAGES_A_PASS` pages of one stream, each saved with its cursor."""
        total, calls = PageReport(), crm.calls
        for _ in range(PAGES_A_PASS):
            position, complete = self.store.cursor(crm.name, stream.name)
            try:
                page = crm.changes(stream.name, position, now)
            except ConnectorError as error:
                return self._failed(crm, error, now, stream.label)
            move = CursorMove(
                crm.name,
                stream.name,
                position,
                page.next_cursor,
                complete=complete or not page.more,
                progress=page.progress,
            )
            incoming = Incoming(
                page.records,
                page.accounts,
                page.engagements,
                page.outcomes,
                page.problems,
            )
            cause = "changed" if page.records or page.accounts else "engagement"
            try:
                report = self._commit(incoming, cause, move, live_since)
            except CursorMoved:
                return JobOutcome("Another reader was faster", 0, again=True)
            total = _sum(total, report)
            if not page.more:
                if crm.calls != calls:  # a stream that had nothing to ask proves nothing
                    self._recovered(crm, now, stream.label)
                return JobOutcome(_words(total), _items(total))
        return JobOutcome(_words(total), _items(total), again=True)

    def _commit(
        self,
        incoming: Incoming,
        cause: str,
        move: CursorMove | None = None,
        live_since: datetime | None = None,
    ) -> PageReport:
        seen_at = self.clock()
        policy = self.policy()

        def decision(recall: Recall) -> Decision:
            # scored when its turn came: waiting for the database is part of the latency
            now = self.clock()
            return decide(recall, policy, now, cause, seen_at=seen_at, live_since=live_since)

        return self.store.commit_page(
            incoming,
            now=seen_at,
            decide=decision,
            cursor=move,
            rule_set=policy.scorer.rule_set,
            write_points=policy.write_points,
        )

    # -- keep current --------------------------------------------------------------------------

    def rescore(self, now: datetime) -> JobOutcome:
        """Score again what time has changed, what is on older rules, and who may come in now."""
        policy = self.policy()
        rules, store = policy.scorer.rule_set, self.store
        outdated = store.leads_on_other_rules(rules.hash, RESCORE_BATCH)
        for cause, leads in (
            ("time", store.due_leads(now, RESCORE_BATCH)),
            ("rules", outdated),
            ("room", store.waiting_leads(rules, policy.write_points, now, RESCORE_BATCH)),
        ):
            if leads:
                self._commit(Incoming(also_leads=leads), cause)
                if cause == "rules" and len(leads) < RESCORE_BATCH:
                    store.make_due(THRESHOLDS, now)
                return JobOutcome(f"{len(leads)} leads", len(leads), again=True)
        return JobOutcome()

    def move_thresholds(self, now: datetime) -> JobOutcome:
        """Set the thresholds of bands with a capacity by who came in the last weeks."""
        policy = self.policy()
        moved = self.store.move_thresholds(policy.scorer.rule_set, policy.write_points, now)
        return JobOutcome(f"{moved} thresholds moved" if moved else "", moved)

    # -- write ---------------------------------------------------------------------------------

    def write_back(self, crm: Crm, now: datetime) -> JobOutcome:
        """Send what waits for one CRM, most valuable first, and settle each record.

        What was being sent when a worker died is looked up in the CRM before anything is sent
        again: a score is written once.
        """
        if not self._writable(crm):
            return JobOutcome("Waits for the connection")
        try:
            self._settle_interrupted(crm)
            entries = self.store.take_outbox(crm.name, WRITE_BATCH, self.clock())
            if not entries:
                return JobOutcome()
            counts = self._send(crm, entries)
        except ConnectorError as error:
            return self._failed(crm, error, now, _WRITING)
        self._recovered(crm, now, _WRITING)
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        return JobOutcome(words, len(entries), again=len(entries) == WRITE_BATCH)

    def _writable(self, crm: Crm) -> bool:
        row = self.store.connection_state(crm.name)
        return row is not None and row.provisioned_at is not None and row.state != "auth_failed"

    def _settle_interrupted(self, crm: Crm) -> None:
        while entries := self.store.interrupted_outbox(crm.name, WRITE_BATCH):
            there = crm.already_written([_score_write(entry) for entry in entries])
            self.store.settle(
                [
                    Settled(e.record, e.version, "done" if e.record in there else "return")
                    for e in entries
                ],
                self.clock(),
            )

    def _send(self, crm: Crm, entries: Sequence[OutboxEntry]) -> dict[str, int]:
        try:
            results = crm.write_scores([_score_write(entry) for entry in entries])
        except RateLimited as error:
            self._return(entries, timedelta(seconds=error.retry_after_seconds))
            raise
        except AuthFailed:
            self._return(entries, timedelta(0))
            raise
        by_record = {result.record: result for result in results}
        now = self.clock()
        settled = [
            _settled(
                entry,
                by_record.get(entry.record, WriteResult(entry.record, "later", "No answer")),
                now,
            )
            for entry in entries
        ]
        self.store.settle(settled, now)
        counts: dict[str, int] = {}
        for result in settled:
            counts[result.status] = counts.get(result.status, 0) + 1
        return counts

    def _return(self, entries: Iterable[OutboxEntry], wait: timedelta) -> None:
        now = self.clock()
        self.store.settle(
            [Settled(e.record, e.version, "return", retry_at=now + wait) for e in entries], now
        )

    # -- trouble -------------------------------------------------------------------------------

    def _failed(self, crm: Crm, error: ConnectorError, now: datetime, doing: str) -> JobOutcome:
        """A CRM said no: note it where people look, and say when to come back."""
        if isinstance(error, RateLimited):
            self.store.set_connection(
                crm.name, state="waiting", message=str(error), calls=crm.calls
            )
            return JobOutcome(str(error), 0, ok=True, wait_seconds=error.retry_after_seconds)
        kind = state = "auth_failed"
        where = crm.name  # one refused sign-in, however many streams meet it
        if not isinstance(error, AuthFailed):
            kind, state, where = "bad_response", "degraded", _where(crm, doing)
        self.store.set_connection(
            crm.name, state=state, message=str(error), checked_at=now, calls=crm.calls
        )
        problem = Problem(kind, f"{where}: {error}", detail=error.detail, field=where)
        self.store.raise_exceptions([problem], now)
        return JobOutcome(str(error), 0, ok=False)

    def _recovered(self, crm: Crm, now: datetime, doing: str) -> bool:
        """A call went well: settle what had failed there; whether all of the CRM is well now."""
        places = {crm.name, _where(crm, doing)}
        settled, left = self.store.settle_trouble(crm.name, places, now)
        row = self.store.connection_state(crm.name)
        was_ill = row is not None and (settled or row.state in ("waiting", "auth_failed"))
        if row is not None and was_ill and not left:
            state, message = "ready", ""
            if row.provisioned_at is None:
                state = "new"
            elif not self.store.is_granted(crm.name):
                state, message = "degraded", _MISSING
            self.store.set_connection(crm.name, state=state, message=message, calls=crm.calls)
            log.info("connection recovered", crm=crm.name)
        elif row is not None and crm.calls != row.calls:
            self.store.set_connection(crm.name, calls=crm.calls)
        return not left


def _score_write(entry: OutboxEntry) -> ScoreWrite:
    payload = dict(entry.payload)
    scored_at = datetime.fromisoformat(payload.pop("scored_at"))
    return ScoreWrite(record=entry.record, scored_at=scored_at, **payload)


def _settled(entry: OutboxEntry, result: WriteResult, now: datetime) -> Settled:
    wait = min(_FIRST_RETRY * 4**entry.attempts, _LONGEST_RETRY)
    return Settled(
        record=entry.record,
        version=entry.version,
        status=result.status,
        message=result.message,
        retry_at=now + wait if result.status == "later" else None,
        moved_to=result.moved_to,
    )


def _sum(one: PageReport, other: PageReport) -> PageReport:
    return PageReport(
        records=one.records + other.records,
        changed=one.changed + other.changed,
        engagements=one.engagements + other.engagements,
        outcomes=one.outcomes + other.outcomes,
        leads=one.leads + other.leads,
        created=one.created + other.created,
        merged=one.merged + other.merged,
        problems=one.problems + other.problems,
    )


def _items(report: PageReport) -> int:
    return report.changed + report.engagements + report.outcomes


def _where(crm: Crm, doing: str) -> str:
    return f"{crm.name}, {doing.lower()}"


def _poll_name(crm: Crm, stream: Stream) -> str:
    return f"poll:{crm.name}:{stream.name}"


def _words(report: PageReport) -> str:
    parts = [
        (report.changed, "changed record", "changed records"),
        (report.engagements, "new engagement", "new engagements"),
        (report.outcomes, "outcome", "outcomes"),
        (report.leads, "lead scored", "leads scored"),
        (report.merged, "joined", "joined"),
    ]
    said = (f"{count:,} {one if count == 1 else more}" for count, one, more in parts if count)
    return ", ".join(said) or "nothing new"
