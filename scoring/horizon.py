"""When a lead's band changes if nothing happens, exactly: the first microsecond at which it does.

Between two *breaks* (a condition flips, an engagement begins, a dwell ends) the points of each rule
only fall or only rise, because fading, time frames and counters have one direction. What a rule
gives at both ends of a stretch therefore bounds what it gives in between, and limits pass bounds
on. A stretch whose bounds allow no change is skipped, any other is halved: neither decay rates nor
signs nor rounding have to be solved for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoring.bands import TOP, UNMOVED, BandState, kept, next_band
from scoring.breaks import Moments, breaks_of
from scoring.compiling import TRUE, truth_of
from scoring.events import Events
from scoring.halving import Found, Term, Totals, first_outside
from scoring.inputs import GROWING_FACTS, Timed, as_of, grown_days, instant, microseconds
from scoring.movers import Mover, Points, moves
from scoring.operators import Value
from scoring.rule_set import RuleSet
from scoring.scores import Facts
from scoring.tally import Tallier
from scoring.timing import Timing

#: Nobody looks further ahead; what still moves then is looked at again then.
HORIZON = timedelta(days=400)
_HORIZON_US = HORIZON // timedelta(microseconds=1)
ANY_VALUE = (0, TOP)
_FAR = 10**12  # an absent limit is further out than any sum

_Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Change:
    """The band from `at` on; "" = not scored any more."""

    at: datetime
    band: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come if nothing happens; None = never."""

    due_at: datetime | None  # look at the lead again: a change, or a value outside what was given
    change: Change | None  # None as well where it takes too long to find, or comes too late


class Horizon:
    """A rule set compiled to look ahead; keeps no state between leads."""

    def __init__(self, rule_set: RuleSet, tallier: Tallier) -> None:
        self.rule_set, self.tallier = rule_set, tallier
        self.breaks = breaks_of(rule_set)
        self.groups: list[tuple[int, int, int]] = []  # dimension, floor and ceiling
        self.limits: list[tuple[int, int]] = []  # of each dimension
        self.group_of: list[int] = []  # for each rule
        self.movers: list[Mover] = []
        for number, dimension in enumerate(rule_set.dimensions):
            self.limits.append(_limits(dimension.low, dimension.high))
            for group in dimension.groups:
                for rule in group.rules:
                    if moves(rule):
                        self.movers.append(Mover(rule, len(self.group_of), len(self.groups)))
                    self.group_of.append(len(self.groups))
                self.groups.append((number, *_limits(group.low, group.high)))
        self.suppressions = [truth_of(entry.when) for entry in rule_set.suppressions]
        self.caps = [(entry.at_most, truth_of(entry.when)) for entry in rule_set.disqualifiers]
        self.dates = [name for name, kind in rule_set.fact_types if kind == "date"]
        self.growing = [name for name, _ in rule_set.fact_types if name in GROWING_FACTS]
        self._timing = Timing(rule_set, tallier.watch)

    def outlook(
        self,
        facts: Facts,
        ordered: Sequence[Timed],
        now: datetime,
        state: BandState | None,
        *,
        moved: Mapping[str, int] = UNMOVED,
        full: Collection[str] = (),
        within: tuple[int, int] = ANY_VALUE,
    ) -> Outlook:
        """What comes after `now` (aware UTC) for a lead that is in `state`.

        `moved` and `full` are as for `next_band`, and stay as they are. `within`: the values (in
        milli-points, ends included) that need no look at the lead while its band stays.
        """
        ahead = _Ahead(self, facts, ordered, now, state, moved, full)
        due = ahead.search(within)
        last = instant(ahead.end_us)
        if due is None and self._timing.pending(
            self.tallier.values(as_of(facts, last), last), ordered, ahead.end_us, ahead.suppressed
        ):
            due = Found(ahead.end_us, certain=False)
        if due is None:
            return Outlook(None, None)
        # whatever changes the band is due as well, so that nothing comes before
        found = due if within == ANY_VALUE else ahead.search(ANY_VALUE, due.at)
        changes = found is not None and found.certain
        return Outlook(instant(due.at), ahead.change(found.at) if found and changes else None)


class _EventsAt(Events):
    """The engagements as they are at one instant, those of a pattern when they are asked for."""

    __slots__ = ("_instants", "_now_us")

    def __init__(self, instants: Mapping[str, Sequence[int]], now_us: int) -> None:
        self._instants, self._now_us = instants, now_us

    def ages(self, key: str) -> list[int]:
        """Those of one pattern, oldest first."""
        instants, now_us = self._instants[key], self._now_us
        return [now_us - at for at in instants[: bisect_right(instants, now_us)]]


