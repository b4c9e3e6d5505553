"""What one rule gives to many leads: points, least, most, and whether something was assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.cells import NO_EVENTS, Cells, numbers, table_fact
from scoring.columns import Columns, Small
from scoring.compiling import (
    FALSE,
    TRUE,
    UNKNOWN,
    Given,
    asks_known,
    outcome,
    rule_function,
    ungated,
)
from scoring.hits import faded_points, faded_sums, later_points
from scoring.rule_set import ByChoice, ByRange, Each, PerUnit, Rule
from scoring.truths import Block, Truths, truths_of

#: One row for each lead: points, low, high and 1 where something was assumed; or, in one
#: dimension, points that are certain.
Rows = NDArray[Any]
Giver = Callable[[Block], Rows]


def table_of(rule: Rule, cells: Mapping[str, Cells]) -> tuple[str, NDArray[np.int32] | None]:
    """The fact and a row for each of its cells, for a rule that reads one fact and nothing else."""
    fact = table_fact(rule)
    if fact is None:
        return "", None
    gives = rule_function(rule)
    found = [gives({} if v is None else {fact: v}, NO_EVENTS) for v in cells[fact].values]
    return fact, _table(found)


def giver(rule: Rule, cells: Mapping[str, Cells], columns: Columns) -> Giver:
    """The rule as a function of a block."""
    fact, table = table_of(rule, cells)
    if table is not None:
        return lambda block: table[block.codes(fact)]
    gate = _gate(rule, cells)
    match rule.gives:
        case Each():
            return _each(rule, _Fading(rule.gives, columns.n), gate)
        case PerUnit():
            return _per_unit(rule, rule.gives, gate, columns)
        case _:
            return _by_state(rule, gate, cells)


def _table(found: list[Given]) -> NDArray[np.int32]:
    return np.array([(g.points, g.low, g.high, not g.known) for g in found], np.int32)


Gate = Callable[[Block], tuple[Small | int, Small | int]]


def _gate(rule: Rule, cells: Mapping[str, Cells]) -> Gate:
    """Truth of the rule's condition, for the value and for the bounds."""
    if rule.when is None:
        return lambda block: (TRUE, TRUE)
    holds = truths_of(rule.when, cells)
    if not asks_known(rule.when):

        def both(block: Block) -> tuple[Small, Small]:
            found = holds(block)
            return found, found

        return both
    may_hold: Truths = truths_of(rule.when, cells, for_bounds=True)
    return lambda block: (holds(block), may_hold(block))


def _by_state(rule: Rule, gate: Gate, cells: Mapping[str, Cells]) -> Giver:
    """Few different answers: a table over what the rule reads and its condition's two truths."""
    gives, fact = ungated(rule), ""
    found = [gives({}, NO_EVENTS)]
    if isinstance(rule.gives, ByChoice | ByRange):
        fact = rule.gives.fact
        values = cells[fact].values
        found = [gives({} if v is None else {fact: v}, NO_EVENTS) for v in values]
    distinct = list(dict.fromkeys(found))
    positions = np.array([distinct.index(given) for given in found], np.int32)
    table = _table(
        [
            outcome(given, holds, may_hold, rule.missing)
            for given in distinct
            for holds in (FALSE, UNKNOWN, TRUE)
            for may_hold in (FALSE, UNKNOWN, TRUE)
        ]
    )

    def give(block: Block) -> Rows:
        holds, may_hold = gate(block)
        state = holds * np.int32(3) + may_hold
        if fact:
            state = state + 9 * positions[block.codes(fact)]
        return table[np.broadcast_to(state, len(block))]

    return give


class _Fading:
    """An engagement rule's points at any time; what only time changes is summed up once."""

    def __init__(self, each: Each, leads: int) -> None:
        self._each = each
        self._lasting = each.half_life_days is not None and each.time_frame_days is None
        self._sums = np.empty(leads if self._lasting else 0, np.float64)
        self._done: dict[int, int] = {}  # blocks that are summed up: where they begin and end

    def __call__(self, block: Block) -> NDArray[np.int64]:
        """Each lead's points."""
        hits = block.hits(self._each.pattern)
        now = block.now
        if not self._lasting or not isinstance(now, int) or now < hits.last:
            return faded_points(hits, self._each, now)
        if self._done.get(block.low) != block.high:
            self._sums[block.low : block.high] = faded_sums(hits, self._each)
            self._done[block.low] = block.high
        return later_points(hits, self._each, self._sums[block.low : block.high], now)


def _each(rule: Rule, fading: _Fading, gate: Gate) -> Giver:
    def give(block: Block) -> Rows:
        points = fading(block)
        if rule.when is None:
            return points
        return outcomes(points, points, points, None, *gate(block), rule.missing)

    return give


def _per_unit(rule: Rule, per: PerUnit, gate: Gate, columns: Columns) -> Giver:
    column = columns.facts.get(per.fact)
    full = per.cap if per.points > 0 else -per.cap
    least, most = min(0, full), max(0, full)
    enough = per.cap // abs(per.points) + 1
    unknown = outcome(Given(0, least, most, known=False), TRUE, TRUE, rule.missing)
    steps = np.clip(per.points * np.arange(enough + 1), -per.cap, per.cap)
    table = _table([*(Given(int(p), int(p), int(p), True) for p in steps), unknown])

    def give(block: Block) -> Rows:
        values = numbers(column, block.low, block.high, block.now)
        units = np.clip(np.floor(values / per.unit), 0, enough)
        units[np.isnan(values)] = enough + 1  # the table's last row
        number = units.astype(np.int32)
        if rule.when is None:
            return table[number]
        points, low, high, guessed = table[number].T
        return outcomes(points, low, high, guessed == 0, *gate(block), rule.missing)

    return give


def outcomes(
    points: Rows,
    low: Rows,
    high: Rows,
    known: NDArray[np.bool_] | None,
    holds: Small | int,
    may_hold: Small | int,
    missing: int | None,
) -> Rows:
    """`compiling.outcome` for many leads; `known` None = all are."""
    n = len(points)
    holds, may_hold = np.broadcast_to(holds, n), np.broadcast_to(may_hold, n)
    sure = np.ones(n, np.bool_) if known is None else known
    settled = (holds == TRUE) & (may_hold == TRUE) & sure
    nothing = (holds == FALSE) & (may_hold == FALSE)
    open_ = may_hold == UNKNOWN
    least = np.where(open_, np.minimum(0, low), low)
    most = np.where(open_, np.maximum(0, high), high)
    if missing is not None:
        least, most = np.minimum(least, missing), np.maximum(most, missing)
        assumed = np.full(n, missing, np.int64)
    else:
        total = least + most
        assumed = np.where(total < 0, -(-total // 2), total // 2)
    guessed = (holds == UNKNOWN) | ((holds == TRUE) & ~sure)
    rows = np.empty((n, 4), np.int32)
    rows[:, 0] = np.where(guessed, assumed, np.where(holds == TRUE, points, 0))
    rows[:, 1] = np.where(guessed, np.minimum(least, assumed), least)
    rows[:, 2] = np.where(guessed, np.maximum(most, assumed), most)
    rows[:, 3] = guessed & (rows[:, 1] != rows[:, 2])
    rows[settled, 1], rows[settled, 2] = low[settled], high[settled]
    rows[nothing] = 0
    return rows
