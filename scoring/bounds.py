"""The least and most a score could become: exact, over every way in which facts may become known.

Most unknown facts are simple: whatever else is known, one of their values gives the most and one
the least, so each rule's points at these two are added up. Where one fact is read by a rule over
several facts, by a disqualifier, or pulls two groups in different directions, the few values that
can matter are tried together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeVar

from scoring.cells import NO_EVENTS
from scoring.compiling import Gives, Truth, truth_of
from scoring.criteria import EngagementTest, Silence, facts_of
from scoring.joint import (
    Happened,
    JointTable,
    Reader,
    Seen,
    event_tests,
    fades,
    joint_table,
)
from scoring.possible import Case, known, possible_cases
from scoring.rule_set import Disqualifier, PerUnit, Rule, RuleSet

#: Values of several facts that are tried together; beyond that each rule is looked at by itself.
MOST_TOGETHER = 256
#: Combinations of all that one rule looks at; beyond that it is looked at by itself.
MOST_COMBINED = 4_096
REMEMBERED = 20_000
NO_CAP = 10**9

Vector = tuple[int, ...]
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
    disqualifiers: frozenset[int]
    lows: tuple[Trial, ...]  # none: the sum of what each rule could give by itself is attained
    highs: tuple[Trial, ...]


class Bounds:
    """The bounds of a rule set, worked out once; the same for one lead and for many."""

    def __init__(
        self, rule_set: RuleSet, gives: Sequence[Gives], like: Bounds | None = None
    ) -> None:
        """`like`: bounds of another rule set, whose work is taken over where nothing differs."""
        self._gives = gives
        self._rules = rule_set.rules()
        self._disqualifiers = rule_set.disqualifiers
        self.group_of = [
            position
            for position, group in enumerate(g for d in rule_set.dimensions for g in d.groups)
            for _ in group.rules
        ]
        self._readers: list[tuple[Reader, frozenset[str]]] = [
            *((rule, rule.facts()) for rule in self._rules),
            *((entry, facts_of(entry.when)) for entry in self._disqualifiers),
        ]
        self._cases = self._clear(possible_cases(rule_set))
        self._seen = self._looks(like)
        while too_large := self._too_large():
            self._cases = self._clear(
                {fact: cases for fact, cases in self._cases.items() if fact not in too_large}
            )
            self._seen = self._looks(like)
        #: by fact the positions of the rules that depend on it and nothing else
        self.alone_on: dict[str, list[int]] = {
            fact: [
                position
                for position, (reader, facts) in enumerate(self._readers)
                if fact in facts and isinstance(reader, Rule) and not self._is_joint(position)
            ]
            for fact in self._cases
        }
        others: Mapping[object, JointTable] = like.known_tables if like else {}
        #: of each rule (then disqualifier) that looks at more than one fact, by position
        self.tables: dict[int, JointTable] = {
            position: joint_table(reader, facts, self._seen, others)
            for position, (reader, facts) in enumerate(self._readers)
            if self._is_joint(position)
        }
        self.known_tables: Mapping[object, JointTable] = {
            table.key: table for table in self.tables.values()
        }
        read = frozenset[str]().union(*(facts for _, facts in self._readers))
        self._unclear = tuple(read - self._cases.keys())
        #: of each fact the cases that can give the least, and the most (None: it stays unknown)
        self.spans = {fact: self._span(fact, (None, *cases)) for fact, cases in self._cases.items()}
        linked = [fact for fact in sorted(self._cases) if not self._simple(fact)]
        #: of rules that read one simple fact: what counts for low and high while it is unknown
        self.unknown: dict[int, tuple[int, int]] = {
            position: (self.alone(position, lows[0]), self.alone(position, highs[0]))
            for fact, (lows, highs) in self.spans.items()
            if fact not in linked
            for position in self.alone_on[fact]
        }
        #: facts that have to be tried together
        self.linked = tuple(linked)
        tests = {test: None for position, table in self.tables.items() for test in table.events
                 if self._readers[position][1] & set(linked)}  # fmt: skip
        #: what rules over linked facts ask about engagements, too
        self.event_tests: tuple[tuple[EngagementTest | Silence, Truth], ...] = tuple(
            (test, truth_of(test)) for test in tests
        )
        self._together: dict[tuple[int, ...], Together | None] = {}
        if like is not None and self._linking() == like._linking():
            self._together = like._together

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
        return clear and not self.too_much([f for f in self.linked if f not in values])

    def seen(self, fact: str) -> Seen:
        """How rules over several things see the values of a linked fact."""
        return self._seen[fact]

    def together(self, numbers: tuple[int, ...], unknown: Sequence[str]) -> Together | None:
        """What to try while some linked facts are unknown; None = too much to try.

        `numbers`: of each linked fact (`Seen.number`), then of each event test 1 if true, else 0.
        """
        if numbers not in self._together:
            if len(self._together) >= REMEMBERED:
                self._together.clear()
            too_much = self.too_much(unknown)
            self._together[numbers] = None if too_much else self._plan(numbers, unknown)
        return self._together[numbers]

    def too_much(self, unknown: Sequence[str]) -> bool:
        """Whether there is too much to try while these facts are unknown."""
        spans = [self.spans[fact] for fact in unknown]
        return any(prod(len(span[side]) for span in spans) > MOST_TOGETHER for side in (0, 1))

    def corrections(self) -> dict[tuple[int, str], tuple[int, int]]:
        """By group and simple fact: what, while the fact is unknown, has to be added to the lows
        and highs of the rules that read it, each looked at by itself."""
        found: dict[tuple[int, str], tuple[int, int]] = {}
        for position, (low, high) in self.unknown.items():
            (fact,) = self._readers[position][1]
            given, key = self._gives[position]({}, NO_EVENTS), (self.group_of[position], fact)
            lower, higher = found.get(key, (0, 0))
            found[key] = lower + low - given.low, higher + high - given.high
        return {key: both for key, both in found.items() if any(both)}

    def alone(self, position: int, case: Case | None) -> int:
        """Points of a rule that reads one fact, in one case of it."""
        (fact,) = self._readers[position][1]
        return self._gives[position](known({fact: case}), NO_EVENTS).points

    # -- one fact ------------------------------------------------------------------------------

    def _is_joint(self, position: int) -> bool:
        """Whether it is a disqualifier, or a rule for which more than one fact matters."""
        reader, facts = self._readers[position]
        if not facts or not facts <= self._cases.keys():
            return False
        joint = len(facts) > 1 or fades(reader) or bool(event_tests(reader))
        return joint or isinstance(reader, Disqualifier)

    def _clear(self, cases: dict[str, tuple[Case, ...]]) -> dict[str, tuple[Case, ...]]:
        """Without facts that are read together with one that has too many cases, or is counted
        in units."""
        while True:
            left_out = {
                fact
                for reader, facts in self._readers
                if not facts <= cases.keys() or _counts_units(reader, facts)
                for fact in facts & cases.keys()
            }
            if not left_out:
                return cases
            cases = {fact: found for fact, found in cases.items() if fact not in left_out}

    def _looks(self, like: Bounds | None) -> dict[str, Seen]:
        joint = [self._readers[p] for p in range(len(self._readers)) if self._is_joint(p)]
        found = {}
        for fact, cases in self._cases.items():
            seen = Seen(fact, tuple(r for r, facts in joint if fact in facts), cases)
            known = like._seen.get(fact) if like else None
            found[fact] = known if known == seen and known is not None else seen
        return found

    def _too_large(self) -> set[str]:
        """Facts of rules that look at too many combinations."""
        return {
            fact
            for position, (reader, facts) in enumerate(self._readers)
            if self._is_joint(position)
            and prod(len(self._seen[f].examples) for f in facts) << len(event_tests(reader))
            > MOST_COMBINED
            for fact in facts
        }

    def _simple(self, fact: str) -> bool:
        """Whether each of its readers can be looked at by itself, and that still is exact."""
        lows, highs = self.spans[fact]
        if len(lows) > 1 or len(highs) > 1:
            return False
        for position, table in self.tables.items():
            if fact not in table.facts:
                continue
            if len(table.facts) > 1 or table.events or isinstance(self._readers[position][0], Rule):
                return False
            # by itself a disqualifier counts as possible for low, and as absent for high
            number = self._seen[fact].number
            if table.at((number(lows[0]),)) != 0 or table.at((number(highs[0]),)) != 1:
                return False
        return True

    def _span(
        self, fact: str, cases: Sequence[Case | None]
    ) -> tuple[tuple[Case | None, ...], tuple[Case | None, ...]]:
        """Those of the cases that can give the least, and the most."""
        classes: dict[tuple[object, ...], dict[Vector, Case | None]] = {}
        for case in cases:
            look, vector = self._profile(fact, case)
            classes.setdefault(look, {}).setdefault(vector, case)
        lows = [case for found in classes.values() for case in best(found, -1)]
        highs = [case for found in classes.values() for case in best(found, 1)]
        return tuple(lows), tuple(highs)

    def _profile(self, fact: str, case: Case | None) -> tuple[tuple[object, ...], Vector]:
        """How rules see a case: what cannot be compared, and numbers where more means more."""
        sums: dict[int, int] = {}
        for position in self.alone_on[fact]:
            group = self.group_of[position]
            sums[group] = sums.get(group, 0) + self.alone(position, case)
        vector = [sums[group] for group in sorted(sums)]
        look: list[object] = []
        for table in self.tables.values():
            if fact in table.facts:
                number = self._seen[fact].number(case)
                if table.fades:
                    look.append(table.slice(fact, number))
                else:
                    vector += table.slice(fact, number)
        return tuple(look), tuple(vector)

    # -- several facts -------------------------------------------------------------------------

    def _linking(self) -> object:
        """Everything that what is tried together depends on."""
        linked = set(self.linked)
        return (
            self.linked,
            [(p, self.group_of[p], rule) for p, rule in enumerate(self._rules)
             if rule.facts() & linked],
            self._disqualifiers,
            [self.spans[fact] for fact in self.linked],
        )  # fmt: skip

    def shares(self, other: Bounds) -> bool:
        """Whether the same is tried together for both."""
        return self._together is other._together

    def trials(
        self, unknown: Sequence[str], side: int
    ) -> Iterator[tuple[dict[str, int], dict[int, int]]]:
        """Every combination worth trying: numbers of the cases, and points by group of the rules
        that read one of the facts and nothing else."""
        alone = [position for fact in unknown for position in self.alone_on[fact]]
        for combination in product(*(self.spans[fact][side] for fact in unknown)):
            cases = dict(zip(unknown, combination, strict=True))
            sums = dict.fromkeys((self.group_of[position] for position in alone), 0)
            for position in alone:
                (fact,) = self._readers[position][1]
                sums[self.group_of[position]] += self.alone(position, cases[fact])
            yield (
                {fact: self._seen[fact].number(cases[fact]) for fact in unknown},
                sums,
            )

    def asking(self, unknown: Collection[str]) -> tuple[list[int], frozenset[int]]:
        """Positions of the joint rules, and of the disqualifiers, that read one of the facts."""
        asked, first = set(unknown), len(self._rules)
        found = [position for position, table in self.tables.items() if asked & set(table.facts)]
        return (
            [position for position in found if position < first],
            frozenset(position - first for position in found if position >= first),
        )

    def _plan(self, numbers: tuple[int, ...], unknown: Sequence[str]) -> Together:
        held = dict(zip(self.linked, numbers, strict=False))
        tests = (test for test, _ in self.event_tests)
        happened: Happened = dict(zip(tests, numbers[len(self.linked) :], strict=True))
        joint, disqualifiers = self.asking(unknown)
        alone = [position for fact in unknown for position in self.alone_on[fact]]
        givens = [(self.group_of[p], self._gives[p]({}, NO_EVENTS)) for p in alone]

        def trials(side: int, sign: int) -> tuple[Trial, ...]:
            classes: dict[object, dict[Vector, Trial]] = {}
            for learned, sums in self.trials(unknown, side):
                trial = self._trial({**held, **learned}, sums, happened, joint, disqualifiers)
                vector = (*(points for _, points in trial.sums), trial.cap)
                classes.setdefault(trial.conditions, {}).setdefault(vector, trial)
            outer = Counter({self.group_of[position]: 0 for position in joint})
            for group, given in givens:
                outer[group] += given[1 + side]
            cap = NO_CAP
            for position in joint:
                table = self.tables[position]
                bound = (table.lows, table.highs)[side]
                outer[self.group_of[position]] += int(bound[table.index(held, happened)])
            for position in disqualifiers:
                table = self.tables[len(self._rules) + position]
                if (table.lows, table.highs)[side][table.index(held, happened)] == 0:
                    cap = min(cap, self._disqualifiers[position].at_most)
            by_itself = (*(points for _, points in sorted(outer.items())), cap)
            if by_itself in classes.get((), {}):
                return ()
            return tuple(trial for found in classes.values() for trial in best(found, sign))

        apart: dict[int, tuple[int, int]] = {}
        for group, given in givens:
            low, high = apart.get(group, (0, 0))
            apart[group] = low + given.low, high + given.high
        return Together(
            tuple((group, low, high) for group, (low, high) in apart.items()),
            tuple(joint),
            disqualifiers,
            trials(0, -1),
            trials(1, 1),
        )

    def _trial(
        self,
        numbers: Mapping[str, int],
        sums: dict[int, int],
        happened: Happened,
        joint: Sequence[int],
        disqualifiers: Collection[int],
    ) -> Trial:
        """What the joint rules and disqualifiers give besides the `sums` of all others."""
        conditions: list[tuple[int, int, int]] = []
        for position in joint:
            table, group = self.tables[position], self.group_of[position]
            sums.setdefault(group, 0)
            if table.fades:
                conditions.append((position, *table.truths(table.index(numbers, happened))))
            else:
                sums[group] += table.at(table.index(numbers, happened))
        cap = NO_CAP
        for position in disqualifiers:
            table = self.tables[len(self._rules) + position]
            if table.at(table.index(numbers, happened)) == 0:
                cap = min(cap, self._disqualifiers[position].at_most)
        return Trial(tuple(sorted(sums.items())), cap, tuple(conditions))


def _counts_units(reader: Reader, facts: frozenset[str]) -> bool:
    """Whether points per unit depend on something else as well."""
    joint = len(facts) > 1 or bool(event_tests(reader))
    return joint and isinstance(reader, Rule) and isinstance(reader.gives, PerUnit)


def best(found: Mapping[Vector, T], sign: int) -> list[T]:
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
