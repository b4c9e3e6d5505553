"""What rules over one fact give to one lead, looked up instead of worked out.

The same values come again and again: what the rules give for a text is remembered, for a number or
an age it depends only on the cell between the limits that rules name (`scoring.cells`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from scoring.bounds import Bounds
from scoring.cells import NO_EVENTS, cuts_of, representatives, table_fact
from scoring.compiling import Given, Gives, engaged
from scoring.events import Events, pattern_key
from scoring.operators import Value
from scoring.rule_set import Each, Rule, RuleSet

#: Distinct values of one fact whose points are kept in memory.
REMEMBERED = 100_000


class Entry(NamedTuple):
    """What the rules that read one fact give for one value of it."""

    rows: tuple[tuple[int, Given], ...]  # by position of the rule
    sums: tuple[tuple[int, int], ...]  # group, and points of its rules
    spans: tuple[tuple[int, int, int], ...]  # group, and how far below and above them it may be


Find = Callable[[Value], Entry]
Other = tuple[int, int, Gives]
Engaged = tuple[int, int, Callable[[Sequence[int]], Given]]


class Lookups:
    """What each rule gives to one lead, with everything that can be worked out before."""

    __slots__ = ("by_pattern", "finders", "others")

    def __init__(self, rule_set: RuleSet, gives: Sequence[Gives], bounds: Bounds) -> None:
        by_fact: dict[str, list[tuple[int, Gives]]] = {}
        #: rules over one kind of engagement and nothing else: position, group, points for ages
        self.by_pattern: dict[str, list[Engaged]] = {}
        #: rules that look at several things, or at a number itself
        self.others: list[Other] = []
        for position, (rule, give) in enumerate(zip(rule_set.rules(), gives, strict=True)):
            fact, group = table_fact(rule), bounds.group_of[position]
            if fact is not None:
                by_fact.setdefault(fact, []).append((position, give))
            elif isinstance(rule.gives, Each) and rule.when is None:
                key = pattern_key(rule.gives.pattern)
                entry = (position, group, engaged(rule.gives))
                self.by_pattern.setdefault(key, []).append(entry)
            elif position in bounds.unknown:
                bounded = _bounded(give, rule, *bounds.unknown[position])
                self.others.append((position, group, bounded))
            else:
                self.others.append((position, group, give))
        types, cuts = dict(rule_set.fact_types), cuts_of(rule_set)
        #: for each fact what is given while it is unknown, and how to look up a value
        self.finders: list[tuple[str, Entry, Find]] = [
            (
                fact,
                _unknown(rules, bounds),
                _finder(fact, types[fact], sorted(cuts.get(fact, ())), rules, bounds),
            )
            for fact, rules in by_fact.items()
        ]


def _entry(rows: Sequence[tuple[int, Given]], bounds: Bounds) -> Entry:
    sums: dict[int, int] = {}
    spans: dict[int, tuple[int, int]] = {}
    for position, given in rows:
        group = bounds.group_of[position]
        sums[group] = sums.get(group, 0) + given.points
        below, above = spans.get(group, (0, 0))
        spans[group] = below + given.low - given.points, above + given.high - given.points
    return Entry(
        tuple(rows),
        tuple((group, points) for group, points in sums.items() if points),
        tuple((group, *span) for group, span in spans.items() if any(span)),
    )


def _unknown(rules: Sequence[tuple[int, Gives]], bounds: Bounds) -> Entry:
    rows = []
    for position, give in rules:
        given = give({}, NO_EVENTS)
        if position in bounds.unknown:
            low, high = bounds.unknown[position]
            given = given._replace(low=low, high=high)
        rows.append((position, given))
    return _entry(rows, bounds)


def _bounded(give: Gives, rule: Rule, low: int, high: int) -> Gives:
    """The rule with other bounds while the one fact that it reads is unknown."""
    (fact,) = rule.facts()

    def given(values: Mapping[str, Value], events: Events) -> Given:
        found = give(values, events)
        return found if fact in values else found._replace(low=low, high=high)

    return given


def _finder(
    fact: str,
    fact_type: str,
    cuts: Sequence[float],
    rules: list[tuple[int, Gives]],
    bounds: Bounds,
) -> Find:
    def ask(value: Value) -> Entry:
        rows = [(position, give({fact: value}, NO_EVENTS)) for position, give in rules]
        return _entry(rows, bounds)

    if fact_type in ("number", "date"):
        cells = [ask(v) for v in representatives(cuts) if v is not None]
        return lambda value: cells[bisect_left(cuts, value) + bisect_right(cuts, value)]
    known: dict[Value, Entry] = {}

    def find(value: Value) -> Entry:
        found = known.get(value)
        if found is None:
            if len(known) >= REMEMBERED:
                known.clear()
            found = known[value] = ask(value)
        return found

    return find
