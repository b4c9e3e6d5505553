"""What one rule gives to many leads: points, least, most, and whether something was assumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.blocks import Block
from scoring.cells import NO_EVENTS, Cell, table_fact
from scoring.columns import Small
from scoring.compiling import (
    FALSE,
    TRUE,
    UNKNOWN,
    Given,
    asks_known,
    outcome,
    ungated,
)
from scoring.fading import Sparse, points_of
from scoring.rule_set import ByChoice, ByRange, Each, Fixed, PerUnit, Rule
from scoring.truths import HasCodes, Shared, Truths, truths_of

#: Four rows, a number for each lead: points, low, high, and 1 where something was assumed.
Rows = NDArray[Any]
Giver = Callable[[Block], Rows | Sparse]
_FEW_CELLS = 4_096  # of so many, a table of rows stays in the processor's nearest cache


class FactTable:
    """What one or more rules give by the cell of one fact: cells have one of few states."""

    __slots__ = ("_numbers", "_rows", "_states")

    def __init__(self, states: NDArray[Any], numbers: NDArray[np.int32]) -> None:
        """`numbers`: points, low, high and whether something was assumed, for each state."""
        used = np.flatnonzero(np.bincount(states, minlength=len(numbers)))
        place = np.zeros(len(numbers), np.uint8 if len(used) < 256 else np.int32)
        place[used] = np.arange(len(used))
        self._states, self._numbers = place[states], numbers[used]
        few = len(states) <= _FEW_CELLS
        self._rows = as_one(self._numbers[self._states] if few else self._numbers)

    def plus(self, other: FactTable, sign: int = 1) -> FactTable:
        """The rules of both, or without those of the other, which reads the same cells."""
        size = len(other._numbers)
        numbers = self._numbers[:, None] + sign * other._numbers
        states = self._states.astype(np.int32) * size + other._states
        return FactTable(states, numbers.reshape(-1, 4))

    @property
    def gives(self) -> bool:
        """Whether any cell is given anything."""
        return bool(self._numbers.any())

    @property
    def guesses(self) -> bool:
        """Whether anything is assumed for any cell."""
        return bool(self._numbers[:, 3].any())

    def rows(self, codes: Cell) -> Rows:
        """The rows of some cells."""
        small = len(self._states) > _FEW_CELLS
        return looked_up(self._rows, self._states.take(codes) if small else codes)


class AllCells:
    """All cells of one fact, as if each were that of a lead."""

    def __init__(self, fact: str, number: int) -> None:
        self._fact, self._number = fact, number

    def __len__(self) -> int:
        return self._number

    def codes(self, fact: str) -> Cell:
        """Each cell itself."""
        assert fact == self._fact
        return np.arange(self._number)


def _table(rule: Rule, fact: str, shared: Shared) -> FactTable:
    cells = AllCells(fact, len(shared.cells[fact].values))
    state, numbers = _states(rule, shared)
    holds, may_hold = _gate(rule, shared)(cells)  # type: ignore[arg-type]  # it has all that is asked
    return FactTable(np.broadcast_to(state(cells, holds, may_hold), len(cells)), numbers)


def as_one(numbers: NDArray[np.int32]) -> NDArray[np.complex128]:
    """Four numbers as one each: looking up one is faster than four."""
    return np.ascontiguousarray(numbers).view(np.complex128)[:, 0]


def looked_up(table: NDArray[np.complex128], positions: NDArray[Any]) -> Rows:
    """The four rows of numbers at some positions of `as_one`."""
    return table.take(positions).view(np.int32).reshape(-1, 4).T


class Compiled(NamedTuple):
    """A rule as a function of a block, which is a table if the rule reads one fact only."""

    give: Giver
    fact: str = ""
    table: FactTable | None = None


def compiled(rule: Rule, shared: Shared) -> Compiled:
    """The rule, ready for blocks whose cells are those of `shared`."""
    fact = table_fact(rule)
    if fact is not None:
        table = _table(rule, fact, shared)
        return Compiled(lambda block: table.rows(block.codes(fact)), fact, table)
    gate = _gate(rule, shared)
    match rule.gives:
        case Each():
            return Compiled(_each(rule, rule.gives, gate, shared))
        case PerUnit():
            return Compiled(_per_unit(rule, rule.gives, gate))
        case _:
            return Compiled(_by_state(rule, gate, shared))


def lasts(rule: Rule, shared: Shared) -> bool:
    """Whether the rule gives the same at any time."""
    own = not isinstance(rule.gives, Each) and all(map(shared.steady, rule.facts()))
    return own and shared.lasts(rule.when)


def largest(rule: Rule, most: int) -> int:
    """No lead is given more points than this, up or down; `most`: engagements of any lead."""
    match rule.gives:
        case Each(points=points, cap=cap):
            own = abs(points) * most if cap is None else cap
        case ByChoice(table=entries, otherwise=otherwise):
            own = max(abs(points) for points in (otherwise, *(p for _, p in entries)))
        case ByRange(steps=steps, otherwise=otherwise):
            own = max(abs(points) for points in (otherwise, *(p for _, p in steps)))
        case PerUnit(cap=cap):
            own = cap
        case Fixed(points):
            own = abs(points)
    return max(own, abs(rule.missing or 0))


def _numbers(found: list[Given]) -> NDArray[np.int32]:
    return np.array([(g.points, g.low, g.high, not g.known) for g in found], np.int32)


Gate = Callable[[Block], tuple[Small | int, Small | int]]


def _gate(rule: Rule, shared: Shared) -> Gate:
    """Truth of the rule's condition, for the value and for the bounds."""
    if rule.when is None:
        return lambda block: (TRUE, TRUE)
    holds = truths_of(rule.when, shared)
    if not asks_known(rule.when):

        def both(block: Block) -> tuple[Small, Small]:
            found = holds(block)
            return found, found

        return both
    may_hold: Truths = truths_of(rule.when, shared, for_bounds=True)
    return lambda block: (holds(block), may_hold(block))


