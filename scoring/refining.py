"""Exact bounds of many leads: where rules looked at one by one would give bounds too wide.

Which values of unknown facts are worth trying is found once for each state of knowledge that any
lead is in (`scoring.bounds`); then all leads are tried together, one trial after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.answers import TOP, Judge
from scoring.blocks import Block
from scoring.bounds import NO_CAP, Bounds, Together, Trial
from scoring.cells import Cells
from scoring.compiling import FALSE, TRUE
from scoring.fading import Sparse
from scoring.givers import Compiled, outcomes
from scoring.rule_set import Rule, RuleSet
from scoring.truths import Shared, Truths, truths_of

LOW, HIGH = 0, 1
Ints = NDArray[np.int64]


class Knowledge:
    """Which state of knowledge each lead is in, as one number."""

    def __init__(self, bounds: Bounds, cells: dict[str, Cells], shared: Shared) -> None:
        self._facts = [
            (fact, np.array([bounds.seen(fact).number(v) for v in cells[fact].values], np.int64))
            for fact in bounds.linked
        ]
        self._tests: list[Truths] = [truths_of(test, shared) for test, _ in bounds.event_tests]
        sizes = [int(numbers.max()) + 1 for _, numbers in self._facts] + [2] * len(self._tests)
        self.sizes = sizes
        self.lasts = not self._tests and all(
            cells[fact].fixed is not None for fact in bounds.linked
        )

    def states(self, block: Block) -> Ints:
        """The state of each lead of a block; 0 where nothing that matters is unknown."""
        if self.lasts and block.keeps:
            kept: Ints | None = block.part.kept.get(self)
            if kept is None:
                kept = block.part.kept[self] = self._states(block)
            return kept
        return self._states(block)

    def _states(self, block: Block) -> Ints:
        state = np.zeros(len(block), np.int64)
        unknown = np.zeros(len(block), np.bool_)
        columns = [numbers[block.codes(fact)] for fact, numbers in self._facts]
        for numbers in columns:
            unknown |= numbers == 0
        columns += [(truths(block) == TRUE).astype(np.int64) for truths in self._tests]
        for size, numbers in zip(self.sizes, columns, strict=True):
            state *= size
            state += numbers
        state += 1
        state[~unknown] = 0
        return state

    def numbers(self, state: int) -> tuple[int, ...]:
        """A state as numbers of facts and tests."""
        state -= 1
        found = []
        for size in reversed(self.sizes):
            state, number = divmod(state, size)
            found.append(number)
        return tuple(reversed(found))


class Trials:
    """What is tried in each state that some lead is in; never changed, only replaced."""

    def __init__(
        self, states: dict[int, Together | None], groups: int, rules: int, caps: int
    ) -> None:
        self._states, self._shape = states, (groups, rules, caps)
        self._ordered = np.array(sorted(states), np.int64)
        plans = [states[int(state)] for state in self._ordered]
        size = len(plans) + 1  # the last: nothing to try
        self.apart = np.zeros((2, size, groups), np.int64)
        self.joint = np.zeros((size, rules), np.bool_)
        self.capping = np.zeros((size, caps), np.bool_)
        self.sides = tuple(_Side(plans, side, groups) for side in (LOW, HIGH))
        for row, plan in enumerate(plans):
            if plan is None:
                continue
            for group, *both in plan.alone:
                self.apart[:, row, group] = both
            self.joint[row, list(plan.rules)] = True
            self.capping[row, list(plan.disqualifiers)] = True

    def rows(self, states: Ints) -> Ints:
        """The row of each state; one that is not there yet has no row: see `missing`."""
        if not len(self._ordered):
            return np.full(len(states), -1)
        places = np.searchsorted(self._ordered, states)
        places[places == len(self._ordered)] = 0
        places[self._ordered[places] != states] = -1
        return places

    def plus(self, states: dict[int, Together | None]) -> Trials:
        """With more states."""
        return Trials({**self._states, **states}, *self._shape)


class _Side:
    """The trials for the lows, or for the highs."""

    def __init__(self, plans: Sequence[Together | None], side: int, groups: int) -> None:
        trials = [_trials(plan, side) for plan in plans]
        self.number = np.array([*map(len, trials), 0], np.int64)
        most = int(self.number.max())
        self.sums = np.zeros((most, len(plans) + 1, groups), np.int64)
        self.caps = np.full((most, len(plans) + 1), NO_CAP, np.int64)
        #: by rule: the truths of its condition in each trial, for the value and for the bounds
        self.conditions: dict[int, NDArray[np.uint8]] = {}
        for row, some in enumerate(trials):
            for n, trial in enumerate(some):
                for group, points in trial.sums:
                    self.sums[n, row, group] = points
                self.caps[n, row] = trial.cap
                for rule, *truths in trial.conditions:
                    shape = (2, most, len(plans) + 1)
                    found = self.conditions.setdefault(rule, np.zeros(shape, np.uint8))
                    found[:, n, row] = truths


def _trials(plan: Together | None, side: int) -> Sequence[Trial]:
    return () if plan is None else (plan.lows, plan.highs)[side]


class Refining:
    """Exact bounds for the scorer of a rule set over columns."""

    def __init__(
        self,
        rule_set: RuleSet,
        bounds: Bounds,
        cells: dict[str, Cells],
        shared: Shared,
        judge: Judge,
        compiled: Callable[[Rule], Compiled],
        like: Refining | None = None,
    ) -> None:
        self.bounds, self._judge, self._compiled, self._cells = bounds, judge, compiled, cells
        self._rules = rule_set.rules()
        self._dimensions = [
            ([(g.low, g.high) for g in d.groups], d.low, d.high) for d in rule_set.dimensions
        ]
        groups = sum(len(dimension.groups) for dimension in rule_set.dimensions)
        shape = groups, len(self._rules), len(rule_set.disqualifiers)
        same = like is not None and like.bounds.shares(bounds) and like._cells_of(bounds, cells)
        self.knowledge: Knowledge = (
            like.knowledge if like and same else Knowledge(bounds, cells, shared)
        )
        self._trials: Trials = like._trials if like and same else Trials({}, *shape)

    def _cells_of(self, bounds: Bounds, cells: dict[str, Cells]) -> bool:
        return all(self._cells.get(fact) is cells[fact] for fact in bounds.linked)

    def begin(self, block: Block) -> Refinement | None:
        """What is to be tried for a block; None for nothing."""
        if not self.bounds.linked:
            return None
        states = self.knowledge.states(block)
        open_leads = np.flatnonzero(states)
        if not len(open_leads):
            return None
        states = states[open_leads]
        trials = self._trials
        rows = trials.rows(states)
        new = np.unique(states[rows < 0])
        if len(new):
            found = {int(state): self._plan(int(state)) for state in new}
            # another thread may put its own in place: then these are found once more
            trials = self._trials = trials.plus(found)
            rows = trials.rows(states)
        sides = [_Tried(trials.sides[side], side, open_leads, rows) for side in (LOW, HIGH)]
        if not any(len(side.who) for side in sides):
            return None
        return Refinement(self, block, trials, sides)

    def _plan(self, state: int) -> Together | None:
        numbers = self.knowledge.numbers(state)
        unknown = [f for f, n in zip(self.bounds.linked, numbers, strict=False) if n == 0]
        return self.bounds.together(numbers, unknown)

    def limited(self, sums: Ints) -> Ints:
        """Points of groups (one row each) within all limits."""
        total = np.zeros(sums.shape[1], np.int64)
        row = 0
        for groups, least, most in self._dimensions:
            inside = np.zeros_like(total)
            for low, high in groups:
                inside += _within(sums[row], low, high)
                row += 1
            total += _within(inside, least, most)
        return _within(total, 0, TOP)

    def given(self, block: Block, position: int, *, ungated: bool = False) -> NDArray[Any]:
        """Rows of one rule for a block; `ungated`: as if its condition held."""
        rule = self._rules[position]
        rows = self._compiled(replace(rule, when=None) if ungated else rule).give(block)
        if not isinstance(rows, Sparse):
            return rows
        found = np.zeros((3, len(block)), np.int64)
        found[:, rows.who] = rows.points
        return found

    def missing(self, position: int) -> int | None:
        """What a rule assumes for what is unknown."""
        return self._rules[position].missing

    def caps(self, block: Block) -> list[tuple[int, NDArray[np.uint8]]]:
        """Of each disqualifier its most points, and whether it may hold."""
        return self._judge.possible(block)


class _Tried:
    """The leads of a block for whose lows (or highs) something is tried."""

    __slots__ = ("plans", "side", "sums", "trials", "who")

    def __init__(self, trials: _Side, side: int, leads: Ints, rows: Ints) -> None:
        wanted = trials.number[rows] > 0
        self.trials, self.side = trials, side
        self.who, self.plans = leads[wanted], rows[wanted]
        self.sums = np.zeros((trials.sums.shape[2], len(self.who)), np.int64)


class Refinement:
    """One block: sums of groups are put in, exact lows and highs come out."""

    def __init__(
        self, refining: Refining, block: Block, trials: Trials, sides: Sequence[_Tried]
    ) -> None:
        self._refining, self._block, self._trials, self._sides = refining, block, trials, sides

    def take(self, group: int, rows: NDArray[Any]) -> None:
        """Points, lows and highs that a group's rules, looked at one by one, give the block."""
        for tried in self._sides:
            tried.sums[group] = rows[1 + tried.side].take(tried.who)

    def put(self, total: NDArray[Any]) -> None:
        """Replace lows and highs (rows 1 and 2 of `total`) where trying showed them closer."""
        for tried in self._sides:
            if len(tried.who):
                total[1 + tried.side, tried.who] = self._tried(tried)

    def _tried(self, tried: _Tried) -> Ints:
        group_of, trials = self._refining.bounds.group_of, self._trials
        tried.sums -= trials.apart[tried.side].T.take(tried.plans, axis=1)
        joint = trials.joint[tried.plans]
        for position in np.flatnonzero(joint.any(axis=0)).tolist():
            given = self._refining.given(self._block, position)[1 + tried.side].take(tried.who)
            tried.sums[group_of[position]] -= np.where(joint[:, position], given, 0)
        caps = self._caps(tried)
        best = self._total(tried, 0, slice(None), caps)
        better = np.minimum if tried.side == LOW else np.maximum
        for trial in range(1, int(tried.trials.number[tried.plans].max())):
            some = np.flatnonzero(tried.trials.number[tried.plans] > trial)
            best[some] = better(best[some], self._total(tried, trial, some, caps))
        return best

    def _total(self, tried: _Tried, trial: int, some: Any, caps: Ints) -> Ints:
        """The score of some leads, if facts became known as in a trial."""
        plans, sums = tried.plans[some], tried.sums[:, some]
        sums = sums + tried.trials.sums[trial].T.take(plans, axis=1)
        for position, truths in tried.trials.conditions.items():
            given = self._refining.given(self._block, position, ungated=True)
            points = given[0].take(tried.who[some])
            missing = self._refining.missing(position)
            holds, may_hold = truths[:, trial].take(plans, axis=1)
            group = self._refining.bounds.group_of[position]
            sums[group] += outcomes(points, points, points, None, holds, may_hold, missing)[0]
        total: Ints = np.minimum(self._refining.limited(sums), caps[some])
        np.minimum(total, tried.trials.caps[trial].take(plans), out=total)
        return total

    def _caps(self, tried: _Tried) -> Ints:
        """At most so many points, by the disqualifiers that no trial settles."""
        found = np.full(len(tried.who), NO_CAP, np.int64)
        for position, (cap, may_hold) in enumerate(self._refining.caps(self._block)):
            possible = may_hold.take(tried.who)
            holds = possible != FALSE if tried.side == LOW else possible == TRUE
            holds &= ~self._trials.capping[tried.plans, position]
            np.minimum(found, cap, out=found, where=holds)
        return found


def _within(points: Ints, low: int | None, high: int | None) -> Ints:
    if low is None and high is None:
        return points
    ends = np.iinfo(np.int64)
    found: Ints = np.clip(
        points, ends.min if low is None else low, ends.max if high is None else high
    )
    return found
