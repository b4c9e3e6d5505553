"""What a draft changes in the sums of points of many leads: only what differs is worked out.

The points of a changed rule are taken out and its new ones put in, and the difference is carried
through the limits of its group, its dimension and the scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.answers import Points, Scores
from scoring.blocks import Block
from scoring.fading import Sparse
from scoring.givers import FactTable, Giver, Rows
from scoring.group_tables import add, clipped
from scoring.kernel import ColumnScorer, meaning
from scoring.refining import Refinement
from scoring.rule_set import Dimension, Group, Rule
from scoring.scores import DIMENSIONS

Key = tuple[str, str]  # of a group: its dimension and its id
#: By fact: what is added to lows and highs while it is unknown.
Corrections = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the active rules give to the leads of one block, before limits."""

    groups: dict[Key, Rows]
    dimensions: dict[str, Points]
    others: dict[str, Points]  # what all other dimensions give, after their limits
    total: Points
    assumed: NDArray[np.int32]  # how many rules assumed something


def standing_of(
    scorer: ColumnScorer, block: Block, scores: Scores, refinement: Refinement | None
) -> Standing:
    """What the rules give to a block; the points of each dimension go to `scores`."""
    groups: dict[Key, Rows] = {}
    dimensions: dict[str, Points] = {}
    given: dict[str, Points] = {}
    total = np.zeros((3, len(block)), scorer.number)
    assumed = np.zeros(len(block), np.int32)
    for dimension, compiled in scorer.dimensions:
        inside = dimensions[dimension.id] = np.zeros_like(total)
        for tables in compiled:
            sums = groups[dimension.id, tables.group.id] = scorer.group_sums(block, tables)
            if refinement is not None:
                refinement.take(tables.position, sums)
            assumed += sums[3].astype(np.int32, copy=False)
            inside += clipped(sums[:3], tables.group.low, tables.group.high)
        after = given[dimension.id] = clipped(inside, dimension.low, dimension.high)
        scores.dimensions[DIMENSIONS.index(dimension.id), block.low : block.high] = after[0]
        total += after
    others = {name: total - after for name, after in given.items()}
    return Standing(groups, dimensions, others, total, assumed)


class Difference:
    """How to get from the active rules' sums to a draft's."""

    def __init__(self, active: ColumnScorer, draft: ColumnScorer) -> None:
        self._active = active
        old = {d.id: d for d in active.rule_set.dimensions}
        new = {d.id: d for d in draft.rule_set.dimensions}
        before, after = _corrections(active), _corrections(draft)
        plans = [
            _DimensionPlan(old.get(name), new.get(name), active, draft)
            for name in DIMENSIONS
            if old.get(name) != new.get(name) or before.get(name) != after.get(name)
        ]
        self._plans = [plan for plan in plans if plan.differs]
        others = old.keys() - {plan.id for plan in self._plans}
        self._same = [(DIMENSIONS.index(name), old[name]) for name in sorted(others)]

        changed = {key: group for plan in self._plans for key, group in plan.groups.items()}
        keys = [(d.id, group.id) for d in draft.rule_set.dimensions for group in d.groups]
        #: of the draft's groups, in order: its plan if it differs
        self._order = [(key, changed.get(key)) for key in keys]

    def take(self, refinement: Refinement, kept: Standing, sums: Mapping[Key, Rows]) -> None:
        """Give the draft's sums of groups: those that differ, and those that stay."""
        for position, (key, plan) in enumerate(self._order):
            refinement.take(position, kept.groups[key] if plan is None else sums[key])

    def total(
        self, block: Block, kept: Standing, after: Scores, sums: dict[Key, Rows]
    ) -> tuple[Points, NDArray[np.int32]]:
        """The draft's points, lows and highs before the scale's limits, and how much is assumed.

        The points of each dimension go to `after`, sums of groups that differ to `sums`.
        """
        part = slice(block.low, block.high)
        after.dimensions[:, part] = 0
        for position, same in self._same:
            points = kept.dimensions[same.id][0]
            after.dimensions[position, part] = clipped(points, same.low, same.high)
        old_block = self._active.same_block(block)
        total, assumed = kept.total, kept.assumed
        for place, plan in enumerate(self._plans):
            given, assumed = plan.given(block, old_block, kept, assumed, sums)
            if place == 0:
                total = kept.others.get(plan.id, kept.total) + given
            else:
                total = total + given - plan.given_before(kept)
            after.dimensions[DIMENSIONS.index(plan.id), part] = given[0]
        return total if self._plans else total.copy(), assumed


class _DimensionPlan:
    """The groups of a dimension that differ, and its limits."""

    def __init__(
        self,
        old: Dimension | None,
        new: Dimension | None,
        active: ColumnScorer,
        draft: ColumnScorer,
    ) -> None:
        self._old, self._new, self._number = old, new, draft.number
        self.id = old.id if old else new.id if new else ""
        before = {group.id: group for group in old.groups} if old else {}
        after = {group.id: group for group in new.groups} if new else {}
        added = _corrections(active).get(self.id, {}), _corrections(draft).get(self.id, {})
        plans = [
            _GroupPlan(
                (self.id, name),
                before.get(name),
                after.get(name),
                (added[0].get(name, {}), added[1].get(name, {})),
                active,
                draft,
            )
            for name in before | after
            if before.get(name) != after.get(name) or added[0].get(name) != added[1].get(name)
        ]
        self._groups = [plan for plan in plans if plan.differs]
        self.groups = {plan.key: plan for plan in self._groups if plan.stays}
        same = old and new and (old.low, old.high) == (new.low, new.high)
        self.differs = bool(self._groups) or not same

    def given(
        self,
        block: Block,
        old_block: Block,
        kept: Standing,
        assumed: NDArray[np.int32],
        sums: dict[Key, Rows],
    ) -> tuple[Points, NDArray[np.int32]]:
        """What the draft's dimension gives after its limits, and how much is assumed now."""
        if not self._new:
            nothing = np.zeros((3, len(block)), self._number)
            for plan in self._groups:
                guesses = plan.difference(block, old_block, kept, sums)[1]
                assumed = assumed if guesses is None else assumed + guesses
            return nothing, assumed
        inside = kept.dimensions.get(self.id)
        for plan in self._groups:
            difference, guesses = plan.difference(block, old_block, kept, sums)
            inside = difference if inside is None else inside + difference
            if guesses is not None:
                assumed = assumed + guesses
        assert inside is not None  # a dimension that is new has groups
        return clipped(inside, self._new.low, self._new.high), assumed

    def given_before(self, kept: Standing) -> Points | int:
        """What the active rules' dimension gives after its limits."""
        if not self._old:
            return 0
        return clipped(kept.dimensions[self.id], self._old.low, self._old.high)


