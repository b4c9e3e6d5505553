"""The least and most a score could become: exact, over every way in which facts may become known.

Most unknown facts are simple: whatever else is known, one of their values gives the most and one
the least, so each rule's points at these two are added up. Where one fact is read by a rule over
several facts, by a disqualifier, or pulls two groups in different directions, the few values that
can matter are tried together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TypeVar

from scoring.cells import NO_EVENTS, table_fact
from scoring.compiling import (
    TRUE,
    UNKNOWN,
    Gives,
    Truth,
    outcome,
    truth_of,
    ungated,
)
from scoring.criteria import (
    All,
    Any_,
    Condition,
    EngagementTest,
    FactTest,
    Not,
    Silence,
    facts_of,
    leaves,
)
from scoring.possible import Case, known, possible_cases
from scoring.rule_set import ByChoice, ByRange, Disqualifier, Each, PerUnit, Rule, RuleSet

#: Values of several facts that are tried together; beyond that each rule is looked at by itself.
MOST_TOGETHER = 256
#: Cases of the other facts that one value is compared with another in; beyond that it is kept.
MOST_COMPARED = 2_000
REMEMBERED = 20_000
ENABLED = False
NO_CAP = 10**9

Cases = Mapping[str, Case | None]
Happened = Mapping[EngagementTest | Silence, int]
Vector = tuple[int, ...]
Reader = Rule | Disqualifier
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    """One way in which the unknown facts may become known, as far as it makes a difference."""

    sums: tuple[tuple[int, int], ...]  # group and points, of the rules that it settles
    cap: int  # of the disqualifiers that hold then
    #: rules that give points for engagements under a condition: its truth for value and bounds
    conditions: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Together:
    """What to try for one state of knowledge about the linked facts."""

    #: what counts for low and high of rules that read an unknown linked fact is not used: of those
    #: that read nothing else by group, of the others by position
    alone: tuple[tuple[int, int, int], ...]
    rules: tuple[int, ...]
    disqualifiers: frozenset[int]  # the same
    lows: tuple[Trial, ...]
    highs: tuple[Trial, ...]


@dataclass(slots=True)
class _Linked:
    """How rules over several things see the values of one fact: the number of each case."""

    readers: Sequence[Reader]
    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    examples: list[Case | None] = field(default_factory=list)
    remembered: dict[Case | None, int] = field(default_factory=dict)

    def number(self, fact: str, value: Case | None) -> int:
        found = self.remembered.get(value)
        if found is None:
            seen = tuple(_seen(reader, fact, value) for reader in self.readers)
            found = self.numbers.setdefault(seen, len(self.numbers))
            if found == len(self.examples):
                self.examples.append(value)
            if len(self.remembered) >= REMEMBERED:
                self.remembered.clear()
            self.remembered[value] = found
        return found


class Bounds:
    """The bounds of a rule set, worked out once; the same for one lead and for many."""

    def __init__(self, rule_set: RuleSet, gives: Sequence[Gives]) -> None:
        self._gives = gives
        self._rules = rule_set.rules()
        self._disqualifiers = rule_set.disqualifiers
        self.group_of = [
            position
            for position, group in enumerate(g for d in rule_set.dimensions for g in d.groups)
            for _ in group.rules
        ]
        self._readers: list[tuple[Reader, frozenset[str], bool]] = [
            *((rule, rule.facts(), _looks_at_events(rule)) for rule in self._rules),
            *((d, facts_of(d.when), _looks_at_events(d)) for d in self._disqualifiers),
        ]
        self._cases = self._clear(possible_cases(rule_set))
        read = frozenset[str]().union(*(facts for _, facts, _ in self._readers))
        self._unclear = tuple(read - self._cases.keys())
        #: (None: the fact stays unknown)
        self._spans = {
            fact: self._span(fact, (None, *cases)) for fact, cases in self._cases.items()
        }
        linked = [fact for fact in sorted(self._cases) if not self._simple(fact)]
        if not ENABLED:
            linked = []
        #: of rules that read one simple fact: what counts for low and high while it is unknown
        self.unknown: dict[int, tuple[int, int]] = {
            position: (self._alone(position, lows[0]), self._alone(position, highs[0]))
            for fact, (lows, highs) in self._spans.items()
            if fact not in linked and ENABLED
            for position, _ in self._reading(fact)
        }
        #: facts that have to be tried together
        self.linked = tuple(linked)
        self._seen = [_Linked(self._joint(fact)) for fact in linked]
        tests = {leaf: None for fact in linked for reader in self._joint(fact)
                 for leaf in _event_tests(reader)}  # fmt: skip
        #: what rules over linked facts ask about engagements, too
        self.event_tests: tuple[tuple[EngagementTest | Silence, Truth], ...] = tuple(
            (test, truth_of(test)) for test in tests
        )
        self._together: dict[tuple[int, ...], Together | None] = {}

    @property
    def facts(self) -> Collection[str]:
        """The facts whose every case is known."""
        return self._cases.keys()

    def cases(self, fact: str) -> Sequence[Case]:
        """One value for every case of one of the `facts`."""
        return self._cases[fact]

    def distinct_cases(self, fact: str) -> list[Case]:
        """One value for each way in which a fact can change points."""
        distinct: dict[object, Case] = {}
        for case in self._cases[fact]:
            distinct.setdefault(self._profile(fact, case), case)
        return list(distinct.values())

    def extremes(self, fact: str, side: int) -> list[Case]:
        """The values of a fact that can give the least (`side` 0) or the most (1)."""
        return list(self._span(fact, self._cases[fact])[side])

    def exact(self, values: Mapping[str, Case]) -> bool:
        """Whether the bounds of a lead with these facts are attained, not only never exceeded."""
        clear = all(fact in values for fact in self._unclear)
        return clear and not self._too_much([f for f in self.linked if f not in values])

    def number(self, position: int, value: Case | None) -> int:
        """The number of the case that a value of a linked fact belongs to."""
        return self._seen[position].number(self.linked[position], value)

    def together(self, numbers: tuple[int, ...], unknown: Sequence[str]) -> Together | None:
        """What to try while some linked facts are unknown; None = too much to try.

        `numbers`: of every linked fact (see `number`), then the truth of each of `event_tests`.
        """
        if numbers not in self._together:
            if len(self._together) >= REMEMBERED:
                self._together.clear()
            too_much = self._too_much(unknown)
            self._together[numbers] = None if too_much else self._plan(numbers, unknown)
        return self._together[numbers]

    # -- one fact ------------------------------------------------------------------------------

    def _clear(self, cases: dict[str, tuple[Case, ...]]) -> dict[str, tuple[Case, ...]]:
        """Without facts that are read together with one that has too many cases."""
        while True:
            left_out = {
                fact
                for _, facts, _ in self._readers
                if not facts <= cases.keys()
                for fact in facts & cases.keys()
            }
            if not left_out:
                return cases
            cases = {fact: found for fact, found in cases.items() if fact not in left_out}

    def _reading(self, fact: str) -> Iterator[tuple[int, bool]]:
        """Positions of the rules that read the fact, and whether they depend on it alone."""
        for position, (_, facts, eventful) in enumerate(self._readers[: len(self._rules)]):
            if fact in facts:
                yield position, len(facts) == 1 and not eventful

    def _joint(self, fact: str) -> list[Reader]:
        """The rules and disqualifiers for which more matters than this fact."""
        return [r for r, facts, eventful in self._readers
                if fact in facts and (len(facts) > 1 or eventful)]  # fmt: skip

    def _simple(self, fact: str) -> bool:
        """Whether each of its readers can be looked at by itself, and that still is exact."""
        lows, highs = self._spans[fact]
        if len(lows) > 1 or len(highs) > 1 or self._joint(fact):
            return False
        worst, best = known({fact: lows[0]}), known({fact: highs[0]})
        for reader, facts, _ in self._readers:
            if fact in facts and isinstance(reader, Disqualifier):
                # by itself it counts as possible for low, and as absent for high
                truth = truth_of(reader.when)
                if truth(worst, NO_EVENTS) != TRUE or truth(best, NO_EVENTS) == TRUE:
                    return False
        return True

    def _is_alone(self, position: int) -> bool:
        """Whether a rule is found by its one fact alone, see `cells.table_fact`."""
        return table_fact(self._rules[position]) is not None

    def _alone(self, position: int, case: Case | None) -> int:
        """Points of a rule that reads one fact, in one case of it."""
        (fact,) = self._readers[position][1]
        return self._gives[position](known({fact: case}), NO_EVENTS).points

    def _span(
        self, fact: str, cases: Sequence[Case | None]
    ) -> tuple[tuple[Case | None, ...], tuple[Case | None, ...]]:
        """Those of the cases that can give the least, and the most."""
        classes: dict[tuple[object, ...], dict[Vector, Case | None]] = {}
        for case in cases:
            look, vector = self._profile(fact, case)
            classes.setdefault(look, {}).setdefault(vector, case)
        lows = [case for found in classes.values() for case in _best(found, -1)]
        highs = [case for found in classes.values() for case in _best(found, 1)]
        return tuple(lows), tuple(highs)

    def _profile(self, fact: str, case: Case | None) -> tuple[tuple[object, ...], Vector]:
        """How rules see a case: what cannot be compared, and numbers where more means more."""
        sums: dict[int, int] = {}
        for position, alone in self._reading(fact):
            if alone:
                group = self.group_of[position]
                sums[group] = sums.get(group, 0) + self._alone(position, case)
        vector = [sums[group] for group in sorted(sums)]
        look: list[object] = []
        for reader, facts, eventful in self._readers:
            if fact not in facts or (isinstance(reader, Rule) and len(facts) == 1 and not eventful):
                continue
            others = None if eventful else self._others(fact, facts, reader)
            if others is None:
                look.append(_seen(reader, fact, case))
            else:
                vector += [_worth(reader, {**other, fact: case}, {}) for other in others]
        return tuple(look), tuple(vector)

    def _others(self, fact: str, facts: frozenset[str], reader: Reader) -> list[Cases] | None:
        """Every case of the other facts that a rule reads; None for too many."""
        kept: list[list[tuple[str, Case | None]]] = []
        for other in sorted(facts - {fact}):
            distinct: dict[object, Case | None] = {}
            for case in (None, *self._cases[other]):
                distinct.setdefault(_seen(reader, other, case), case)
            kept.append([(other, case) for case in distinct.values()])
        if prod(map(len, kept)) > MOST_COMPARED:
            return None
        return [dict(combination) for combination in product(*kept)]

    # -- several facts -------------------------------------------------------------------------

    def _too_much(self, unknown: Sequence[str]) -> bool:
        spans = [self._spans[fact] for fact in unknown]
        return any(prod(len(span[side]) for span in spans) > MOST_TOGETHER for side in (0, 1))

    def _plan(self, numbers: tuple[int, ...], unknown: Sequence[str]) -> Together:
        cases = {
            fact: self._seen[position].examples[numbers[position]]
            for position, fact in enumerate(self.linked)
        }
        tests = (test for test, _ in self.event_tests)
        happened: Happened = dict(zip(tests, numbers[len(self.linked) :], strict=True))
        asked = frozenset(unknown)
        rules = [p for p, rule in enumerate(self._rules) if rule.facts() & asked]
        caps = [p for p, entry in enumerate(self._disqualifiers) if facts_of(entry.when) & asked]

        def trials(side: int, sign: int) -> tuple[Trial, ...]:
            classes: dict[object, dict[Vector, Trial]] = {}
            for combination in product(*(self._spans[fact][side] for fact in unknown)):
                learned = {**cases, **dict(zip(unknown, combination, strict=True))}
                trial = self._trial(learned, happened, rules, caps)
                vector = (*(points for _, points in trial.sums), trial.cap)
                classes.setdefault(trial.conditions, {}).setdefault(vector, trial)
            return tuple(trial for found in classes.values() for trial in _best(found, sign))

        alone: dict[int, tuple[int, int]] = {}
        joint = []
        for position in rules:
            if self._is_alone(position):
                given, group = self._gives[position]({}, NO_EVENTS), self.group_of[position]
                low, high = alone.get(group, (0, 0))
                alone[group] = low + given.low, high + given.high
            else:
                joint.append(position)
        return Together(
            tuple((group, low, high) for group, (low, high) in alone.items()),
            tuple(joint),
            frozenset(caps),
            trials(0, -1),
            trials(1, 1),
        )

    def _trial(
        self, cases: Cases, happened: Happened, rules: Sequence[int], caps: Sequence[int]
    ) -> Trial:
        conditions: list[tuple[int, int, int]] = []
        sums: dict[int, int] = {}
        for position in rules:
            rule, group = self._rules[position], self.group_of[position]
            if isinstance(rule.gives, Each) and rule.when is not None:
                conditions.append((position, *_truths(rule.when, cases, happened)))
            else:
                sums[group] = sums.get(group, 0) + _worth(rule, cases, happened)
        holding = [
            self._disqualifiers[position].at_most
            for position in caps
            if not _worth(self._disqualifiers[position], cases, happened)
        ]
        return Trial(tuple(sorted(sums.items())), min([NO_CAP, *holding]), tuple(conditions))


def _worth(reader: Reader, cases: Cases, happened: Happened) -> int:
    """A rule's points; 0 where a disqualifier holds, else 1."""
    if isinstance(reader, Disqualifier):
        return int(_truths(reader.when, cases, happened)[0] != TRUE)
    holds, may_hold = (TRUE, TRUE)
    if reader.when is not None:
        holds, may_hold = _truths(reader.when, cases, happened)
    return outcome(ungated(reader)(known(cases), NO_EVENTS), holds, may_hold, reader.missing).points


