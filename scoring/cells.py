"""Facts as cells: values between which no rule makes a difference share one small code.

A text, choice, flag or list has a cell for each distinct value. Numbers and ages are cut at the
limits that rules name. Whatever reads one fact is then asked once per cell, through the very
function that scores one lead, and looked up for all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.columns import NEVER, Coded, Column, Columns, Dates, Floats, Integers, Numbers
from scoring.criteria import Condition, EngagementTest, FactTest, Silence, leaves
from scoring.events import Events, Watch
from scoring.hits import Now
from scoring.operators import Value, days_us
from scoring.rule_set import ByChoice, ByRange, Each, PerUnit, Rule, RuleSet

NO_EVENTS = Events([], 0, Watch(()))
_DAY_SECONDS = 86_400
_FEW_CUTS = 16  # comparing with each is then faster than searching
Cell = NDArray[Any]  # unsigned bytes, or 32-bit integers where there are more than 255


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one fact: `values[0]` stands for unknown, the others for what is in them."""

    values: Sequence[Value | None]
    column: Column | None
    cuts: NDArray[Any]  # ascending; of numbers and ages
    fixed: Cell | None  # the cell of each lead, where time does not matter

    def codes(self, low: int, high: int, now: Now) -> Cell:
        """The cell of each of the leads `low` to `high` at `now`."""
        if self.fixed is not None:
            return self.fixed[low:high]
        if not isinstance(self.column, Dates):
            return np.zeros(high - low, np.uint8)  # nobody has this fact
        at = self.column.at[low:high]
        unknown = at == NEVER
        age = now - np.where(unknown, 0, at)
        found = _cut(self.cuts, _days(age) if self.column.growing else age)
        found[unknown] = 0
        return found


def numbers(column: Column | None, low: int, high: int, now: Now) -> Floats:
    """A number of the leads `low` to `high` at `now`; NaN where it is unknown."""
    if isinstance(column, Numbers):
        return column.values[low:high]
    if isinstance(column, Dates) and column.growing:
        at = column.at[low:high]
        unknown = at == NEVER
        return np.where(unknown, np.nan, _days(now - np.where(unknown, 0, at)))
    return np.full(high - low, np.nan)


def cells_of(
    columns: Columns, rule_set: RuleSet, known: Mapping[str, Cells] | None = None
) -> dict[str, Cells]:
    """The cells of every fact that the rule set reads; those that are `known` already are kept."""
    cuts = cuts_of(rule_set)
    found = {}
    for name, _ in rule_set.fact_types:
        wanted, before = sorted(cuts.get(name, ())), (known or {}).get(name)
        if before is None or before.cuts.tolist() != wanted:
            before = _cells(columns.facts.get(name), wanted)
        found[name] = before
    return found


def bound_to(cells: Mapping[str, Cells], columns: Columns) -> dict[str, Cells] | None:
    """The same cells of other leads; None where a text has other values, or a fact is new."""
    found = {}
    for name, before in cells.items():
        column = columns.facts.get(name)
        if column is None:
            bound = Cells(before.values, None, before.cuts, None)
        elif not _alike(column, before.column):
            return None
        elif isinstance(column, Coded):
            bound = Cells(before.values, column, before.cuts, column.codes)
        else:
            fixed = None if isinstance(column, Dates) else _number_cells(before.cuts, column)
            bound = Cells(before.values, column, before.cuts, fixed)
        found[name] = bound
    return found


def _alike(column: Column, before: Column | None) -> bool:
    if isinstance(column, Coded) and isinstance(before, Coded):
        return column.values is before.values
    if isinstance(column, Dates) and isinstance(before, Dates):
        return column.growing == before.growing
    return isinstance(column, Numbers) and isinstance(before, Numbers)


def _number_cells(cuts: Floats, column: Numbers) -> Cell:
    found = _cut(cuts, column.values)
    found[np.isnan(column.values)] = 0
    return found


def _cells(column: Column | None, cuts: Sequence[float]) -> Cells:
    if column is None:
        return Cells((None,), None, np.array([]), None)
    if isinstance(column, Coded):
        size = np.uint8 if len(column.values) < 255 else np.int32
        codes = column.codes.astype(size, copy=False)
        return Cells((None, *column.values), column, np.array([]), codes)
    if isinstance(column, Dates) and not column.growing:
        ages = np.array(cuts, np.int64)
        return Cells(representatives(cuts), column, ages, None)
    limits = np.array(cuts, np.float64)
    values = representatives(cuts)
    if isinstance(column, Dates):
        return Cells(values, column, limits, None)
    return Cells(values, column, limits, _number_cells(limits, column))


def representatives(cuts: Sequence[float]) -> tuple[Value | None, ...]:
    """None for unknown, then a number below all cuts, each cut and one that follows it."""
    if not cuts:
        return (None, 0)
    values: list[Value | None] = [None, cuts[0] - max(1, abs(cuts[0]))]
    for cut, following in pairwise([*cuts, cuts[-1] + 2 * max(1, abs(cuts[-1]))]):
        values += [cut, (cut + following) / 2]
    return tuple(values)


def _cut(cuts: NDArray[Any], values: NDArray[Any]) -> Cell:
    """1 below the first cut, 2 on it, 3 above it, and so on."""
    if len(cuts) <= _FEW_CUTS:
        small = np.ones(len(values), np.uint8)
        for cut in cuts:
            small += values >= cut
            small += values > cut
        return small
    found = np.searchsorted(cuts, values, "left") + np.searchsorted(cuts, values, "right")
    found += 1
    return found.astype(np.uint8 if 2 * len(cuts) + 1 < 256 else np.int32)


def _days(age_us: Integers) -> Floats:
    """Microseconds as days from 0, in the very steps of `scoring.facts`: through seconds."""
    return np.maximum(0.0, age_us / 1_000_000 / _DAY_SECONDS)


def cuts_of(rule_set: RuleSet) -> Mapping[str, set[float]]:
    """Every number at which some rule changes its answer, by fact."""
    found: dict[str, set[float]] = {}
    for condition in rule_set.conditions():
        for test in leaves(condition):
            if isinstance(test, FactTest):
                found.setdefault(test.fact, set()).update(_limits(test))
    for rule in rule_set.rules():
        if isinstance(rule.gives, ByRange):
            found.setdefault(rule.gives.fact, set()).update(start for start, _ in rule.gives.steps)
    return found


def _limits(test: FactTest) -> list[float]:
    given = test.argument if isinstance(test.argument, tuple) else (test.argument,)
    numbers = [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
    if test.type == "date":
        return [0, *(days_us(days) for days in numbers)]
    return numbers if test.type == "number" else []


def table_fact(rule: Rule) -> str | None:
    """The one fact that decides what the rule gives, if there is one and nothing else does."""
    facts = set()
    if rule.when is not None:
        facts.add(only_fact(rule.when))
    if isinstance(rule.gives, ByChoice | ByRange):
        facts.add(rule.gives.fact)
    single = len(facts) == 1 and not isinstance(rule.gives, Each | PerUnit)
    return facts.pop() if single else None


def only_fact(condition: Condition) -> str | None:
    """The one fact that the condition reads, if it reads one and no engagement."""
    tests = leaves(condition)
    if any(isinstance(test, EngagementTest | Silence) for test in tests):
        return None
    facts = {test.fact for test in tests if isinstance(test, FactTest)}
    return facts.pop() if len(facts) == 1 else None
