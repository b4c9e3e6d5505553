"""Rules for which more than one thing matters, as tables over everything that they can see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scoring.cells import NO_EVENTS
from scoring.compiling import FALSE, TRUE, outcome, truth_of, ungated
from scoring.criteria import (
    All,
    Any_,
    Condition,
    EngagementTest,
    FactTest,
    Not,
    Silence,
    leaves,
)
from scoring.possible import Case, known
from scoring.rule_set import ByChoice, ByRange, Disqualifier, Each, PerUnit, Rule

#: Distinct values of one fact whose number is kept in memory.
REMEMBERED = 100_000

Reader = Rule | Disqualifier
Happened = Mapping[EngagementTest | Silence, int]
Look = tuple[object, ...]


class Seen:
    """How rules over several things see one fact: values that they take for the same, numbered."""

    def __init__(self, fact: str, readers: tuple[Reader, ...], cases: tuple[Case, ...]) -> None:
        self._fact, self._readers, self._cases = fact, readers, cases
        self._looks: dict[Look, int] = {}
        self._remembered: dict[Case | None, int] = {}
        #: a value for each number; None (unknown) has number 0
        self.examples: list[Case | None] = []
        for case in (None, *cases):
            self.number(case)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)

    @property
    def _same(self) -> tuple[object, ...]:
        return self._fact, self._readers, self._cases

    @property
    def looks(self) -> tuple[Look, ...]:
        """What readers see of each number."""
        return tuple(self._looks)

    def number(self, value: Case | None) -> int:
        """The number of the values that rules take for the same as this one."""
        found = self._remembered.get(value)
        if found is None:
            seen = (_look(reader, self._fact, value) for reader in self._readers)
            look = (value is None, *seen)
            found = self._looks.setdefault(look, len(self._looks))
            if found == len(self.examples):
                self.examples.append(value)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[value] = found
        return found


@dataclass(frozen=True)
class JointTable:
    """What a rule gives (a disqualifier: 0 where it holds, else 1) for all that it can see.

    One axis for each fact, then one for each test of engagements. Of a rule that gives points for
    engagements: the truth of its condition, for the value and for the bounds, times 3.
    """

    facts: tuple[str, ...]
    events: tuple[EngagementTest | Silence, ...]
    fades: bool
    values: NDArray[np.int32]
    lows: NDArray[np.int32]  # the least it could become, looked at by itself
    highs: NDArray[np.int32]
    key: object

    def index(self, numbers: Mapping[str, int], happened: Happened) -> tuple[int, ...]:
        """Where to look, from the number of each fact's value and the tests that are true."""
        return (
            *[numbers[fact] for fact in self.facts],
            *[happened[test] for test in self.events],
        )

    @cached_property
    def _plain(self) -> dict[tuple[int, ...], int]:
        return dict(np.ndenumerate(self.values.astype(object)))

    def at(self, index: tuple[int, ...]) -> int:
        """The value at an `index`."""
        return self._plain[index]

    def truths(self, index: tuple[int, ...]) -> tuple[int, int]:
        """The two truths of a rule that gives points for engagements."""
        return divmod(self._plain[index], 3)

    def slice(self, fact: str, number: int) -> tuple[int, ...]:
        """All values with one fact as it is."""
        found = np.take(self.values, number, axis=self.facts.index(fact))
        return tuple(found.reshape(-1).tolist())


def joint_table(
    reader: Reader,
    facts: frozenset[str],
    seen: Mapping[str, Seen],
    others: Mapping[object, JointTable],
) -> JointTable:
    """The table of one rule or disqualifier; taken from the `others` where one of them is it."""
    names, tests = tuple(sorted(facts)), event_tests(reader)
    key = (reader, tuple(seen[fact].looks for fact in names))
    if key in others:
        return others[key]
    shape = [len(seen[fact].examples) for fact in names] + [2] * len(tests)
    found: list[tuple[int, int, int]] = []
    for index in product(*map(range, shape)):
        cases = {fact: seen[fact].examples[n] for fact, n in zip(names, index, strict=False)}
        happened = dict(zip(tests, index[len(names) :], strict=True))
        found.append(_worth(reader, cases, happened))
    values, lows, highs = np.array(found, np.int32).T.reshape(3, *shape)
    return JointTable(names, tests, fades(reader), values, lows, highs, key)


def fades(reader: Reader) -> bool:
    """Whether it gives points for engagements."""
    return isinstance(reader, Rule) and isinstance(reader.gives, Each)


def event_tests(reader: Reader) -> tuple[EngagementTest | Silence, ...]:
    """What its condition asks about engagements."""
    found = [] if reader.when is None else leaves(reader.when)
    return tuple(dict.fromkeys(leaf for leaf in found if not isinstance(leaf, FactTest)))


def _worth(
    reader: Reader, cases: Mapping[str, Case | None], happened: Happened
) -> tuple[int, int, int]:
    """The value and, by itself, the least and the most it could become."""
    holds, may_hold = TRUE, TRUE
    if reader.when is not None:
        holds, may_hold = (_truth(reader.when, cases, happened, b) for b in (False, True))
    if isinstance(reader, Disqualifier):
        return int(holds != TRUE), int(may_hold == FALSE), int(may_hold != TRUE)
    if fades(reader):
        both = 3 * holds + may_hold
        return both, both, both
    given = ungated(reader)(known(cases), NO_EVENTS)
    found = outcome(given, holds, may_hold, reader.missing)
    return found.points, found.low, found.high


def _truth(
    condition: Condition, cases: Mapping[str, Case | None], happened: Happened, for_bounds: bool
) -> int:
    def parts(all_of: Sequence[Condition]) -> Iterator[int]:
        return (_truth(part, cases, happened, for_bounds) for part in all_of)

    match condition:
        case All(inner):
            return min(parts(inner))
        case Any_(inner):
            return max(parts(inner))
        case Not(part):
            return TRUE - _truth(part, cases, happened, for_bounds)
        case FactTest():
            return truth_of(condition, for_bounds=for_bounds)(known(cases), NO_EVENTS)
        case _:
            return TRUE if happened[condition] else FALSE


def _look(reader: Reader, fact: str, case: Case | None) -> Look:
    """Everything that a rule or disqualifier can see of a value."""
    values = known({fact: case})
    found: Look = ()
    if reader.when is not None:
        tests = [t for t in leaves(reader.when) if isinstance(t, FactTest) and t.fact == fact]
        found = tuple(truth_of(test)(values, NO_EVENTS) for test in tests)
    if isinstance(reader, Disqualifier):
        return found
    gives = reader.gives
    if isinstance(gives, ByChoice | ByRange | PerUnit) and gives.fact == fact:
        return (*found, ungated(reader)(values, NO_EVENTS))
    return found
