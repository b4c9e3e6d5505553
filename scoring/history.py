"""What was known of many leads, and since when: the columns of any instant of the past.

A fact is kept as versions, an engagement with the time at which we learned of it. What was not
known at an instant is not in that instant's columns at all, so nothing later can change a score.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from scoring.columns import (
    NEVER,
    Coded,
    Codes,
    Column,
    Columns,
    Dates,
    Integers,
    Log,
    Numbers,
    What,
    columns_of,
)
from scoring.criteria import DETAILS
from scoring.facts import FACTS
from scoring.inputs import in_order, microseconds
from scoring.leads import HUMAN_CONTACT_KINDS, Engagement, Outcome
from scoring.operators import fold
from scoring.scores import Fact

#: Of what never happened, or is not known to have.
FOREVER = int(np.iinfo(np.int64).max)
#: What our side does first with a lead: it tries, or it has a person of theirs before it.
TOUCHES = HUMAN_CONTACT_KINDS | {"email_sent", "call_missed"}
SUCCESSES = frozenset({"converted", "won"})
#: Facts that no past instant may see: they move with the outcome, or count up without a date.
LEFT_OUT = frozenset(n for n, fact in FACTS.items() if fact.outcome_dependent or fact.grows)


@dataclass(frozen=True, slots=True)
class Version:
    """A fact from `at` on, as far as we knew at `known_at`; `fact` None = it was taken away.

    Without `at` it was always so; without `known_at` it is taken as known as soon as it was so.
    """

    fact: Fact | None
    at: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """One lead, everything that ever was; versions in the order in which they became true."""

    lead: int
    created_at: datetime
    facts: Mapping[str, Sequence[Version]] = field(default_factory=dict)
    engagements: Sequence[Engagement] = ()
    outcomes: Sequence[Outcome] = ()
    #: when we learned of engagements, by key; those that are not named: when they happened
    known_at: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Versions:
    """One fact of many leads: lead i has the versions offsets[i] to offsets[i+1], oldest first."""

    offsets: Integers
    since: Integers  # true and known from then on
    column: Column  # a row for each version

    def at(self, leads: Integers, instants: Integers) -> Column:
        """The newest version that each of `leads` had at its instant, as a column."""
        rows, owner = rows_of(self.offsets, leads)
        then = self.since[rows] <= instants[owner]
        newest = np.full(len(leads), -1, np.int64)
        newest[owner[then]] = rows[then]  # in order, so the last one stays
        return taken(self.column, newest)


@dataclass(frozen=True, slots=True)
class History:
    """Many leads as columns in time."""

    ids: Integers  # a number of each lead's own
    created_at: Integers
    first_touch_at: Integers  # FOREVER: never
    decided_at: Integers  # the first outcome of any kind; FOREVER: open
    won_at: Integers  # the first success
    facts: Mapping[str, Versions]
    log: Log
    known_at: Integers | None  # for each row of the log; None: as soon as it happened

    def __len__(self) -> int:
        return len(self.ids)

    def as_of(self, leads: Integers, instants: Integers) -> Columns:
        """What was known of `leads` (positions, repeated as often as wanted) at one instant each.

        Score them at the same instants: ages and time frames are counted from there.
        """
        facts = {name: versions.at(leads, instants) for name, versions in self.facts.items()}
        return Columns(len(leads), facts, self._log_of(leads, instants))

    def _log_of(self, leads: Integers, instants: Integers) -> Log:
        rows, owner = rows_of(self.log.offsets, leads)
        latest = instants[owner]
        then = self.log.at[rows] <= latest
        if self.known_at is not None:
            then &= self.known_at[rows] <= latest
        kept = rows[then]
        offsets = np.zeros(len(leads) + 1, np.int64)
        np.cumsum(np.bincount(owner[then], minlength=len(leads)), out=offsets[1:])
        return Log(offsets, self.log.at[kept], self.log.what[kept], self.log.whats)


def rows_of(offsets: Integers, leads: Integers) -> tuple[Integers, Integers]:
    """All rows of some leads one after the other, and for each the position of its lead."""
    starts, counts = offsets[leads], offsets[leads + 1] - offsets[leads]
    owner = np.repeat(np.arange(len(leads)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(owner)) + (starts - before)[owner], owner


def taken(column: Column, rows: Integers) -> Column:
    """A column of these rows; -1 = unknown."""
    unknown = rows < 0
    if isinstance(column, Coded):
        return Coded(
            np.where(unknown, 0, _rows(column.codes, rows)).astype(np.int32), column.values
        )
    if isinstance(column, Numbers):
        return Numbers(np.where(unknown, np.nan, _rows(column.values, rows)))
    return Dates(np.where(unknown, NEVER, _rows(column.at, rows)), column.growing)


def _rows(array_: NDArray[np.generic], rows: Integers) -> NDArray[np.generic]:
    return array_[rows] if len(array_) else np.zeros(len(rows), array_.dtype)


# -- from single leads ---------------------------------------------------------------------------


def history_of(
    leads: Iterable[LeadHistory],
    fact_types: Iterable[tuple[str, str]],
    *,
    left_out: Collection[str] = LEFT_OUT,
) -> History:
    """Columns in time of leads given one by one, with the facts of a rule set.

    Facts that are `left_out` stay unknown at every instant. Leads are not kept: they may stream.
    """
    kinds = {name: kind for name, kind in fact_types if name not in left_out}
    facts = {name: _FactBuilder() for name in kinds}
    log = _LogBuilder()
    moments: list[tuple[int, int, int, int, int]] = []
    for lead in leads:
        for name, builder in facts.items():
            builder.add(lead.facts.get(name, ()))
        touched_at = log.add(lead)
        ended = [(microseconds(o.occurred_at), o.kind in SUCCESSES) for o in lead.outcomes]
        decided_at = min((at for at, _ in ended), default=FOREVER)
        won_at = min((at for at, won in ended if won), default=FOREVER)
        created_at = microseconds(lead.created_at)
        moments.append((lead.lead, created_at, touched_at, decided_at, won_at))
    table = np.array(moments, np.int64).reshape(len(moments), 5)
    ids, created, touched, decided, won = (np.ascontiguousarray(part) for part in table.T)
    built = {name: builder.built(name, kinds[name]) for name, builder in facts.items()}
    return History(ids, created, touched, decided, won, built, *log.built())


class _FactBuilder:
    """Versions of one fact, lead after lead."""

    def __init__(self) -> None:
        self._offsets, self._since = array("q", [0]), array("q")
        self._facts: list[Fact | None] = []

    def add(self, versions: Sequence[Version]) -> None:
        for version in versions:
            clocks = [microseconds(at) for at in (version.at, version.known_at) if at is not None]
            self._since.append(max(clocks, default=int(NEVER)))
            self._facts.append(version.fact)
        self._offsets.append(len(self._since))

    def built(self, name: str, kind: str) -> Versions:
        rows = ({} if fact is None else {name: fact} for fact in self._facts)
        column = columns_of(((row, ()) for row in rows), [(name, kind)]).facts[name]
        return Versions(np.array(self._offsets), np.array(self._since), column)


class _LogBuilder:
    """The log of engagements, lead after lead."""

    def __init__(self) -> None:
        self._offsets, self._at, self._known_at = array("q", [0]), array("q"), array("q")
        self._what = array("i")
        self._positions: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._two_clocks = False

    def add(self, lead: LeadHistory) -> int:
        """Take a lead's engagements; when it was touched first, FOREVER if never."""
        first_touch_at = FOREVER
        for at, key, event in in_order(lead.engagements):
            if event.kind in TOUCHES and first_touch_at == FOREVER:
                first_touch_at = at
            known_at = lead.known_at.get(key)
            self._at.append(at)
            self._known_at.append(at if known_at is None else microseconds(known_at))
            self._what.append(self._position(event))
            self._two_clocks |= known_at is not None
        self._offsets.append(len(self._at))
        return first_touch_at

    def _position(self, event: Engagement) -> int:
        detail = tuple((n, fold(event.detail[n])) for n in DETAILS if n in event.detail)
        return self._positions.setdefault((event.kind, detail), len(self._positions))

    def built(self) -> tuple[Log, Integers | None]:
        whats: tuple[What, ...] = tuple((kind, dict(detail)) for kind, detail in self._positions)
        what: Codes = np.array(self._what, np.int32)
        log = Log(np.array(self._offsets), np.array(self._at), what, whats)
        return log, np.array(self._known_at) if self._two_clocks else None
