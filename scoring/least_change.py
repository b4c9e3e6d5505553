"""What it takes: the fewest things that would have to be otherwise for a lead to reach a band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

from scoring.bands import band_after
from scoring.compiling import Values
from scoring.criteria import Pattern
from scoring.events import Events, pattern_key
from scoring.operators import OPERATORS
from scoring.possible import Case, Imagined, searched
from scoring.tally import Tallier

#: Combinations that are all tried; beyond that the best single step is taken again and again.
MOST_TRIED = 3_000
MOST_CHANGES = 8
#: What people would rather hear first: something can happen, be found out, or be otherwise.
KINDS = ("happen", "learn", "change")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not so now."""

    kind: str  # KINDS
    fact: str = ""  # of "learn" and "change"
    cases: tuple[Case, ...] = ()  # each of which would do, the others as they are
    engagement: str = ""  # of "happen": its kind
    details: tuple[tuple[str, Case], ...] = ()  # of "happen": what it would have to be about
    times: int = 1


@dataclass(frozen=True, slots=True)
class LeastChange:
    """How a lead could come into a better, or fall into a worse, band."""

    band: str
    value: int  # milli-points it would have then
    changes: tuple[Change, ...]
    exact: bool  # no smaller number of changes does it; False: found step by step


@dataclass(frozen=True, slots=True)
class _Step:
    change: Change
    keys: tuple[str, ...] = ()  # patterns that the engagement matches


class _World:
    """One lead, and what it would score after some steps."""

    def __init__(
        self, tallier: Tallier, values: Values, events: Events, previous_band: str | None
    ) -> None:
        self.tallier, self.values, self.events = tallier, values, events
        self.previous_band = previous_band

    def value(self, steps: Sequence[_Step]) -> int:
        values, events = dict(self.values), self.events
        for step in steps:
            if step.change.kind == "happen":
                events = events.plus(step.keys)
            else:
                values[step.change.fact] = step.change.cases[0]
        return self.tallier.unsuppressed(values, events, self.previous_band).value

    def band(self, value: int) -> str:
        return band_after(self.tallier.rule_set.bands, self.previous_band, value)


def least_change(
    tallier: Tallier,
    values: Values,
    events: Events,
    previous_band: str | None,
    *,
    upward: bool = True,
) -> LeastChange | None:
    """The fewest changes after which the lead is in a better (or worse) band than now.

    A change is one more engagement at this moment, an unknown fact that becomes known, or a known
    fact that is otherwise. Of equally few the one that people can act on comes first, then the one
    that moves the score least. None: nothing that rules look at can do it. Capacity, dwell,
    suppressions and facts with too many cases (`possible.MOST_CASES`) are not looked at.
    """
    world = _World(tallier, values, events, previous_band)
    order = [band.key for band in tallier.rule_set.bands]
    now = order.index(world.band(world.value(())))
    if now == (0 if upward else len(order) - 1):
        return None

    def reached(value: int) -> bool:
        position = order.index(world.band(value))
        return position < now if upward else position > now

    steps = list(_steps(world, upward))
    found, exact = _fewest(world, steps, reached)
    if not found:
        found, exact = _greedy(world, steps, reached, upward), False
    if not found:
        return None
    found = _weakest(world, found, reached)
    value = world.value(found)
    changes = tuple(_joined(world, found, reached))
    return LeastChange(world.band(value), value, changes, exact)


def _fewest(
    world: _World, steps: Sequence[_Step], reached: Callable[[int], bool]
) -> tuple[tuple[_Step, ...], bool]:
    """The best combination of the smallest size that does it, while all of a size can be tried."""
    left, start = MOST_TRIED, world.value(())
    for size in range(1, MOST_CHANGES + 1):
        left -= comb(len(steps) + size - 1, size)
        if left < 0:
            return (), False
        done = [
            (some, value)
            for some in combinations_with_replacement(steps, size)
            if _possible(some) and reached(value := world.value(some))
        ]
        if done:
            best, _ = min(done, key=lambda each: (_wish(each[0]), abs(each[1] - start)))
            return best, True
    return (), False


def _possible(steps: Sequence[_Step]) -> bool:
    """Whether no fact would have to be two things."""
    facts = [step.change.fact for step in steps if step.change.fact]
    return len(facts) == len(set(facts))


def _wish(steps: Sequence[_Step]) -> int:
    return sum(KINDS.index(step.change.kind) for step in steps)


