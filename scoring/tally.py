"""The numbers of one lead's score, without the words: fast enough to be asked all the time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from scoring.bands import Band, band_after
from scoring.bounds import Bounds, Together, Trial
from scoring.compiling import (
    FALSE,
    NOTHING,
    TRUE,
    Given,
    Values,
    outcome,
    rule_function,
    truth_of,
    ungated,
)
from scoring.events import Events, Watch, pattern_key, patterns_of
from scoring.inputs import Timed, microseconds
from scoring.lookups import Lookups
from scoring.operators import READERS, Value
from scoring.rule_set import Disqualifier, Each, RuleSet, Suppression
from scoring.scores import MILLI, Facts

TOP = 100 * MILLI
NO_VALUES: Values = {}
Row = tuple[tuple[int, Given], ...]


class Tally:
    """Milli-points of one lead at one instant."""

    __slots__ = (
        "_rows",
        "_rules",
        "band",
        "band_certain",
        "dimensions",
        "disqualified",
        "high",
        "low",
        "suppressed",
        "taken",
        "value",
    )

    def __init__(self, rules: int, rows: Sequence[Row], suppressed: Suppression | None) -> None:
        self._rules, self._rows = rules, rows
        self.value = self.low = self.high = 0
        self.band = ""  # "" when suppressed
        self.band_certain = False
        self.dimensions: Sequence[int] = ()  # after their limits, in the rule set's order
        #: what each group's limit, each dimension's and the scale changed, in order
        self.taken: Sequence[int] = ()
        self.suppressed = suppressed
        self.disqualified: Disqualifier | None = None

    @property
    def givens(self) -> Sequence[Given]:
        """What each rule gave, in order; nothing when suppressed."""
        if self.suppressed:
            return ()
        found = [NOTHING] * self._rules
        for rows in self._rows:
            for position, given in rows:
                found[position] = given
        return found


class Tallier:
    """A rule set compiled to add up one lead; keeps no state between leads but memory of values."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self.patterns = sorted(patterns_of(rule_set), key=pattern_key)
        self.watch = Watch(self.patterns)
        self._readers = [(name, READERS[kind]) for name, kind in rule_set.fact_types]
        self._gives = [rule_function(rule) for rule in rule_set.rules()]
        self.bounds = Bounds(rule_set, self._gives)
        self._lookups = Lookups(rule_set, self._gives, self.bounds)
        self._rules = len(self._gives)
        self._zeros = [0] * sum(len(dimension.groups) for dimension in rule_set.dimensions)
        self._numbers = [(fact, self.bounds.seen(fact).number) for fact in self.bounds.linked]
        self._bands = BandScale(rule_set.bands)
        self._engaged = {
            position: ungated(rule)
            for position, rule in enumerate(rule_set.rules())
            if isinstance(rule.gives, Each)
        }
        self._missing = [rule.missing for rule in rule_set.rules()]
        self._suppressions = [(s, truth_of(s.when)) for s in rule_set.suppressions]
        self._disqualifiers = [
            (d, truth_of(d.when), truth_of(d.when, for_bounds=True)) for d in rule_set.disqualifiers
        ]
        self._dimensions = [
            ([_limits(g.low, g.high) for g in d.groups], *_limits(d.low, d.high))
            for d in rule_set.dimensions
        ]

    def values(self, facts: Facts, now: datetime) -> dict[str, Value]:
        """The facts that rules read, as operators see them; `now` aware."""
        values: dict[str, Value] = {}
        for name, read in self._readers:
            fact = facts.get(name)
            if fact is not None:
                value = read(fact.value, now)
                if value is not None:
                    values[name] = value
        return values

    def tally(
        self, facts: Facts, ordered: Sequence[Timed], now: datetime, previous_band: str | None
    ) -> Tally:
        """Add up one lead; `ordered` engagements from `inputs.in_order`, `now` aware UTC."""
        values = self.values(facts, now)
        events = Events(ordered, microseconds(now), self.watch)
        for suppression, truth in self._suppressions:
            if truth(values, events) == TRUE:
                return Tally(self._rules, (), suppression)
        return self.unsuppressed(values, events, previous_band)

    def unsuppressed(self, values: Values, events: Events, previous_band: str | None) -> Tally:
        """Add up what rules give, whether the lead is suppressed or not."""
        lookups = self._lookups
        points, below, above = self._zeros.copy(), self._zeros.copy(), self._zeros.copy()
        found: list[Row] = []
        for fact, unknown, find in lookups.finders:
            value = values.get(fact)
            rows, sums, spans = unknown if value is None else find(value)
            found.append(rows)
            for group, given in sums:
                points[group] += given
            for group, low, high in spans:
                below[group] += low
                above[group] += high
        for key, ages in events.by_pattern.items():
            for position, group, engaged in lookups.by_pattern.get(key, ()):
                faded = engaged(ages)
                found.append(((position, faded),))
                points[group] += faded[0]
        others: dict[int, Given] = {}
        for position, group, give in lookups.others:
            others[position] = one = give(values, events)
            given, low, high = one[:3]
            points[group] += given
            below[group] += low - given
            above[group] += high - given
        found.append(tuple(others.items()))
        tally = Tally(self._rules, found, None)
        self._limit(tally, points)
        together = self._together(values, events) if self.bounds.linked else None
        lows = [a + b for a, b in zip(points, below, strict=True)]
        highs = [a + b for a, b in zip(points, above, strict=True)]
        low, high = self._total(lows), self._total(highs)
        tally.value, tally.low, tally.high, tally.disqualified = self._capped(
            tally.value, low, high, values, events
        )
        if together is not None:
            tried = self._tried(together, lows, highs, others, values, events)
            tally.low = tally.low if tried[0] is None else tried[0]
            tally.high = tally.high if tried[1] is None else tried[1]
        band = self._bands.of(previous_band)
        tally.band = band(tally.value)
        tally.band_certain = band(tally.low) == tally.band == band(tally.high)
        return tally

    def _limit(self, tally: Tally, points: Sequence[int]) -> None:
        """Points of groups to the value, and what each limit took on the way."""
        total, each = 0, iter(points)
        dimensions, taken = [], []
        for groups, least, most in self._dimensions:
            inside = 0
            for floor, ceiling in groups:
                given = next(each)
                limited = floor if given < floor else ceiling if given > ceiling else given
                taken.append(limited - given)
                inside += limited
            limited = least if inside < least else most if inside > most else inside
            taken.append(limited - inside)
            dimensions.append(limited)
            total += limited
        tally.value = 0 if total < 0 else TOP if total > TOP else total
        taken.append(tally.value - total)
        tally.dimensions, tally.taken = dimensions, taken

    def _total(self, sums: Sequence[int]) -> int:
        """Points of groups within all limits."""
        total, each = 0, iter(sums)
        for groups, least, most in self._dimensions:
            inside = 0
            for floor, ceiling in groups:
                points = next(each)
                inside += floor if points < floor else ceiling if points > ceiling else points
            total += least if inside < least else most if inside > most else inside
        return 0 if total < 0 else TOP if total > TOP else total

    def _together(self, values: Values, events: Events) -> Together | None:
        """What to try for this lead's bounds; None when no linked fact is unknown."""
        bounds = self.bounds
        unknown = [fact for fact in bounds.linked if fact not in values]
        if not unknown:
            return None
        numbers = [seen(values.get(fact)) for fact, seen in self._numbers]
        numbers += [truth(values, events) // TRUE for _, truth in bounds.event_tests]
        return bounds.together(tuple(numbers), unknown)

    def _tried(
        self,
        together: Together,
        lows: list[int],
        highs: list[int],
        others: Mapping[int, Given],
        values: Values,
        events: Events,
    ) -> tuple[int | None, int | None]:
        """Low and high over all ways in which linked facts may become known; sums by group.

        None where the sums themselves are attained.
        """
        if not together.lows and not together.highs:
            return None, None
        for group, low, high in together.alone:
            lows[group] -= low
            highs[group] -= high
        for position in together.rules:
            group, given = self.bounds.group_of[position], others[position]
            lows[group] -= given[1]
            highs[group] -= given[2]
        cap_low = cap_high = TOP
        for position, (entry, _, possible) in enumerate(self._disqualifiers):
            if position not in together.disqualifiers:
                may_hold = possible(values, events)
                if may_hold != FALSE:
                    cap_low = min(cap_low, entry.at_most)
                if may_hold == TRUE:
                    cap_high = min(cap_high, entry.at_most)
        return (
            min([self._trial(t, lows, cap_low, events) for t in together.lows], default=None),
            max([self._trial(t, highs, cap_high, events) for t in together.highs], default=None),
        )

    def _trial(self, trial: Trial, others: Sequence[int], cap: int, events: Events) -> int:
        """The score with facts known as in the trial; `others`: of the other rules, by group."""
        sums = [*others]
        for group, points in trial.sums:
            sums[group] += points
        for position, holds, may_hold in trial.conditions:
            given, missing = self._engaged[position](NO_VALUES, events), self._missing[position]
            sums[self.bounds.group_of[position]] += outcome(given, holds, may_hold, missing).points
        return min(self._total(sums), cap, trial.cap)

    def _capped(
        self, value: int, low: int, high: int, values: Values, events: Events
    ) -> tuple[int, int, int, Disqualifier | None]:
        lowest: Disqualifier | None = None
        for entry, truth, possible in self._disqualifiers:
            may_hold = possible(values, events)
            if may_hold == FALSE and truth(values, events) != TRUE:
                continue
            cap = entry.at_most
            if truth(values, events) == TRUE:
                if lowest is None or cap < lowest.at_most:
                    lowest = entry
                value = min(value, cap)
            if may_hold == TRUE:
                high = min(high, cap)
            if may_hold != FALSE:
                low = min(low, cap)
        return value, low, high, lowest


def _limits(low: int | None, high: int | None) -> tuple[int, int]:
    """Limits as numbers: an absent one is further out than any sum."""
    far = 10**12
    return (-far if low is None else low), (far if high is None else high)


class BandScale:
    """Bands of single scores, by asking the one function that decides once about each interval."""

    def __init__(self, bands: Sequence[Band]) -> None:
        self._all = bands
        self._cuts = sorted(
            {b.threshold for b in bands} | {b.leave_at for b in bands if b.leave_at}
        )
        self._known: dict[str | None, Callable[[int], str]] = {}

    def of(self, previous: str | None) -> Callable[[int], str]:
        """The band for each value of a lead that was in `previous`."""
        found = self._known.get(previous)
        if found is None:
            cuts = self._cuts
            names = [band_after(self._all, previous, v) for v in (cuts[0] - 1, *cuts)]
            found = self._known[previous] = lambda value: names[bisect_right(cuts, value)]
        return found
