"""The store: every write is one named method and one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, select, text, update

from data import outbox, schedule
from data.admission import (
    limited_bands,
    move_thresholds,
    on_other_rules,
    read_admission,
    waiting_leads,
)
from data.bulk_scores import ScoreRow, save_scores
from data.database import open_engine, reading, writing
from data.exceptions import (
    close_corrected,
    close_granted,
    close_trouble,
    is_granted,
    raise_exceptions,
    resolve_exception,
    trouble,
)
from data.migrate import migrate, pending_migrations
from data.page import move_cursor, save_accounts, save_decision
from data.plain import cleaned_page
from data.recall import (
    LEAD,
    RECORD,
    changed_records,
    load_leads,
    new_engagements,
    new_outcomes,
    newer_accounts,
    news,
    recall,
)
from data.rows import upsert
from data.schedule import JobPlan, JobState
from data.states import (
    Admission,
    CursorMove,
    CursorMoved,
    Decision,
    DecisionPoint,
    EnrichmentWrite,
    Incoming,
    LastScore,
    LeadState,
    LeadWrite,
    OutboxEntry,
    OutboxWrite,
    PageReport,
    Recall,
    Settled,
    Written,
)
from data.tables import ConnectionRow, CursorRow, RuleSetRow, table
from scoring.problems import Problem
from scoring.rule_set import RuleSet
from scoring.rules import parse_rule_set

__all__ = [
    "Admission",
    "CursorMove",
    "CursorMoved",
    "Decision",
    "DecisionPoint",
    "EnrichmentWrite",
    "Incoming",
    "JobPlan",
    "JobState",
    "LastScore",
    "LeadState",
    "LeadWrite",
    "OutboxEntry",
    "OutboxWrite",
    "PageReport",
    "Recall",
    "Settled",
    "Store",
    "Written",
]

#: So many of those who wait for room come with a page at most.
WAITING_LIMIT = 200
CONNECTION, CURSOR, RULES = table(ConnectionRow), table(CursorRow), table(RuleSetRow)


class Store:
    """One database. Safe to share between threads; every method opens its own transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, migrate: bool = False) -> Store:
        """Open by URL (see `data.database.open_engine`); with `migrate`, bring it up to date."""
        store = cls(open_engine(url))
        if migrate:
            store.migrate()
        return store

    def migrate(self) -> None:
        """Bring the tables up to date; safe to call by several processes at once."""
        migrate(self.engine)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def check(self) -> str:
        """ "ok", or what is wrong with the database, in words."""
        try:
            with reading(self.engine) as connection:
                connection.execute(text("SELECT 1"))
            waiting = pending_migrations(self.engine)
        except Exception as error:  # every driver has its own; all mean "cannot be used"
            said = str(getattr(error, "orig", None) or error).strip().splitlines()
            return f"The database cannot be read: {said[0] if said else type(error).__name__}."
        return f"The tables are not up to date: {waiting}" if waiting else "ok"

    # -- pages ---------------------------------------------------------------------------------

    def commit_page(
        self,
        incoming: Incoming,
        *,
        now: datetime,
        decide: Callable[[Recall], Decision],
        cursor: CursorMove | None = None,
        rule_set: RuleSet | None = None,
        write_points: int = 0,
    ) -> PageReport:
        """Save one page with everything it causes and its cursor, or nothing of it.

        1. The cursor moves by compare-and-set (CursorMoved when another reader was faster).
        2. What is known and unchanged drops out; what the rest touches is recalled.
        3. `decide` (pure) says who is who and what they score.
        4. Everything is written and committed together.

        A problem of a record that has not changed is an echo: it was raised when it changed. One
        that a record no longer has is closed. An older version of what is stored changes nothing.

        With a `rule_set` that has bands with a capacity, the best of those who wait for one with
        room come with the page: who comes in is decided among all of them. `write_points`: by how
        much (milli-points) a stored score may be out.
        """
        incoming = cleaned_page(incoming)
        with writing(self.engine, alone=True) as connection:
            if cursor is not None:
                move_cursor(connection, cursor, now)
            records, old_records = changed_records(connection, incoming.records)
            companies, accounts, old_accounts = newer_accounts(connection, incoming.accounts)
            problems = news(incoming, [*records, *companies.values()])
            engagements = new_engagements(connection, incoming.engagements)
            outcomes = new_outcomes(connection, incoming.outcomes)
            save_accounts(connection, companies.values())
            decision = Decision()
            if records or accounts or engagements or outcomes or incoming.also_leads:
                admission = Admission()
                if rule_set is not None and limited_bands(rule_set):
                    admission = read_admission(connection, rule_set, now)
                    waiting = waiting_leads(
                        connection, rule_set, admission, now, write_points, WAITING_LIMIT
                    )
                    incoming = replace(incoming, also_leads=[*incoming.also_leads, *waiting])
                recalled = recall(
                    connection, incoming, records, accounts, engagements, outcomes, admission
                )
                decision = decide(recalled)
                save_decision(connection, decision, recalled, set(engagements), now)
            read = {record.key for record in incoming.records} - old_records
            read |= {account.key for account in incoming.accounts} - old_accounts
            close_corrected(connection, read, incoming.problems, now)
            raise_exceptions(connection, [(problem, None) for problem in problems], now)
        return PageReport(
            records=len(incoming.records),
            changed=len(records),
            engagements=len(engagements),
            outcomes=len(outcomes),
            leads=len(decision.leads),
            created=sum(write.state.new for write in decision.leads),
            merged=sum(len(write.merged_from) for write in decision.leads),
            problems=len(problems) + len(decision.problems),
        )

    def cursor(self, crm: str, stream: str) -> tuple[str, bool]:
        """A stream's position ("" = nothing read yet) and whether its first read is complete."""
        with reading(self.engine) as connection:
            row = connection.execute(
                select(CURSOR).where(CURSOR.c.crm == crm, CURSOR.c.stream == stream)
            ).first()
        return (row.position, row.complete) if row else ("", False)

    def lead(self, lead_id: int) -> LeadState | None:
        """One lead with all that its score is made of; merged leads lead to their survivor."""
        with reading(self.engine) as connection:
            found = load_leads(connection, [lead_id])
        return next(iter(found.values()), None)

    def due_leads(self, now: datetime, limit: int) -> list[int]:
        """Leads that time has changed, the longest due first, of these the best."""
        order = LEAD.c.due_at, LEAD.c.score_value.desc()
        return self._lead_ids((LEAD.c.due_at <= now,), order, limit)

    def waiting_leads(
        self, rule_set: RuleSet, write_points: int, now: datetime, limit: int
    ) -> list[int]:
        """The best of those who wait for a band that has room."""
        if not limited_bands(rule_set):
            return []
        with reading(self.engine) as connection:
            admission = read_admission(connection, rule_set, now)
            return waiting_leads(connection, rule_set, admission, now, write_points, limit)

    def move_thresholds(self, rule_set: RuleSet, write_points: int, now: datetime) -> int:
        """Set the thresholds of bands with a capacity anew; returns how many have moved."""
        with writing(self.engine, alone=True) as connection:
            return move_thresholds(connection, rule_set, write_points, now)

    def leads_on_other_rules(self, rule_set_hash: str, limit: int) -> list[int]:
        """Leads whose score is of another rule set, the highest scores first."""
        order = (LEAD.c.score_value.desc(),)
        return self._lead_ids(on_other_rules(rule_set_hash), order, limit)

    def _lead_ids(self, conditions: Sequence[Any], order: Sequence[Any], limit: int) -> list[int]:
        live = (LEAD.c.merged_into_id.is_(None), LEAD.c.deleted.is_(False))
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(LEAD.c.id).where(*conditions, *live).order_by(*order).limit(limit)
            )
            return [row.id for row in rows]

    def save_scores(self, scores: Iterable[ScoreRow], now: datetime) -> None:
        """Put the scores of many leads in their place at once (`data.bulk_scores`)."""
        with writing(self.engine, alone=True) as connection:
            save_scores(connection, scores, now)

    # -- write-back ----------------------------------------------------------------------------

    def take_outbox(self, crm: str, limit: int, now: datetime) -> list[OutboxEntry]:
        """Due write-backs of one CRM, most valuable first, marked as being sent."""
        with writing(self.engine, alone=True) as connection:
            return outbox.take(connection, crm, limit, now)

    def interrupted_outbox(self, crm: str, limit: int) -> list[OutboxEntry]:
        """Write-backs that a dead worker may or may not have sent."""
        with reading(self.engine) as connection:
            return outbox.interrupted(connection, crm, limit)

    def settle(self, results: Sequence[Settled], now: datetime) -> None:
        """Record what became of write-backs: done, later, rejected (an exception) or gone."""
        with writing(self.engine, alone=True) as connection:
            outbox.settle(connection, results, now)

    # -- exceptions ----------------------------------------------------------------------------

    def raise_exceptions(
        self, problems: Sequence[Problem], now: datetime, owner: str = "ops"
    ) -> int:
        """Put problems into the queue, each once while it is open; returns how many differ."""
        with writing(self.engine, alone=True) as connection:
            return raise_exceptions(connection, [(p, None) for p in problems], now, owner)

    def settle_trouble(self, crm: str, wheres: Collection[str], now: datetime) -> tuple[int, int]:
        """Close what failed at `wheres` and works again; how much that was, and what is left."""
        with reading(self.engine) as connection:
            open_items = trouble(connection, crm)
        settled = [item.id for item in open_items if item.field in wheres]
        if settled:
            with writing(self.engine, alone=True) as connection:
                close_trouble(connection, settled, now)
        return len(settled), len(open_items) - len(settled)

    def check_permissions(self, crm: str, problems: Sequence[Problem], now: datetime) -> None:
        """Raise what a check of the CRM found missing, and close what it does not any more."""
        own = [replace(problem, value=crm) for problem in problems]
        with writing(self.engine, alone=True) as connection:
            close_granted(connection, crm, own, now)
            raise_exceptions(connection, [(problem, None) for problem in own], now)

    def is_granted(self, crm: str) -> bool:
        """Whether the CRM's last check found every permission there."""
        with reading(self.engine) as connection:
            return is_granted(connection, crm)

    def resolve_exception(self, item_id: int, resolution: str, by: str, now: datetime) -> bool:
        """Close an open exception; False when somebody else already did."""
        with writing(self.engine) as connection:
            return resolve_exception(connection, item_id, resolution, by, now)

    # -- connections and rules -----------------------------------------------------------------

    def set_connection(self, crm: str, **values: Any) -> None:
        """Note how a connection is doing; columns that are not named stay as they are."""
        with writing(self.engine) as connection:
            known = connection.execute(
                update(CONNECTION).where(CONNECTION.c.crm == crm).values(**values)
            )
            if known.rowcount == 0:
                fresh = {"crm": crm, "label": crm, "account": "", "state": "new", "message": ""}
                upsert(connection, CONNECTION, [{**fresh, "calls": 0, **values}])

    def connection_state(self, crm: str) -> Any | None:
        """The stored row of one connection."""
        with reading(self.engine) as connection:
            return connection.execute(select(CONNECTION).where(CONNECTION.c.crm == crm)).first()

    def active_rule_set(self) -> Any | None:
        """The rule set in force: version, hash, name, document."""
        with reading(self.engine) as connection:
            return connection.execute(select(RULES).where(RULES.c.state == "active")).first()

    def activate_rule_set(
        self, document: str, rule_set_hash: str, name: str, note: str, now: datetime
    ) -> int:
        """Put a rule set in force and retire the one before; returns its version number.

        Raises ValueError, and changes nothing, for a document that is broken or not of this hash.
        """
        rules, problems = parse_rule_set(document)
        if rules is None or rules.hash != rule_set_hash:
            reason = str(problems[0]) if problems else "the document is not of this hash"
            raise ValueError(f"These rules cannot be put in force: {reason}")
        with writing(self.engine) as connection:
            known = connection.execute(select(RULES).where(RULES.c.hash == rule_set_hash)).first()
            connection.execute(
                update(RULES).where(RULES.c.state == "active").values(state="retired")
            )
            if known is not None:
                connection.execute(
                    update(RULES)
                    .where(RULES.c.id == known.id)
                    .values(state="active", activated_at=now, note=note)
                )
                return int(known.version)
            version = (connection.execute(select(func.max(RULES.c.version))).scalar() or 0) + 1
            connection.execute(
                RULES.insert().values(
                    version=version,
                    hash=rule_set_hash,
                    name=name,
                    document=document,
                    state="active",
                    note=note,
                    created_at=now,
                    activated_at=now,
                )
            )
            return int(version)

    # -- jobs ----------------------------------------------------------------------------------

    def declare_jobs(self, plans: Sequence[JobPlan], now: datetime) -> None:
        """Make the job table match the program; due times of known jobs stay."""
        with writing(self.engine) as connection:
            schedule.declare(connection, plans, now)

    def due_jobs(self, now: datetime) -> list[str]:
        """Names of jobs whose time has come, the longest overdue first."""
        with reading(self.engine) as connection:
            return schedule.due(connection, now)

    def make_due(self, name: str, now: datetime) -> None:
        """Let a job run at once instead of at its time."""
        with writing(self.engine) as connection:
            schedule.make_due(connection, name, now)

    def start_job(self, name: str, now: datetime) -> int | None:
        """Claim a due job; None when it is not due or another worker claimed it."""
        with writing(self.engine) as connection:
            return schedule.start(connection, name, now)

    def finish_job(
        self,
        run_id: int,
        *,
        ok: bool,
        message: str,
        items: int,
        now: datetime,
        due_at: datetime | None = None,
    ) -> JobState:
        """Close a run; returns how the job stood before it."""
        with writing(self.engine) as connection:
            return schedule.finish(
                connection, run_id, ok=ok, message=message, items=items, now=now, due_at=due_at
            )

    def close_interrupted_runs(self, now: datetime) -> int:
        """At start: close what a dead worker left open and make those jobs due at once."""
        with writing(self.engine) as connection:
            return schedule.close_interrupted(connection, now)

    def beat(self, worker: str, pid: int, now: datetime) -> None:
        """Note that the worker is alive."""
        with writing(self.engine) as connection:
            schedule.beat(connection, worker, pid, now)

    def heartbeat(self) -> tuple[int, datetime] | None:
        """Process id and time of the last sign of life of any worker."""
        with reading(self.engine) as connection:
            return schedule.heartbeat(connection)

    def record_leads(self, keys: Sequence[str]) -> dict[str, int]:
        """Which lead owns each CRM record."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(RECORD.c.key, RECORD.c.lead_id).where(RECORD.c.key.in_(list(keys)))
            )
            return {row.key: row.lead_id for row in rows}
