"""What an unknown fact could turn out to be: a case for all values that rules take for the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

from scoring.cells import cuts_of, representatives
from scoring.criteria import FactTest, leaves
from scoring.operators import Value, fold
from scoring.rule_set import ByChoice, PerUnit, RuleSet

#: Cases of one fact; where rules tell more apart, each rule is looked at by itself.
MOST_CASES = 1_024
MOST_WORDS = 10  # words and patterns that rules look for in one text or list: 2^10 cases
MOST_UNITS = 64  # steps of points per unit
_SEARCHES = ("contains", "starts_with", "ends_with", "matches")

Case = Any  # a Value or an Imagined


class Imagined:
    """A text that no rule names; known is only which words and patterns are found in it."""

    __slots__ = ("_found",)

    def __init__(self, found: Iterable[tuple[str, str]]) -> None:
        self._found = frozenset(found)

    def words(self) -> str:
        """The words that are found in it, as people would write them; "" for none."""
        return ", ".join(f"“{word}”" for _, word in sorted(self._found))

    def passes(self, operator: str, argument: object) -> bool:
        """Whether the text passes an operator of texts."""
        if operator in _SEARCHES:
            return any(word in self._found for word in searched(operator, argument))
        return operator in ("not_equals", "not_in", "is_known")


def possible_cases(rule_set: RuleSet) -> dict[str, tuple[Case, ...]]:
    """For each fact that points depend on, a value for every case; without facts of too many.

    Complete: whatever value a fact gets, rules answer as for one of its cases. Every case is one
    that exists, except that regular expressions count as independent of each other and of words.
    """
    tests: dict[str, list[FactTest]] = {}
    for condition in scoring_conditions(rule_set):
        for leaf in leaves(condition):
            if isinstance(leaf, FactTest):
                tests.setdefault(leaf.fact, []).append(leaf)
    tables: dict[str, list[ByChoice | PerUnit]] = {}
    for rule in rule_set.rules():
        for fact in rule.facts():
            tests.setdefault(fact, [])
        if isinstance(rule.gives, ByChoice | PerUnit):
            tables.setdefault(rule.gives.fact, []).append(rule.gives)
    types, choices, cuts = dict(rule_set.fact_types), dict(rule_set.choices), cuts_of(rule_set)
    found = {}
    for fact, asked in tests.items():
        cases = _cases(types[fact], choices.get(fact, ()), asked, tables.get(fact, ()),
                       cuts.get(fact, set()))  # fmt: skip
        if cases is not None and len(cases) <= MOST_CASES:
            found[fact] = cases
    return found


def scoring_conditions(rule_set: RuleSet) -> list[Any]:
    """The conditions that points depend on: those of rules and disqualifiers."""
    rules = [rule.when for rule in rule_set.rules() if rule.when is not None]
    return rules + [entry.when for entry in rule_set.disqualifiers]


def _cases(
    kind: str,
    choices: Sequence[str],
    tests: Sequence[FactTest],
    tables: Sequence[ByChoice | PerUnit],
    cuts: set[float],
) -> tuple[Case, ...] | None:
    """None for too many."""
    if kind == "flag":
        return (True, False)
    if choices and kind == "choice":
        return tuple(map(fold, choices))
    if kind in ("number", "date"):
        steps = [table for table in tables if isinstance(table, PerUnit)]
        if any(per.cap > MOST_UNITS * abs(per.points) for per in steps):
            return None
        enough = [per.cap // abs(per.points) + 1 for per in steps]
        units = [per.unit * n for per, most in zip(steps, enough, strict=True)
                 for n in range(1, most + 1)]  # fmt: skip
        return representatives(sorted(cuts.union(units)))[1:]
    words = sorted({word for test in tests for word in _words(test, kind)})
    if len(words) > MOST_WORDS:
        return None
    if kind == "list":
        return tuple(tuple(word for _, word in some) for some in _subsets(words))
    named = {fold(str(word)) for test in tests for word in _literals(test)}
    named |= {str(value) for table in tables if isinstance(table, ByChoice)
              for value, _ in table.table}  # fmt: skip
    others = (Imagined(some) for some in _subsets(words) if _exists(frozenset(some), words))
    return (*sorted(named), *others)


def _words(test: FactTest, kind: str) -> Iterator[tuple[str, str]]:
    if kind == "list":
        if isinstance(test.argument, tuple):
            yield from (("has", fold(str(word))) for word in test.argument)
    elif test.operator in _SEARCHES:
        yield from searched(test.operator, test.argument)


def searched(operator: str, argument: object) -> Iterator[tuple[str, str]]:
    """The words or the pattern that an operator looks for, each with the operator."""
    words = argument if isinstance(argument, tuple) else (argument,)
    for word in words:
        yield operator, str(word) if operator == "matches" else fold(str(word))


def _literals(test: FactTest) -> tuple[object, ...]:
    if test.operator not in ("equals", "not_equals", "in", "not_in"):
        return ()
    return test.argument if isinstance(test.argument, tuple) else (test.argument,)


def _subsets(words: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    return chain.from_iterable(combinations(words, size) for size in range(len(words) + 1))


def _exists(found: frozenset[tuple[str, str]], words: Sequence[tuple[str, str]]) -> bool:
    """Whether some text holds exactly these words: "sales ops" is never without "sales"."""
    for operator, word in found:
        for other, part in words:
            follows = (
                (other == "contains" and part in word)
                or (other == operator == "starts_with" and word.startswith(part))
                or (other == operator == "ends_with" and word.endswith(part))
            )
            if operator != "matches" and follows and (other, part) not in found:
                return False
    starts = sorted((w for o, w in found if o == "starts_with"), key=len)
    ends = sorted((w for o, w in found if o == "ends_with"), key=len)
    return all(starts[-1].startswith(w) for w in starts) and all(ends[-1].endswith(w) for w in ends)


def known(cases: Mapping[str, Case | None]) -> dict[str, Value]:
    """The facts that have a value, as rules take them."""
    return {fact: case for fact, case in cases.items() if case is not None}