def _truths(condition: Condition, cases: Cases, happened: Happened) -> tuple[int, int]:
    """The condition's truth for the value and for the bounds."""
    values = known(cases)

    def truth(part: Condition, for_bounds: bool) -> int:
        match part:
            case All(parts):
                return min(truth(inner, for_bounds) for inner in parts)
            case Any_(parts):
                return max(truth(inner, for_bounds) for inner in parts)
            case Not(inner):
                return TRUE - truth(inner, for_bounds)
            case FactTest():
                return truth_of(part, for_bounds=for_bounds)(values, NO_EVENTS)
            case _:
                return happened.get(part, UNKNOWN)

    return truth(condition, False), truth(condition, True)


def _event_tests(reader: Reader) -> list[EngagementTest | Silence]:
    found = [] if reader.when is None else leaves(reader.when)
    return [leaf for leaf in found if not isinstance(leaf, FactTest)]


def _looks_at_events(reader: Reader) -> bool:
    fades = isinstance(reader, Rule) and isinstance(reader.gives, Each)
    return fades or bool(_event_tests(reader))


def _best(found: Mapping[Vector, T], sign: int) -> list[T]:
    """Those that no other one equals or exceeds in every number (`sign` -1: is below)."""
    vectors = [tuple(sign * number for number in vector) for vector in found]
    return [
        item
        for item, vector in zip(found.values(), vectors, strict=True)
        if not any(
            other != vector and all(a >= b for a, b in zip(other, vector, strict=True))
            for other in vectors
        )
    ]


def _seen(reader: Reader, fact: str, case: Case | None) -> tuple[object, ...]:
    """Everything a rule or disqualifier can see of a case."""
    values = known({fact: case})
    found: tuple[object, ...] = ()
    if reader.when is not None:
        tests = [t for t in leaves(reader.when) if isinstance(t, FactTest) and t.fact == fact]
        found = tuple(truth_of(test)(values, NO_EVENTS) for test in tests)
    if isinstance(reader, Disqualifier):
        return found
    gives = reader.gives
    if isinstance(gives, ByChoice | ByRange | PerUnit) and gives.fact == fact:
        return (*found, ungated(reader)(values, NO_EVENTS))
    return found