class _Ahead:
    """The search for one lead."""

    def __init__(
        self,
        rules: Horizon,
        facts: Facts,
        ordered: Sequence[Timed],
        now: datetime,
        state: BandState | None,
        moved: Mapping[str, int],
        full: Collection[str],
    ) -> None:
        self.rules, self.facts, self.ordered = rules, facts, ordered
        self.state, self.moved, self.full = state, moved, full
        self.now_us = microseconds(now)
        self.end_us = self.now_us + _HORIZON_US
        watch = rules.tallier.watch
        instants: dict[str, list[int]] = {key: [] for key in watch.keys}
        for at, _, engagement in ordered:
            for key in watch.matching(engagement.kind, engagement.detail):
                instants[key].append(at)
        self.values = rules.tallier.values(facts, now)
        dates = {
            name: self.now_us - int(self.values[name])  # type: ignore[arg-type]  # dates are ages
            for name in rules.dates
            if name in self.values
        }
        births = {
            name: microseconds(since)
            for name in rules.growing
            if name in self.values and (since := facts[name].at) is not None
        }
        self.moments = Moments(instants, dates, births)
        tally = rules.tallier.tally(facts, ordered, now, None)
        self.suppressed = tally.suppressed is not None
        self.sums = [0] * len(rules.groups)  # of what never moves, by group
        if not self.suppressed:
            for group, given in zip(rules.group_of, tally.givens, strict=True):
                self.sums[group] += given[0]
            for mover in rules.movers:
                self.sums[mover.group] -= tally.givens[mover.position][0]
        #: what moves until an engagement begins, with what engagements give
        self._engaged: list[tuple[Mover, Points | None]] = []

    def search(self, within: tuple[int, int], begin: int = 0) -> Found | None:
        """The first microsecond, from `begin` on, of a change or a value not `within`."""
        for start, end in self._stretches(max(begin, self.now_us + 1)):
            values, events = self._values_at(start), _EventsAt(self.moments.engagements, start)
            suppressed = any(truth(values, events) == TRUE for truth in self.rules.suppressions)
            if suppressed != self.suppressed:
                return Found(start)
            if suppressed:
                continue
            caps = [most for most, truth in self.rules.caps if truth(values, events) == TRUE]
            least, greatest = kept(
                self.rules.rule_set,
                self.state,
                instant(start),
                moved=self.moved,
                full=self.full,
                disqualified=bool(caps),
            )
            most = min(caps, default=TOP)
            totals, terms = self._totals(start, end, values, events, most)
            allowed = range(max(least, within[0]), min(greatest, within[1]) + 1)
            found = first_outside(totals, terms, start, end, allowed)
            if found is not None:
                return found
        return None

    def change(self, at_us: int) -> Change:
        """What the engine says at that microsecond."""
        at, rules = instant(at_us), self.rules
        tally = rules.tallier.tally(as_of(self.facts, at), self.ordered, at, None)
        after = next_band(
            rules.rule_set,
            self.state,
            None if tally.suppressed else tally.value,
            at,
            moved=self.moved,
            full=self.full,
            disqualified=tally.disqualified is not None,
        )
        return Change(at, after.band if after else "")

    def _stretches(self, start: int) -> Iterator[tuple[int, int]]:
        """First and last microsecond of each stretch without a break from `start` on, in order."""
        end = self.end_us
        begins = {at for ats in self.moments.engagements.values() for at in ats}
        for until in [*sorted(at for at in begins if start < at <= end), end + 1]:
            self._engaged.clear()
            while start < until:
                after = self._break_after(start, until)
                yield start, after - 1
                start = after

    def _break_after(self, start: int, until: int) -> int:
        """The first break after `start`, or `until` when none comes before it."""
        state, found = self.state, [until]
        for breaks in self.rules.breaks:
            found += breaks(self.moments, start, until)
        if state is not None:
            for band in self.rules.rule_set.bands:
                if band.key == state.band and band.dwell_days is not None:
                    found.append(microseconds(state.entered_at + timedelta(days=band.dwell_days)))
        return min(at for at in found if at > start)

    def _values_at(self, at: int) -> _Values:
        dates, births = self.moments.dates, self.moments.births
        if not dates and not births:
            return self.values
        values = dict(self.values)
        values.update((name, at - moment) for name, moment in dates.items())
        values.update((name, grown_days(birth, at)) for name, birth in births.items())
        return values

    def _totals(
        self, start: int, end: int, values: _Values, events: Events, cap: int
    ) -> tuple[Totals, list[Term]]:
        """Sums of what stays the same between two instants, and the rules that move."""
        if not self._engaged:
            self._engaged = [
                (mover, engaged)
                for mover in self.rules.movers
                if (engaged := mover.engaged(self.moments, start)) or not mover.only_engages
            ]
        sums = list(self.sums)
        terms = []
        for mover, engaged in self._engaged:
            points = mover.points(values, events, self.moments, engaged)
            if isinstance(points, int):
                sums[mover.group] += points
            else:
                terms.append(Term(mover.group, points, points(start), points(end)))
        return Totals(self.rules.groups, self.rules.limits, sums, cap), terms


def _limits(low: int | None, high: int | None) -> tuple[int, int]:
    return -_FAR if low is None else low, _FAR if high is None else high
