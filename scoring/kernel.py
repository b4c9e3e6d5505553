"""Scoring many leads at once: the same rule set as for one, over columns.

A rule that reads one fact is a table over that fact's cells; tables of one group over the same fact
are added up before any lead is looked at. Conditions over several facts are combined as arrays of
truth, engagements are counted and faded from lists of hits. Leads are taken in blocks that fit the
processor's cache, on two threads. What time does not change is kept for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.answers import (
    NONE,
    TOP,
    BandPositions,
    BandTable,
    Judge,
    Points,
    Scores,
    answer,
    verdict_conditions,
)
from scoring.blocks import BLOCK, Block, Part, in_order, parts_of, passing_parts
from scoring.bounds import Bounds
from scoring.cells import Cells, bound_to, cells_of
from scoring.columns import Columns
from scoring.compiling import rule_function
from scoring.criteria import facts_of
from scoring.events import patterns_of
from scoring.givers import Compiled, FactTable, Giver, Rows, compiled, largest, lasts
from scoring.group_tables import GroupTables, Tables, add, clipped
from scoring.hits import Now, Wanted, wanted_by
from scoring.inputs import microseconds
from scoring.refining import Refining
from scoring.rule_set import Dimension, Group, Rule, RuleSet
from scoring.scores import DIMENSIONS
from scoring.truths import Shared

__all__ = ["NONE", "ColumnScorer", "GroupTables", "Points", "Scores"]
T = TypeVar("T")


class ColumnScorer:
    """A rule set bound to columns: what does not depend on the time is worked out once."""

    def __init__(
        self, rule_set: RuleSet, columns: Columns, like: ColumnScorer | None = None
    ) -> None:
        """`like`: a scorer of another rule set over the same columns, whose work is shared."""
        self.rule_set, self.columns = rule_set, columns
        self._cells: dict[str, Cells] = cells_of(columns, rule_set, like._cells if like else None)
        self._shared: Shared = Shared(self._cells, like._shared if like else None)
        self._parts: list[Part] = parts_of(
            columns, patterns_of(rule_set), like._parts if like else None
        )
        self._most: int = like._most if like else _most_engagements(columns)
        self.number = _number_for(rule_set, self._most)
        self._compiled: dict[Rule, Compiled] = {}
        self._like = like
        self.judge = (like and like.judge_for(self)) or Judge(rule_set, self._shared)
        self.bands = BandTable(rule_set.bands)
        gives = [rule_function(rule) for rule in rule_set.rules()]
        self.bounds: Bounds = Bounds(rule_set, gives, like.bounds if like else None)
        self.refining: Refining = Refining(
            rule_set,
            self.bounds,
            self._cells,
            self._shared,
            self.judge,
            self.compiled,
            like.refining if like else None,
        )
        #: by group: what is added to lows and highs while a fact is unknown
        self.corrections: list[dict[str, tuple[int, int]]] = [
            {} for dimension in rule_set.dimensions for _ in dimension.groups
        ]
        for (group, fact), both in self.bounds.corrections().items():
            self.corrections[group][fact] = both

    @cached_property
    def dimensions(self) -> list[tuple[Dimension, list[GroupTables]]]:
        """Every dimension with its groups, compiled when first needed."""
        position = count()
        return [
            (d, [self._group(group, next(position)) for group in d.groups])
            for d in self.rule_set.dimensions
        ]

    def over(self, columns: Columns) -> ColumnScorer:
        """The same rules over other leads, such as a few that have changed.

        Nothing is compiled anew where a coded fact has the very `values` of this scorer's columns.
        """
        cells = bound_to(self._cells, columns)
        if cells is None or _most_engagements(columns) > self._most:
            return ColumnScorer(self.rule_set, columns)
        other = object.__new__(ColumnScorer)
        other.__dict__ |= self.__dict__ | {"dimensions": self.dimensions}
        other.columns, other._cells = columns, cells
        same = columns.log.whats is self.columns.log.whats
        wanted = self._wanted if same else wanted_by(columns.log, patterns_of(self.rule_set))
        other._parts = passing_parts(columns, wanted)
        return other

    @cached_property
    def _wanted(self) -> Wanted:
        return wanted_by(self.columns.log, patterns_of(self.rule_set))

    def score(
        self,
        now: datetime | NDArray[np.int64],
        previous_band: BandPositions | None = None,
    ) -> Scores:
        """Every lead's score at `now`: one aware time, or microseconds since 1970 for each lead.

        `previous_band`: each lead's band as a position in the rule set's bands, NONE for none.
        """
        found = Scores.empty(self.columns.n)

        def fill(block: Block) -> None:
            held = None if previous_band is None else previous_band[block.low : block.high]
            self.fill(block, found, held)

        self.each_block(now, fill)
        return found

    def rescore(
        self,
        found: Scores,
        rows: NDArray[np.int64],
        changed: Columns,
        now: datetime,
        previous_band: BandPositions | None = None,
    ) -> None:
        """Put into `found`, at some positions, what the leads of `changed` score now."""
        scores = self.over(changed).score(now, previous_band)
        for name in Scores.__slots__:
            getattr(found, name)[..., rows] = getattr(scores, name)

    def each_block(self, now: datetime | NDArray[np.int64], work: Callable[[Block], T]) -> list[T]:
        """The results of some work on every block of leads, in order; done on all threads."""
        moments = microseconds(now) if isinstance(now, datetime) else now
        return in_order(lambda part: work(self._at(part, moments)), self._parts)

    def contributions(self, now: datetime, low: int, high: int) -> tuple[list[str], Points]:
        """Points of every rule and limit for leads `low` to `high`: names, one row for each.

        They add up to the score, as those of one lead do. Suppressed leads are not left out.
        """
        moment, found = microseconds(now), []
        names: list[str] = []
        for part in self._parts:
            first, end = max(low, part.low), min(high, part.high)
            if first < end:
                names, rows = self._contributions(self._at(part, moment, first, end))
                found.append(rows)
        return names, np.concatenate(found, 1) if found else np.empty((0, 0), np.int32)

    def same_block(self, block: Block) -> Block:
        """The same leads at the same time, for the rules of this scorer."""
        return self._at(self._parts[block.part.low // BLOCK], block.now, block.low, block.high)

    # -- compiling -----------------------------------------------------------------------------

    def compiled(self, rule: Rule) -> Compiled:
        """A rule, whatever it is called."""
        key = meaning(rule)
        found = self._compiled.get(key)
        if found is None:
            like = self._like
            if like is not None and self.reads_alike(like, rule.facts()):
                found = like._compiled.get(key)
            found = self._compiled[key] = found or compiled(rule, self._shared)
        return found

    def correction(self, fact: str, low: int, high: int) -> Compiled:
        """What is added to the bounds of leads of whom the fact is unknown."""
        states = np.ones(len(self._cells[fact].values), np.int32)
        states[0] = 0
        table = FactTable(states, np.array([(0, low, high, 0), (0, 0, 0, 0)], np.int32))
        return Compiled(lambda block: table.rows(block.codes(fact)), fact, table)

    def judge_for(self, other: ColumnScorer) -> Judge | None:
        """This scorer's judge if it is right for another rule set over the same columns."""
        mine, theirs = self.rule_set, other.rule_set
        facts = frozenset[str]().union(*map(facts_of, verdict_conditions(mine)))
        same = (
            mine.suppressions == theirs.suppressions
            and mine.disqualifiers == theirs.disqualifiers
            and self.reads_alike(other, facts)
        )
        return self.judge if same else None

    def reads_alike(self, other: ColumnScorer, facts: Iterable[str]) -> bool:
        """Whether two scorers of the same columns have the same cells of some facts."""
        return all(self._cells.get(fact) is other._cells.get(fact) for fact in facts)

    def _group(self, group: Group, position: int) -> GroupTables:
        split: dict[bool, list[Compiled]] = {True: [], False: []}
        for rule in group.rules:
            split[lasts(rule, self._shared)].append(self.compiled(rule))
        for fact, both in self.corrections[position].items():
            split[self._shared.steady(fact)].append(self.correction(fact, *both))
        rules = [self.compiled(rule).give for rule in group.rules]
        return GroupTables(
            group, position, self._tables(split[True]), self._tables(split[False]), rules
        )

    def _tables(self, rules: list[Compiled]) -> Tables:
        tables: dict[str, FactTable] = {}
        others: list[Giver] = []
        for give, fact, table in rules:
            if table is None:
                others.append(give)
            else:
                tables[fact] = tables[fact].plus(table) if fact in tables else table
        return Tables(list(tables.items()), others, self.number)

    def _at(
        self, part: Part, moments: Now, low: int | None = None, high: int | None = None
    ) -> Block:
        low, high = part.low if low is None else low, part.high if high is None else high
        now = moments if isinstance(moments, int) else moments[low:high]
        return Block(part, self._cells, now, low, high)

    # -- one block -----------------------------------------------------------------------------

    def group_sums(self, block: Block, tables: GroupTables) -> Rows:
        """Points, low and high of a group before its limits, and how many rules assumed something.

        Not to be changed: what time does not change is kept.
        """
        if not tables.lasting:
            return tables.passing.rows(block)
        kept: Rows | None = block.part.kept.get(tables.lasting) if block.keeps else None
        if kept is None:
            kept = tables.lasting.rows(block)
            if block.keeps:
                block.part.kept[tables.lasting] = kept
        return kept + tables.passing.rows(block) if tables.passing else kept

    def fill(self, block: Block, found: Scores, held: BandPositions | None) -> None:
        """Score a block into `found`."""
        total = np.zeros((3, len(block)), self.number)
        assumed = np.zeros(len(block), np.int32)
        part = slice(block.low, block.high)
        refinement = self.refining.begin(block)
        for dimension, groups in self.dimensions:
            inside = np.zeros((3, len(block)), self.number)
            for tables in groups:
                sums = self.group_sums(block, tables)
                if refinement is not None:
                    refinement.take(tables.position, sums)
                assumed += sums[3].astype(np.int32, copy=False)
                inside += clipped(sums[:3], tables.group.low, tables.group.high)
            inside = clipped(inside, dimension.low, dimension.high)
            found.dimensions[DIMENSIONS.index(dimension.id), part] = inside[0]
            total += inside
        verdict = self.judge.verdict(block)
        answer(found, part, total, assumed, verdict, self.bands, held, refinement)

    def _contributions(self, block: Block) -> tuple[list[str], Points]:
        names: list[str] = []
        rows: list[Points] = []

        def put(name: str, points: NDArray[np.int32]) -> None:
            names.append(name)
            rows.append(points)

        total = np.zeros(len(block), self.number)
        for dimension, groups in self.dimensions:
            inside = np.zeros_like(total)
            for group in groups:
                sums = np.zeros((4, len(block)), self.number)
                for rule, give in zip(group.group.rules, group.rules, strict=True):
                    before = sums[0].copy()
                    add(sums, [give(block)])
                    put(rule.id, sums[0] - before)
                after = clipped(sums[0], group.group.low, group.group.high)
                put(f"limit:{group.group.id}", after - sums[0])
                inside += after
            after = clipped(inside, dimension.low, dimension.high)
            put(f"limit:{dimension.id}", after - inside)
            total += after
        scale = clipped(total, 0, TOP)
        put("limit:score", scale - total)
        verdict = self.judge.verdict(block)
        lost = 0 if verdict.caps is None else np.minimum(scale, verdict.caps[0]) - scale
        for position, entry in enumerate(self.rule_set.disqualifiers):
            put(f"disqualifier:{entry.id}", np.where(verdict.disqualified == position, lost, 0))
        return names, np.array(rows, self.number).reshape(len(names), len(block))


def meaning(rule: Rule) -> Rule:
    """The rule without what it is called: rules that mean the same are the same."""
    return replace(rule, id="", label="")


def _most_engagements(columns: Columns) -> int:
    """How many engagements any lead has at most."""
    return int(np.diff(columns.log.offsets).max(initial=0))


def _number_for(rule_set: RuleSet, most: int) -> type[np.integer[Any]]:
    """The smaller type of number, unless points could add up to more than it holds."""
    return np.int32 if sum(largest(r, most) for r in rule_set.rules()) < 1 << 31 else np.int64