def _greedy(
    world: _World, steps: Sequence[_Step], reached: Callable[[int], bool], upward: bool
) -> tuple[_Step, ...]:
    """The step that moves the score most, again and again; then without those not needed."""
    sign = 1 if upward else -1
    taken: tuple[_Step, ...] = ()
    value = world.value(taken)
    while not reached(value):
        further = [(*taken, s) for s in steps if _possible((*taken, s))]
        best = max(further, key=lambda some: sign * world.value(some), default=None)
        if best is None or len(best) > MOST_CHANGES or sign * (world.value(best) - value) <= 0:
            return ()
        taken, value = best, world.value(best)
    for step in taken:
        fewer = tuple(other for other in taken if other is not step)
        if reached(world.value(fewer)):
            taken = fewer
    return taken


def _steps(world: _World, upward: bool) -> Iterator[_Step]:
    bounds = world.tallier.bounds
    for keys, kind, details in _happenings(world.tallier):
        yield _Step(Change("happen", engagement=kind, details=tuple(details.items())), keys)
    for fact in sorted(bounds.facts):
        kind = "change" if fact in world.values else "learn"
        for case in bounds.extremes(fact, int(upward)):
            yield _Step(Change(kind, fact, (case,)))


def _happenings(tallier: Tallier) -> Iterator[tuple[tuple[str, ...], str, Mapping[str, Case]]]:
    """Engagements that rules tell apart: the least that each pattern asks for."""
    known: set[tuple[str, ...]] = set()
    for pattern in tallier.patterns:
        for kind in pattern.kinds:
            details = _least_details(pattern)
            keys = tuple(
                sorted(pattern_key(p) for p in tallier.patterns if _matches(p, kind, details))
            )
            if keys not in known:
                known.add(keys)
                yield keys, kind, details


def _least_details(pattern: Pattern) -> dict[str, Case]:
    """Details that the pattern's tests pass: a named text, or one that holds a wanted word."""
    found: dict[str, Case] = {}
    for test in pattern.details:
        words = test.argument if isinstance(test.argument, tuple) else (test.argument,)
        if test.operator in ("equals", "in"):
            found[test.detail] = str(words[0]).strip().casefold()
        else:
            held = [next(searched(t.operator, t.argument)) for t in pattern.details
                    if t.detail == test.detail and not t.operator.startswith("not_")
                    and t.operator not in ("equals", "in")]  # fmt: skip
            found.setdefault(test.detail, Imagined(held))
    return found


def _matches(pattern: Pattern, kind: str, details: Mapping[str, Case]) -> bool:
    return kind in pattern.kinds and all(
        test.detail in details and _passes(details[test.detail], test.operator, test.argument)
        for test in pattern.details
    )


def _passes(text: Case, operator: str, argument: object) -> bool:
    if isinstance(text, Imagined):
        return text.passes(operator, argument)
    return bool(OPERATORS[operator].prepare(argument)(text))


def _joined(
    world: _World, steps: Sequence[_Step], reached: Callable[[int], bool]
) -> Iterator[Change]:
    """The steps as changes: repeated ones once, facts with every case that would do."""
    for step in dict.fromkeys(steps):
        change = step.change
        if change.kind == "happen":
            yield Change(
                "happen",
                engagement=change.engagement,
                details=change.details,
                times=steps.count(step),
            )
            continue
        cases = tuple(
            case
            for case in world.tallier.bounds.cases(change.fact)
            if reached(world.value(_replaced(steps, step, case)))
        )
        yield Change(change.kind, change.fact, cases)


def _weakest(
    world: _World, steps: tuple[_Step, ...], reached: Callable[[int], bool]
) -> tuple[_Step, ...]:
    """The same changes, each to the value that moves the score least and still does it."""
    start = world.value(())
    for position, step in enumerate(steps):
        if step.change.kind != "happen":
            cases = world.tallier.bounds.distinct_cases(step.change.fact)
            enough = [
                (abs(value - start), number, some)
                for number, case in enumerate(cases)
                if reached(value := world.value(some := _replaced(steps, steps[position], case)))
            ]
            steps = min(enough)[2]
    return steps


def _replaced(steps: Sequence[_Step], step: _Step, case: Case) -> tuple[_Step, ...]:
    """The steps with another value of the fact that one of them is about."""
    other = _Step(Change(step.change.kind, step.change.fact, (case,)))
    return tuple(other if each is step else each for each in steps)
