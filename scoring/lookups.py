"""What rules over one fact give to one lead, looked up instead of worked out.

The same values come again and again: what the rules give for a text is remembered, for a number or
an age it depends only on the cell between the limits that rules name (`scoring.cells`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence

from scoring.cells import NO_EVENTS, cuts_of, representatives, table_fact
from scoring.compiling import Given, Gives
from scoring.operators import Value
from scoring.rule_set import RuleSet

#: Distinct values of one fact whose points are kept in memory.
REMEMBERED = 100_000
Entries = tuple[tuple[int, Given], ...]
Find = Callable[[Value], Entries]


class Lookups:
    """Points of all rules that read one fact and nothing else, for any lead."""

    __slots__ = ("_finders", "_unknown", "others")

    def __init__(self, rule_set: RuleSet, gives: Sequence[Gives]) -> None:
        by_fact: dict[str, list[tuple[int, Gives]]] = {}
        #: rules that look at more than one fact, at a number itself or at engagements
        self.others: list[tuple[int, Gives]] = []
        for position, (rule, give) in enumerate(zip(rule_set.rules(), gives, strict=True)):
            fact = table_fact(rule)
            into = self.others if fact is None else by_fact.setdefault(fact, [])
            into.append((position, give))
        types, cuts = dict(rule_set.fact_types), cuts_of(rule_set)
        self._finders: list[tuple[str, Find]] = [
            (fact, _finder(fact, types[fact], sorted(cuts.get(fact, ())), rules))
            for fact, rules in by_fact.items()
        ]
        self._unknown: list[Given | None] = [None] * len(gives)
        for rules in by_fact.values():
            for position, give in rules:
                self._unknown[position] = give({}, NO_EVENTS)

    def givens(self, values: Mapping[str, Value]) -> list[Given | None]:
        """One entry for each rule in order, None for the `others`."""
        found = self._unknown.copy()
        for fact, find in self._finders:
            value = values.get(fact)
            if value is not None:
                for position, given in find(value):
                    found[position] = given
        return found


def _finder(
    fact: str, fact_type: str, cuts: Sequence[float], rules: list[tuple[int, Gives]]
) -> Find:
    def ask(value: Value) -> Entries:
        return tuple((position, give({fact: value}, NO_EVENTS)) for position, give in rules)

    if fact_type in ("number", "date"):
        cells = [ask(v) for v in representatives(cuts) if v is not None]
        return lambda value: cells[bisect_left(cuts, value) + bisect_right(cuts, value)]
    known: dict[Value, Entries] = {}

    def find(value: Value) -> Entries:
        found = known.get(value)
        if found is None:
            if len(known) >= REMEMBERED:
                known.clear()
            found = known[value] = ask(value)
        return found

    return find
