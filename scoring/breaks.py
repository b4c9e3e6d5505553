"""Where a condition may flip by time alone: the instants between which its truth stays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scoring.criteria import Condition, EngagementTest, FactTest, Pattern, Silence, leaves
from scoring.events import pattern_key
from scoring.inputs import GROWING_FACTS, grown_days
from scoring.operators import days_us
from scoring.rule_set import ByRange, RuleSet


@dataclass(frozen=True, slots=True)
class Moments:
    """What of a lead moves with the clock, in microseconds since 1970."""

    engagements: Mapping[str, Sequence[int]]  # by pattern, ascending, future ones as well
    dates: Mapping[str, int]  # facts that are dates
    births: Mapping[str, int]  # what growing facts count from


#: The instants at which something may flip after `start` and before `until`, in any order; no
#: engagement begins in between. Others may be among them.
Breaks = Callable[[Moments, int, int], Iterable[int]]


def breaks_of(rule_set: RuleSet) -> list[Breaks]:
    """For every part of conditions and tables that time can change."""
    conditions: list[Condition] = [rule.when for rule in rule_set.rules() if rule.when is not None]
    conditions += [entry.when for entry in rule_set.suppressions]
    conditions += [entry.when for entry in rule_set.disqualifiers]
    tests = {test for condition in conditions for test in leaves(condition)}
    found = [breaks for test in tests if (breaks := _breaks(test)) is not None]
    for rule in rule_set.rules():
        if isinstance(rule.gives, ByRange) and rule.gives.fact in GROWING_FACTS:
            found.append(_passing(rule.gives.fact, [start for start, _ in rule.gives.steps]))
    return found


def _breaks(test: FactTest | EngagementTest | Silence) -> Breaks | None:
    match test:
        case Silence():
            return _ending(Pattern(test.kinds), test.days, [1])
        case EngagementTest():
            if test.within_days is None:
                return None
            if test.first:
                return _ending_of_first(test.pattern, test.within_days)
            counts = [test.least] if test.most is None else [test.least, test.most + 1]
            return _ending(test.pattern, test.within_days, [n for n in counts if n > 0])
        case FactTest():
            given = test.argument if isinstance(test.argument, tuple) else (test.argument,)
            numbers = [n for n in given if isinstance(n, int | float) and not isinstance(n, bool)]
            if test.type == "date" and numbers:
                return _passing_date(test.fact, days_us(numbers[0]))
            if test.fact in GROWING_FACTS and test.type == "number" and numbers:
                return _passing(test.fact, numbers)
    return None


def _ending(pattern: Pattern, days: float, counts: Sequence[int]) -> Breaks:
    """When the newest N engagements are no longer all within the days, for each N of `counts`."""
    key, span = pattern_key(pattern), days_us(days)

    def breaks(moments: Moments, start: int, until: int) -> list[int]:
        instants = moments.engagements[key]
        begun = bisect_right(instants, start)
        return [instants[begun - count] + span + 1 for count in counts if count <= begun]

    return breaks


def _ending_of_first(pattern: Pattern, days: float) -> Breaks:
    key, span = pattern_key(pattern), days_us(days)
    return lambda moments, start, until: [at + span + 1 for at in moments.engagements[key][:1]]


def _passing_date(fact: str, span: int) -> Breaks:
    """When a date comes, and when it is longer ago than the days."""

    def breaks(moments: Moments, start: int, until: int) -> Sequence[int]:
        at = moments.dates.get(fact)
        return () if at is None else (at, at + span + 1)

    return breaks


def _passing(fact: str, limits: Sequence[float]) -> Breaks:
    """When a growing fact reaches each limit, and when it passes it."""

    def breaks(moments: Moments, start: int, until: int) -> list[int]:
        birth = moments.births.get(fact)
        if birth is None:
            return []

        def days(at: int) -> float:
            return grown_days(birth, at)

        instants = range(start, until)
        found: list[Any] = []
        for limit in limits:
            found.append(start + bisect_left(instants, limit, key=days))
            found.append(start + bisect_right(instants, limit, key=days))
        return found

    return breaks
