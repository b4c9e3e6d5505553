"""Conditions over many leads: truth (0 false, 1 unknown, 2 true) as one small number a lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.blocks import Block
from scoring.cells import NO_EVENTS, Cell, Cells, only_fact
from scoring.columns import Small
from scoring.compiling import TRUE, truth_of
from scoring.criteria import (
    All,
    Any_,
    Condition,
    EngagementTest,
    FactTest,
    Not,
    Pattern,
    Silence,
    leaves,
)
from scoring.fading import Fading, measured
from scoring.operators import OPERATORS
from scoring.rule_set import Each

Truths = Callable[[Block], Small]


class HasCodes(Protocol):
    """Leads, or all cells of a fact, each with its cell."""

    def codes(self, fact: str) -> Cell:
        """Each one's cell."""
        ...

    def __len__(self) -> int: ...


class Shared:
    """What rules have in common, also those of a draft: cells, their answers, amounts."""

    def __init__(self, cells: Mapping[str, Cells], like: Shared | None = None) -> None:
        self.cells = cells
        self._fadings: dict[Each, Fading] = dict(like._fadings) if like else {}
        self._answers: dict[tuple[FactTest, bool], Small] = {}
        if like:
            self._answers = {
                key: found
                for key, found in like._answers.items()
                if key[0].fact in cells
                and cells[key[0].fact].values is like.cells[key[0].fact].values
            }

    def fading(self, each: Each) -> Fading:
        """The amounts that the points of `each` come from."""
        key = measured(each)
        found = self._fadings.get(key)
        if found is None:
            found = self._fadings[key] = Fading(key)
        return found

    def answers(self, test: FactTest, for_bounds: bool) -> Small:
        """The test's truth for each cell of its fact, asked once."""
        found = self._answers.get((test, for_bounds))
        if found is None:
            passes = OPERATORS[test.operator].prepare(test.argument)
            values = self.cells[test.fact].values
            found = np.empty(len(values), np.uint8)
            found[0] = truth_of(test, for_bounds=for_bounds)({}, NO_EVENTS)
            found[1:] = np.fromiter(map(passes, values[1:]), np.bool_, len(values) - 1)
            found[1:] *= TRUE
            self._answers[test, for_bounds] = found
        return found

    def table(self, condition: Condition, for_bounds: bool) -> Small:
        """The truth of a condition over one fact, for each of the fact's cells."""
        match condition:
            case Not(part):
                return TRUE - self.table(part, for_bounds)
            case All(parts):
                least: Small = np.minimum.reduce([self.table(p, for_bounds) for p in parts])
                return least
            case Any_(parts):
                most: Small = np.maximum.reduce([self.table(p, for_bounds) for p in parts])
                return most
            case FactTest():
                return self.answers(condition, for_bounds)
        raise TypeError(f"{condition!r} is not over one fact")

    def steady(self, fact: str) -> bool:
        """Whether the leads' cells of a fact stay whatever the time."""
        cells = self.cells[fact]
        return cells.fixed is not None or cells.column is None

    def lasts(self, condition: Condition | None) -> bool:
        """Whether a condition's truth stays whatever the time."""
        tests = [] if condition is None else leaves(condition)
        return all(isinstance(test, FactTest) and self.steady(test.fact) for test in tests)


def truths_of(condition: Condition, shared: Shared, *, for_bounds: bool = False) -> Truths:
    """The condition as a function of a block; `for_bounds` as in `compiling.truth_of`."""
    fact = only_fact(condition)
    if fact is not None:
        table = shared.table(condition, for_bounds)
        return lambda block: table.take(block.codes(fact))
    match condition:
        case EngagementTest():
            return _engagement(condition, shared)
        case Silence(kinds, days):
            fading = shared.fading(Each(Pattern(kinds), 1, time_frame_days=days))
            return lambda block: _two(fading.numbers(block) == 0)
        case Not(part):
            inner = truths_of(part, shared, for_bounds=for_bounds)
            return lambda block: TRUE - inner(block)
        case All(parts):
            return _joined(np.minimum, [truths_of(p, shared, for_bounds=for_bounds) for p in parts])
        case Any_(parts):
            return _joined(np.maximum, [truths_of(p, shared, for_bounds=for_bounds) for p in parts])
    raise TypeError(f"no way to test {condition!r} for many leads")


def _engagement(test: EngagementTest, shared: Shared) -> Truths:
    each = Each(test.pattern, 1, time_frame_days=test.within_days, first=test.first)
    fading = shared.fading(each)
    least, most = (1, None) if test.first else (test.least, test.most)

    def truths(block: Block) -> Small:
        number = fading.numbers(block)
        holds = number >= least
        return _two(holds if most is None else holds & (number <= most))

    return truths


def _two(holds: NDArray[np.bool_]) -> Small:
    return holds.view(np.uint8) * np.uint8(TRUE)


def _joined(join: np.ufunc, parts: list[Truths]) -> Truths:
    def truths(block: Block) -> Small:
        result = parts[0](block)
        for part in parts[1:]:
            result = join(result, part(block))
        return result

    return truths