class _GroupPlan:
    """The rules of a group that go and those that come, and its limits."""

    def __init__(
        self,
        key: Key,
        old: Group | None,
        new: Group | None,
        corrections: tuple[Corrections, Corrections],
        active: ColumnScorer,
        draft: ColumnScorer,
    ) -> None:
        self.key, self._old, self._new, self._number = key, old, new, draft.number
        before = Counter(map(meaning, old.rules if old else ()))
        after = Counter(map(meaning, new.rules if new else ()))
        gone, come = before - after, after - before
        self._afresh = sum(gone.values()) + sum(come.values()) > sum(after.values())
        if self._afresh:
            gone, come = Counter(), after
        lost, added = ({} if self._afresh else corrections[0]), corrections[1]
        if not self._afresh:
            same_added = {
                fact
                for fact in lost.keys() & added.keys()
                if lost[fact] == added[fact] and active.reads_alike(draft, (fact,))
            }
            lost = {fact: both for fact, both in lost.items() if fact not in same_added}
            added = {fact: both for fact, both in added.items() if fact not in same_added}
        old_tables, self._gone = _compiled(active, gone, lost)
        new_tables, self._come = _compiled(draft, come, added)
        for fact in old_tables.keys() & new_tables.keys():
            if active.reads_alike(draft, (fact,)):
                new_tables[fact] = new_tables[fact].plus(old_tables.pop(fact), -1)
        self._old_tables = list(old_tables.items())
        self._new_tables = [item for item in new_tables.items() if item[1].gives]
        self._only_tables = not (self._old_tables or self._gone or self._come)
        self._guesses = not self._only_tables or any(t.guesses for _, t in self._new_tables)
        same = old and new and (old.low, old.high) == (new.low, new.high)
        moves = self._old_tables or self._new_tables or self._gone or self._come
        self.differs = bool(moves) or self._afresh or not same

    @property
    def stays(self) -> bool:
        """Whether the draft has the group."""
        return self._new is not None

    def difference(
        self, block: Block, old_block: Block, kept: Standing, all_sums: dict[Key, Rows]
    ) -> tuple[Points, NDArray[np.int32] | None]:
        """What changes of the group after its limits, and of what is assumed (None: nothing).

        The sums before the limits go to `all_sums`.
        """
        before = kept.groups.get(self.key)
        sums = self._sums(block, old_block, None if self._afresh else before)
        all_sums[self.key] = sums
        points = clipped(sums[:3], self._new.low, self._new.high) if self._new else sums[:3] * 0
        if before is None or not self._old:
            return points, sums[3]
        points = points - clipped(before[:3], self._old.low, self._old.high)
        return points, sums[3] - before[3] if self._guesses or self._afresh else None

    def _sums(self, block: Block, old_block: Block, before: Rows | None) -> Rows:
        """The draft's sums, not to be changed: from those before, or None = from nothing."""
        if before is not None and len(self._new_tables) == 1 and self._only_tables:
            fact, table = self._new_tables[0]
            return before + table.rows(block.codes(fact))
        if before is None:
            sums = np.zeros((4, len(block)), self._number)
        else:
            sums = before.astype(self._number)
        for fact, table in self._new_tables:
            sums += table.rows(block.codes(fact))
        for fact, table in self._old_tables:
            sums -= table.rows(old_block.codes(fact))
        come = [give(block) for give in self._come]
        add(sums, [*come, *(_without(give(old_block)) for give in self._gone)])
        return sums


def _without(rows: Rows | Sparse) -> Rows | Sparse:
    return Sparse(rows.who, -rows.points) if isinstance(rows, Sparse) else -rows


def _corrections(scorer: ColumnScorer) -> dict[str, dict[str, Corrections]]:
    """What is added to bounds while facts are unknown, by dimension and group."""
    found = iter(scorer.corrections)
    return {d.id: {g.id: next(found) for g in d.groups} for d in scorer.rule_set.dimensions}


def _compiled(
    scorer: ColumnScorer, rules: Counter[Rule], corrections: Corrections
) -> tuple[dict[str, FactTable], list[Giver]]:
    """The rules as one table for each fact that alone decides, and the others one by one."""
    tables: dict[str, FactTable] = {}
    others: list[Giver] = []
    added = [scorer.correction(fact, *both) for fact, both in corrections.items()]
    for compiled in [*map(scorer.compiled, rules.elements()), *added]:
        if compiled.table is None:
            others.append(compiled.give)
        elif compiled.fact in tables:
            tables[compiled.fact] = tables[compiled.fact].plus(compiled.table)
        else:
            tables[compiled.fact] = compiled.table
    return tables, others
