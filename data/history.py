"""What a backtest reads: every lead with its facts as they became known, and all that happened.

Old facts come from the score log, which keeps what each score was computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, select

from data.database import reading
from data.plain import engagement_from_row, facts_from_json, outcome_from_row
from data.recall import ENGAGEMENT, LEAD, OUTCOME
from data.store import CONNECTION, Store
from data.tables import ScoreLog, table
from scoring.history import LEFT_OUT, History, LeadHistory, Version, history_of
from scoring.inputs import GROWING_FACTS, facts_of_inputs
from scoring.scores import Fact

LOG = table(ScoreLog)
#: Rows that are fetched at a time.
BATCH = 5_000

FactTypes = Iterable[tuple[str, str]]


def read_history(store: Store, fact_types: FactTypes, *, todays_facts: bool = False) -> History:
    """Every living lead; a fact is unknown until a logged score was computed from it.

    What a first read brings counts as learned then, although its record is older: whether a record
    was touched again tells how its lead ended. `todays_facts`: take the facts as they are now for
    all times instead, but those that move with the outcome or count up.
    """
    wanted = [(name, kind) for name, kind in fact_types if name not in LEFT_OUT]
    with reading(store.engine) as connection, ExitStack() as open_cursors:
        return history_of(_leads(connection, open_cursors, wanted, todays_facts), wanted)


def data_end(store: Store, now: datetime) -> datetime:
    """How far the data are complete: the worker's last sign of life, `now` where there is none."""
    beat = store.heartbeat()
    return now if beat is None else min(now, beat[1])


def _leads(
    connection: Connection,
    open_cursors: ExitStack,
    fact_types: Sequence[tuple[str, str]],
    todays_facts: bool,
) -> Iterator[LeadHistory]:
    def streamed(statement: Select[Any]) -> Iterable[Any]:
        rows = connection.execution_options(yield_per=BATCH).execute(statement)
        open_cursors.callback(rows.close)
        return rows

    first_reads = {
        row.crm: row.backfilled_at
        for row in connection.execute(select(CONNECTION.c.crm, CONNECTION.c.backfilled_at))
        if row.backfilled_at is not None
    }
    names = [name for name, _ in fact_types]
    alive = LEAD.c.merged_into_id.is_(None), LEAD.c.deleted.is_(False)
    columns = LEAD.c.id, LEAD.c.created_at, LEAD.c.facts
    leads = streamed(select(*columns).where(*alive).order_by(LEAD.c.id))
    inputs = LOG.c.lead_id, LOG.c.scored_at, LOG.c.inputs
    in_time = select(*inputs).order_by(LOG.c.lead_id, LOG.c.scored_at, LOG.c.id)
    logs = _ByLead(streamed(in_time))
    events, outcomes = _ByLead(streamed(_owned(ENGAGEMENT))), _ByLead(streamed(_owned(OUTCOME)))
    for row in leads:
        happened = events.of(row.id)
        yield LeadHistory(
            row.id,
            row.created_at,
            _todays(names, row.facts) if todays_facts else _versions(names, logs.of(row.id)),
            [engagement_from_row(event) for event in happened],
            [outcome_from_row(ending) for ending in outcomes.of(row.id)],
            {event.key: event.seen_at for event in happened if _came_later(event, first_reads)},
        )


def _owned(source: Any) -> Select[Any]:
    return select(source).where(source.c.lead_id.is_not(None)).order_by(source.c.lead_id)


def _came_later(event: Any, first_reads: Mapping[str, datetime]) -> bool:
    """Whether we know when we learned of it: a first read brings all of the past at once."""
    read_at = first_reads.get(event.key.partition(":")[0])
    return read_at is not None and event.seen_at > read_at


class _ByLead:
    """Rows in the order of their leads, handed out lead by lead."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._groups = groupby(rows, attrgetter("lead_id"))
        self._next = next(self._groups, None)

    def of(self, lead_id: int) -> list[Any]:
        """The rows of a lead; each call asks for a later one."""
        while self._next is not None and self._next[0] < lead_id:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != lead_id:
            return []
        found = list(self._next[1])
        self._next = next(self._groups, None)
        return found


def _todays(names: Sequence[str], stored: Mapping[str, Any]) -> dict[str, list[Version]]:
    """One version of each fact, for all times."""
    facts = facts_from_json(stored)
    return {name: [Version(facts[name])] for name in names if name in facts}


def _versions(names: Sequence[str], logged: Sequence[Any]) -> dict[str, list[Version]]:
    """Each fact as the log saw it change.

    What the lead's row says today is left out: when it was learned would depend on when the lead
    was looked at last.
    """
    found: dict[str, list[Version]] = {name: [] for name in names}
    for entry in logged:
        facts = facts_of_inputs(entry.inputs)
        for name, versions in found.items():
            last, fact = (versions[-1].fact if versions else None), facts.get(name)
            if _same(name, last, fact):
                continue
            if fact is not None and name in GROWING_FACTS:  # a lead's creation is known with it
                versions.append(Version(fact, fact.at))
            else:
                since = None if fact is None else fact.at
                versions.append(Version(fact, since, entry.scored_at))
    return found


def _same(name: str, last: Fact | None, fact: Fact | None) -> bool:
    if last is None or fact is None:
        return last is fact
    return last.at == fact.at if name in GROWING_FACTS else last.value == fact.value