State = Callable[[HasCodes, Small | int, Small | int], Any]


def _states(rule: Rule, shared: Shared) -> tuple[State, NDArray[np.int32]]:
    """Few different answers: numbers over what the rule reads and its condition's two truths."""
    gives, fact = ungated(rule), ""
    found = [gives({}, NO_EVENTS)]
    if isinstance(rule.gives, ByChoice | ByRange):
        fact = rule.gives.fact
        values = shared.cells[fact].values
        found = [gives({} if v is None else {fact: v}, NO_EVENTS) for v in values]
    distinct: dict[Given, int] = {}
    positions = np.array([distinct.setdefault(given, len(distinct)) for given in found], np.int32)
    numbers = _numbers(
        [
            outcome(given, holds, may_hold, rule.missing)
            for given in distinct
            for holds in (FALSE, UNKNOWN, TRUE)
            for may_hold in (FALSE, UNKNOWN, TRUE)
        ]
    )

    def state(cells: HasCodes, holds: Small | int, may_hold: Small | int) -> Any:
        gate = np.int32(3) * holds + may_hold
        return gate + 9 * positions.take(cells.codes(fact)) if fact else gate

    return state, numbers


def _by_state(rule: Rule, gate: Gate, shared: Shared) -> Giver:
    state, numbers = _states(rule, shared)
    table = as_one(numbers)

    def give(block: Block) -> Rows:
        found = state(block, *gate(block))
        return looked_up(table, np.broadcast_to(found, len(block)))

    return give


def _each(rule: Rule, each: Each, gate: Gate, shared: Shared) -> Giver:
    fading = shared.fading(each)

    def give(block: Block) -> Rows | Sparse:
        found = points_of(each, fading, block)
        if rule.when is None:
            return found
        points = np.zeros(len(block), np.int64)
        points[found.who] = found.points
        return outcomes(points, points, points, None, *gate(block), rule.missing)

    return give


def _per_unit(rule: Rule, per: PerUnit, gate: Gate) -> Giver:
    full = per.cap if per.points > 0 else -per.cap
    least, most = min(0, full), max(0, full)
    enough = per.cap // abs(per.points) + 1
    unknown = outcome(Given(0, least, most, known=False), TRUE, TRUE, rule.missing)
    steps = np.clip(per.points * np.arange(enough + 1), -per.cap, per.cap)
    table = as_one(_numbers([*(Given(int(p), int(p), int(p), True) for p in steps), unknown]))

    def give(block: Block) -> Rows:
        units = np.clip(np.floor(block.numbers(per.fact) / per.unit), 0, enough)
        units[np.isnan(units)] = enough + 1  # the table's last row
        rows = looked_up(table, units.astype(np.int32))
        if rule.when is None:
            return rows
        points, low, high, guessed = rows.astype(np.int64)
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
    rows = np.empty((4, n), np.int32)
    rows[0] = np.where(guessed, assumed, np.where(holds == TRUE, points, 0))
    rows[1] = np.where(guessed, np.minimum(least, assumed), least)
    rows[2] = np.where(guessed, np.maximum(most, assumed), most)
    rows[3] = guessed & (rows[1] != rows[2])
    rows[1, settled], rows[2, settled] = low[settled], high[settled]
    rows[:, nothing] = 0
    return rows
