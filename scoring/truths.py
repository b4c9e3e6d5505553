"""Conditions over many leads: truth (0 false, 1 unknown, 2 true) as one small number a lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from scoring.cells import NO_EVENTS, Cell, Cells, only_fact
from scoring.columns import Small
from scoring.compiling import TRUE, truth_of
from scoring.criteria import All, Any_, Condition, EngagementTest, Not, Pattern, Silence
from scoring.hits import Hits, Now, counts, first_within


class Block:
    """Some neighbouring leads at their `now`, with what was already worked out for them."""

    __slots__ = ("_cells", "_codes", "_hits", "high", "low", "now")

    def __init__(
        self,
        cells: Mapping[str, Cells],
        hits: Mapping[Pattern, Hits],
        low: int,
        high: int,
        now: Now,
    ) -> None:
        self.low, self.high, self.now = low, high, now
        self._cells, self._hits = cells, hits
        self._codes: dict[str, Cell] = {}

    def __len__(self) -> int:
        return self.high - self.low

    def codes(self, fact: str) -> Cell:
        """Each lead's cell of a fact."""
        found = self._codes.get(fact)
        if found is None:
            found = self._codes[fact] = self._cells[fact].codes(self.low, self.high, self.now)
        return found

    def hits(self, pattern: Pattern) -> Hits:
        """The leads' engagements of a pattern."""
        return self._hits[pattern].part(self.low, self.high)


Truths = Callable[[Block], Small]


def truths_of(
    condition: Condition, cells: Mapping[str, Cells], *, for_bounds: bool = False
) -> Truths:
    """The condition as a function of a block; `for_bounds` as in `compiling.truth_of`."""
    fact = only_fact(condition)
    if fact is not None:
        return _looked_up(fact, condition, cells[fact], for_bounds)
    match condition:
        case EngagementTest():
            return _engagement(condition)
        case Silence(kinds, days):
            pattern = Pattern(kinds)
            return lambda block: _two(counts(block.hits(pattern), block.now, days) == 0)
        case Not(part):
            inner = truths_of(part, cells, for_bounds=for_bounds)
            return lambda block: TRUE - inner(block)
        case All(parts):
            return _joined(np.minimum, [truths_of(p, cells, for_bounds=for_bounds) for p in parts])
        case Any_(parts):
            return _joined(np.maximum, [truths_of(p, cells, for_bounds=for_bounds) for p in parts])
    raise TypeError(f"no way to test {condition!r} for many leads")


def _looked_up(fact: str, condition: Condition, cells: Cells, for_bounds: bool) -> Truths:
    truth = truth_of(condition, for_bounds=for_bounds)
    table = np.array(
        [truth({} if v is None else {fact: v}, NO_EVENTS) for v in cells.values], np.uint8
    )
    return lambda block: table[block.codes(fact)]


def _engagement(test: EngagementTest) -> Truths:
    pattern, least, most, within = test.pattern, test.least, test.most, test.within_days
    if test.first:
        return lambda block: _two(first_within(block.hits(pattern), block.now, within))

    def truths(block: Block) -> Small:
        number = counts(block.hits(pattern), block.now, within)
        holds = number >= least
        return _two(holds if most is None else holds & (number <= most))

    return truths


def _two(holds: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Small:
    return holds.view(np.uint8) * np.uint8(TRUE)


def _joined(join: np.ufunc, parts: list[Truths]) -> Truths:
    def truths(block: Block) -> Small:
        result = parts[0](block)
        for part in parts[1:]:
            result = join(result, part(block))
        return result

    return truths
