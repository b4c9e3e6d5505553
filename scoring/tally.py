"""The numbers of one lead's score, without the words: fast enough to be asked all the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from scoring.bands import band_after
from scoring.compiling import FALSE, TRUE, Given, Values, rule_function, truth_of
from scoring.events import Events, Watch, patterns_of
from scoring.inputs import Timed, microseconds
from scoring.lookups import Lookups
from scoring.operators import READERS, Value
from scoring.rule_set import Disqualifier, RuleSet, Suppression
from scoring.scores import MILLI, Facts

TOP = 100 * MILLI


class Tally(NamedTuple):
    """Milli-points of one lead at one instant."""

    value: int
    low: int
    high: int
    band: str  # "" when suppressed
    band_certain: bool
    dimensions: tuple[int, ...]  # after their limits, in the rule set's order
    givens: Sequence[Given]  # one for each rule, in order
    taken: Sequence[
        int
    ]  # what each group's limit, each dimension's and the scale changed, in order
    suppressed: Suppression | None
    disqualified: Disqualifier | None


class Tallier:
    """A rule set compiled to add up one lead; keeps no state between leads but memory of values."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self.watch = Watch(patterns_of(rule_set))
        self._readers = [(name, READERS[kind]) for name, kind in rule_set.fact_types]
        self._lookups = Lookups(rule_set, [rule_function(rule) for rule in rule_set.rules()])
        self._suppressions = [(s, truth_of(s.when)) for s in rule_set.suppressions]
        self._disqualifiers = [
            (d, truth_of(d.when), truth_of(d.when, for_bounds=True)) for d in rule_set.disqualifiers
        ]
        self._dimensions = []
        position = 0
        for dimension in rule_set.dimensions:
            groups = []
            for group in dimension.groups:
                end = position + len(group.rules)
                groups.append((position, end, *_limits(group.low, group.high)))
                position = end
            self._dimensions.append((groups, *_limits(dimension.low, dimension.high)))

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
                return Tally(0, 0, 0, "", False, (), (), (), suppression, None)
        givens = self._lookups.givens(values)
        for position, give in self._lookups.others:
            givens[position] = give(values, events)
        return self._added(givens, values, events, previous_band)  # type: ignore[arg-type]  # filled

    def _added(
        self, givens: list[Given], values: Values, events: Events, previous_band: str | None
    ) -> Tally:
        points = low = high = 0
        dimensions, taken = [], []
        for groups, least, most in self._dimensions:
            inside = inside_low = inside_high = 0
            for start, end, floor, ceiling in groups:
                total = total_low = total_high = 0
                for given in givens[start:end]:
                    total += given[0]
                    total_low += given[1]
                    total_high += given[2]
                limited = _clip(total, floor, ceiling)
                taken.append(limited - total)
                inside += limited
                inside_low += _clip(total_low, floor, ceiling)
                inside_high += _clip(total_high, floor, ceiling)
            limited = _clip(inside, least, most)
            taken.append(limited - inside)
            dimensions.append(limited)
            points += limited
            low += _clip(inside_low, least, most)
            high += _clip(inside_high, least, most)
        value, low, high = _clip(points, 0, TOP), _clip(low, 0, TOP), _clip(high, 0, TOP)
        taken.append(value - points)
        value, low, high, entry = self._capped(value, low, high, values, events)
        bands = self.rule_set.bands
        band = band_after(bands, previous_band, value)
        certain = low == high or (
            band_after(bands, previous_band, low) == band
            and band_after(bands, previous_band, high) == band
        )
        return Tally(value, low, high, band, certain, tuple(dimensions), givens, taken, None, entry)

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


def _clip(number: int, low: int, high: int) -> int:
    return low if number < low else high if number > high else number
