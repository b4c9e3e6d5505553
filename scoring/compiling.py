"""Rules to closures: everything that depends on the document alone is worked out once.

Truth is 0 (known to be false), 1 (unknown) or 2 (known to be true): and = min, or = max,
not = 2 - x. Each condition is compiled twice when it asks whether something is known: once for the
value, and once for the bounds, where an unknown fact may yet become known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from scoring.arithmetic import clip, halving, midpoint, stepped
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
from scoring.events import Events, pattern_key
from scoring.operators import OPERATORS, Value, days_us
from scoring.possible import Imagined
from scoring.rule_set import ByChoice, ByRange, Each, Fixed, PerUnit, Rule

FALSE, UNKNOWN, TRUE = 0, 1, 2
Values = Mapping[str, Value]


class Given(NamedTuple):
    """What one rule gives: the points, and the least and most they could become."""

    points: int
    low: int
    high: int
    known: bool
    occurrences: int = 0  # engagements that counted
    newest_us: int = 0  # age of the newest of them


Truth = Callable[[Values, Events], int]
Gives = Callable[[Values, Events], Given]
Ages = Callable[[Events], Sequence[int]]
NOTHING = Given(0, 0, 0, True)


# -- conditions --------------------------------------------------------------------------------


def truth_of(condition: Condition, *, for_bounds: bool = False) -> Truth:
    """The condition as a function; `for_bounds`: what is unknown may yet become known."""
    match condition:
        case FactTest():
            return _fact_truth(condition, for_bounds)
        case EngagementTest():
            return _engagement_truth(condition)
        case Silence():
            key, span = pattern_key(Pattern(condition.kinds)), days_us(condition.days)

            def silent(values: Values, events: Events) -> int:
                found = events.ages(key)
                return FALSE if found and found[-1] <= span else TRUE

            return silent
        case Not():
            part = truth_of(condition.part, for_bounds=for_bounds)
            return lambda values, events: TRUE - part(values, events)
        case All():
            return _all_truth([truth_of(part, for_bounds=for_bounds) for part in condition.parts])
        case Any_():
            return _any_truth([truth_of(part, for_bounds=for_bounds) for part in condition.parts])


def asks_known(condition: Condition) -> bool:
    """Whether the value's truth and the bounds' truth can differ."""
    return any(
        isinstance(t, FactTest) and OPERATORS[t.operator].asks_known for t in leaves(condition)
    )


def _all_truth(parts: Sequence[Truth]) -> Truth:
    def truth(values: Values, events: Events) -> int:
        least = TRUE
        for part in parts:
            found = part(values, events)
            if found < least:
                if found == FALSE:
                    return FALSE
                least = found
        return least

    return truth


def _any_truth(parts: Sequence[Truth]) -> Truth:
    def truth(values: Values, events: Events) -> int:
        most = FALSE
        for part in parts:
            found = part(values, events)
            if found > most:
                if found == TRUE:
                    return TRUE
                most = found
        return most

    return truth


def _fact_truth(test: FactTest, for_bounds: bool) -> Truth:
    operator = OPERATORS[test.operator]
    predicate = operator.prepare(test.argument)
    name = test.fact
    absent = UNKNOWN
    if operator.asks_known and not for_bounds:
        absent = TRUE if test.operator == "is_unknown" else FALSE

    def truth(values: Values, events: Events) -> int:
        value = values.get(name)
        if value is None:
            return absent
        if isinstance(value, Imagined):
            return TRUE if value.passes(test.operator, test.argument) else FALSE
        return TRUE if predicate(value) else FALSE

    return truth


def _engagement_truth(test: EngagementTest) -> Truth:
    if test.first:
        return _first_truth(test)
    ages = ages_of(test.pattern, test.within_days)
    least, most = test.least, test.most

    def truth(values: Values, events: Events) -> int:
        count = len(ages(events))
        return TRUE if count >= least and (most is None or count <= most) else FALSE

    return truth


def _first_truth(test: EngagementTest) -> Truth:
    ages = ages_of(test.pattern)
    span = None if test.within_days is None else days_us(test.within_days)

    def truth(values: Values, events: Events) -> int:
        found = ages(events)
        return TRUE if found and (span is None or found[0] <= span) else FALSE

    return truth


def ages_of(pattern: Pattern, within_days: float | None = None) -> Ages:
    """Ages in microseconds of the engagements that match, oldest first."""
    key = pattern_key(pattern)
    if within_days is None:
        return lambda events: events.ages(key)
    span = days_us(within_days)

    def ages(events: Events) -> Sequence[int]:
        found = events.ages(key)
        return found if not found or found[0] <= span else [age for age in found if age <= span]

    return ages


# -- points ------------------------------------------------------------------------------------


def rule_function(rule: Rule) -> Gives:
    """The rule as a function of values and events."""
    gives, missing = ungated(rule), rule.missing
    if rule.when is None:
        if isinstance(rule.gives, Fixed | Each):
            return gives
        return lambda values, events: outcome(gives(values, events), TRUE, TRUE, missing)
    truth = truth_of(rule.when)
    possible = truth_of(rule.when, for_bounds=True) if asks_known(rule.when) else None

    def given(values: Values, events: Events) -> Given:
        holds = truth(values, events)
        may_hold = holds if possible is None else possible(values, events)
        if holds == FALSE and may_hold == FALSE:
            return NOTHING
        return outcome(gives(values, events), holds, may_hold, missing)

    return given


def ungated(rule: Rule) -> Gives:
    """What the rule gives where its condition holds; `known` False: `low` and `high` only."""
    match rule.gives:
        case Fixed(points):
            given = Given(points, points, points, True)
            return lambda values, events: given
        case ByChoice():
            return _by_choice(rule.gives)
        case ByRange():
            return _by_range(rule.gives)
        case PerUnit():
            return _per_unit(rule.gives)
        case Each():
            return _each(rule.gives)


def outcome(found: Given, holds: int, may_hold: int, missing: int | None) -> Given:
    """What a rule gives, from what it would give if its condition held and from the condition.

    `holds` is the condition's truth for the value, `may_hold` for the bounds.
    """
    if holds == FALSE and may_hold == FALSE:
        return NOTHING
    if holds == TRUE == may_hold and found.known:
        return found
    low, high = found.low, found.high
    if may_hold == UNKNOWN:
        low, high = min(0, low), max(0, high)
    if missing is not None:  # where only part becomes known, it may be assumed
        low, high = min(low, missing), max(high, missing)
    if holds == FALSE:
        return Given(0, low, high, True)
    if holds == TRUE and found.known:
        return found._replace(low=low, high=high)
    return _unknown(low, high, missing)


def _unknown(low: int, high: int, missing: int | None) -> Given:
    """An assumed value; a declared one may lie outside what the rule can give.

    Where every possibility gives the same, nothing is unknown.
    """
    assumed = midpoint(low, high) if missing is None else missing
    low, high = min(low, assumed), max(high, assumed)
    return Given(assumed, low, high, low == high)


def _by_choice(by: ByChoice) -> Gives:
    fact, otherwise = by.fact, by.otherwise
    table: dict[Value, Given] = {
        value: Given(points, points, points, True) for value, points in by.table
    }
    rest = Given(otherwise, otherwise, otherwise, True)
    possible = [points for _, points in by.table] + ([] if by.exhaustive else [otherwise])
    unknown = Given(0, min(possible), max(possible), known=False)

    def given(values: Values, events: Events) -> Given:
        value = values.get(fact)
        return unknown if value is None else table.get(value, rest)

    return given


def _by_range(by: ByRange) -> Gives:
    fact = by.fact
    steps = [(start, Given(points, points, points, True)) for start, points in reversed(by.steps)]
    rest = Given(by.otherwise, by.otherwise, by.otherwise, True)
    possible = [points for _, points in by.steps] + [by.otherwise]
    unknown = Given(0, min(possible), max(possible), known=False)

    def given(values: Values, events: Events) -> Given:
        value = values.get(fact)
        if value is None:
            return unknown
        for start, points in steps:
            if value >= start:  # type: ignore[operator]  # a number fact holds numbers only
                return points
        return rest

    return given


def _per_unit(per: PerUnit) -> Gives:
    fact, unit, points, cap = per.fact, per.unit, per.points, per.cap
    full = cap if points > 0 else -cap
    unknown = Given(0, min(0, full), max(0, full), known=False)
    enough = cap // abs(points) + 1  # so many units reach the cap; keeps the arithmetic small

    def given(values: Values, events: Events) -> Given:
        value = values.get(fact)
        if value is None:
            return unknown
        units = value / unit  # type: ignore[operator]  # a number fact holds numbers only
        total = clip(points * math.floor(min(max(units, 0.0), enough)), -cap, cap)
        return Given(total, total, total, True)

    return given


def counted(each: Each) -> Callable[[Sequence[int]], Sequence[int]]:
    """Those ages of a pattern that count: occurrence, time frame, frequency in this order."""
    span, frequency = each.time_frame_days, each.frequency
    within = None if span is None else days_us(span)
    if each.first:
        return lambda ages: ages[:1] if within is None or (ages and ages[0] <= within) else ()
    if within is None:
        return (lambda ages: ages) if frequency is None else (lambda ages: ages[-frequency:])
    most = frequency or 0  # [-0:] is everything

    def recent(ages: Sequence[int]) -> Sequence[int]:
        inside = ages if not ages or ages[0] <= within else [age for age in ages if age <= within]
        return inside[-most:]

    return recent


def counted_ages(each: Each) -> Ages:
    """Ages of a lead's engagements that count for the rule."""
    key, select = pattern_key(each.pattern), counted(each)
    return lambda events: select(events.ages(key))


def fading(each: Each) -> Callable[[Sequence[int]], int]:
    """Milli-points of engagements of some ages, before the cap, as a function made once."""
    points, step = each.points, each.step
    if each.half_life_days is not None:
        return halving(points, days_us(each.half_life_days))
    if step is not None:
        every_us = days_us(step.every_days)
        return lambda ages: stepped(points, ages, step.loss, every_us)
    return lambda ages: points * len(ages)


def faded(each: Each, ages: Sequence[int]) -> int:
    """Milli-points of engagements of these ages, before the cap."""
    return fading(each)(ages)


def engaged(each: Each) -> Callable[[Sequence[int]], Given]:
    """What the rule gives for all ages of its pattern."""
    select, fade, most = counted(each), fading(each), each.cap

    def given(ages: Sequence[int]) -> Given:
        found = select(ages)
        if not found:
            return NOTHING
        total = fade(found)
        if most is not None and not -most <= total <= most:
            total = most if total > 0 else -most
        return Given(total, total, total, True, len(found), found[-1])

    return given


def _each(each: Each) -> Gives:
    key, give = pattern_key(each.pattern), engaged(each)
    return lambda values, events: give(events.ages(key))
