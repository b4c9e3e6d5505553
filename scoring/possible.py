"""What an unknown fact could turn out to be: a case for all values that rules take for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, combinations, islice, product
from math import prod
from typing import Any, TypeVar

from scoring.cells import cuts_of, representatives
from scoring.criteria import FactTest, leaves
from scoring.operators import Value, fold
from scoring.rule_set import ByChoice, PerUnit, RuleSet

#: Cases of one fact; where rules tell more apart, each rule is looked at by itself.
MOST_CASES = 1_024
MOST_TESTS = 10  # searches in one text, or words looked for in one list: 2^10 cases
MOST_UNITS = 64  # steps of points per unit
_SEARCHES = ("contains", "starts_with", "ends_with", "matches")

Case = Any  # a Value or an Imagined
T = TypeVar("T")


Word = tuple[str, str]  # operator and what it looks for


class Imagined:
    """A text that no rule names; known is only which words and patterns are found in it."""

    __slots__ = ("_found",)

    def __init__(self, found: Iterable[Word]) -> None:
        self._found = frozenset(found)

    def words(self) -> str:
        """The words that are found in it, as people would write them; "" for none."""
        return ", ".join(f"“{word}”" for _, word in sorted(self._found))

    def passes(self, operator: str, argument: object) -> bool:
        """Whether the text passes an operator of texts."""
        if operator in _SEARCHES:
            return any(_implies(held, word) for word in searched(operator, argument)
                       for held in self._found)  # fmt: skip
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
        cases = _cases(types[fact], choices.get(fact, ()), tuple(asked),
                       tuple(tables.get(fact, ())), frozenset(cuts.get(fact, ())))  # fmt: skip
        if cases is not None and len(cases) <= MOST_CASES:
            found[fact] = cases
    return found


def scoring_conditions(rule_set: RuleSet) -> list[Any]:
    """The conditions that points depend on: those of rules and disqualifiers."""
    rules = [rule.when for rule in rule_set.rules() if rule.when is not None]
    return rules + [entry.when for entry in rule_set.disqualifiers]


@lru_cache(maxsize=1_000)  # a draft asks most facts what the active rules ask
def _cases(
    kind: str,
    choices: tuple[str, ...],
    tests: tuple[FactTest, ...],
    tables: tuple[ByChoice | PerUnit, ...],
    cuts: frozenset[float],
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
    if kind == "list":
        words = sorted({word for test in tests for word in _list_words(test)})
        return None if len(words) > MOST_TESTS else tuple(_subsets(words))
    named = {fold(str(word)) for test in tests for word in _literals(test)}
    named |= {str(value) for table in tables if isinstance(table, ByChoice)
              for value, _ in table.table}  # fmt: skip
    searches = sorted(
        {tuple(searched(t.operator, t.argument)) for t in tests if t.operator in _SEARCHES}
    )
    if len(searches) > MOST_TESTS:
        return None
    others = (_imagined(passed, searches) for passed in _subsets(searches))
    return (*sorted(named), *(other for other in others if other is not None))


def _list_words(test: FactTest) -> Iterator[str]:
    if isinstance(test.argument, tuple):
        yield from (fold(str(word)) for word in test.argument)


def searched(operator: str, argument: object) -> Iterator[tuple[str, str]]:
    """The words or the pattern that an operator looks for, each with the operator."""
    words = argument if isinstance(argument, tuple) else (argument,)
    for word in words:
        yield operator, str(word) if operator == "matches" else fold(str(word))


def _literals(test: FactTest) -> tuple[object, ...]:
    if test.operator not in ("equals", "not_equals", "in", "not_in"):
        return ()
    return test.argument if isinstance(test.argument, tuple) else (test.argument,)


def _subsets(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _imagined(
    passed: Sequence[tuple[Word, ...]], searches: Sequence[tuple[Word, ...]]
) -> Imagined | None:
    """A text that passes these searches and no other; None where there is none."""
    failed = [word for words in searches if words not in passed for word in words]
    choices = [
        [word for word in words if not any(_implies(word, other) for other in failed)]
        for words in passed
    ]
    if not all(choices):
        return None
    for found in islice(product(*choices), MOST_CASES):
        if _fit(found, "starts_with", str.startswith) and _fit(found, "ends_with", str.endswith):
            return Imagined(found)
    too_many = prod(map(len, choices)) > MOST_CASES  # then it counts as one that may exist
    return Imagined(words[0] for words in choices) if too_many else None


def _implies(word: Word, other: Word) -> bool:
    """Whether a text that has the one has the other: "sales ops" is never without "sales"."""
    (operator, text), (asked, part) = word, other
    if word == other or operator == "matches":
        return word == other
    return (
        (asked == "contains" and part in text)
        or (asked == operator == "starts_with" and text.startswith(part))
        or (asked == operator == "ends_with" and text.endswith(part))
    )


def _fit(found: Iterable[Word], operator: str, within: Callable[[str, str], bool]) -> bool:
    """Whether one text can begin, or end, with all of these words."""
    words = sorted((text for held, text in found if held == operator), key=len)
    return all(within(words[-1], text) for text in words)


def known(cases: Mapping[str, Case | None]) -> dict[str, Value]:
    """The facts that have a value, as rules take them."""
    return {fact: case for fact, case in cases.items() if case is not None}
