"""Rules whose points time can change, as functions of an instant between two breaks."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from scoring.arithmetic import GUARD, HALF, RELATIVE_GUARD, clip, decayed
from scoring.breaks import Moments
from scoring.cells import NO_EVENTS
from scoring.compiling import (
    FALSE,
    NOTHING,
    TRUE,
    Given,
    Truth,
    asks_known,
    faded,
    outcome,
    truth_of,
    ungated,
)
from scoring.criteria import EngagementTest, FactTest, Silence, leaves
from scoring.events import Events, pattern_key
from scoring.inputs import GROWING_FACTS, grown_days
from scoring.operators import Value, days_us
from scoring.rule_set import ByRange, Each, PerUnit, Rule

#: Milli-points of one rule at an instant, in microseconds since 1970.
Points = Callable[[int], int]


class Mover:
    """A rule that can give other points at another time."""

    def __init__(self, rule: Rule, position: int, group: int) -> None:
        self.position, self.group = position, group
        self._gives, self._missing = rule.gives, rule.missing
        self._fixed = ungated(rule)
        self._key = pattern_key(rule.gives.pattern) if isinstance(rule.gives, Each) else ""
        #: gives nothing but what its engagements give
        self.only_engages = isinstance(rule.gives, Each) and rule.when is None
        self._holds: Truth | None = None
        self._may_hold: Truth | None = None
        if rule.when is not None:
            self._holds = truth_of(rule.when)
            if asks_known(rule.when):
                self._may_hold = truth_of(rule.when, for_bounds=True)

    def points(
        self,
        values: Mapping[str, Value],
        events: Events,
        moments: Moments,
        begun: Points | None,
    ) -> int | Points:
        """What the rule gives until the next break: a number, or one that only falls or only rises.

        `values` and `events` as they are at the beginning; `begun` from `engaged`.
        """
        holds = may_hold = TRUE if self._holds is None else self._holds(values, events)
        if self._may_hold is not None:
            may_hold = self._may_hold(values, events)
        if holds == FALSE:
            return 0
        amount = begun if isinstance(self._gives, Each) else self._counting(moments)
        if amount is None:
            given = NOTHING if isinstance(self._gives, Each) else self._fixed(values, events)
            return self._shaped(given, holds, may_hold)
        if holds == TRUE:
            return amount

        def points(at: int) -> int:
            total = amount(at)
            return self._shaped(Given(total, total, total, True), holds, may_hold)

        return points

    def engaged(self, moments: Moments, start: int) -> Points | None:
        """What its engagements give from `start` on, while none begins; None for nothing."""
        if not isinstance(self._gives, Each):
            return None
        return fading(self._gives, moments.engagements[self._key], start)

    def _counting(self, moments: Moments) -> Points | None:
        """Points per unit of a fact that grows."""
        gives = self._gives
        birth = moments.births.get(gives.fact) if isinstance(gives, PerUnit) else None
        if birth is None or not isinstance(gives, PerUnit):
            return None
        fact, fixed = gives.fact, self._fixed
        return lambda at: fixed({fact: grown_days(birth, at)}, NO_EVENTS)[0]

    def _shaped(self, given: Given, holds: int, may_hold: int) -> int:
        return outcome(given, holds, may_hold, self._missing)[0]


def fading(each: Each, instants: Sequence[int], start: int) -> Points | None:
    """What engagements give from `start` on, while none begins; None when none counts any more.

    To the milli-point what `compiling.rule_function` gives. Instants in microseconds, ascending.
    """
    counted = instants[: bisect_right(instants, start)]
    span = None if each.time_frame_days is None else days_us(each.time_frame_days)
    if each.first:
        counted = counted[:1]
    if span is not None:
        counted = counted[bisect_left(counted, start - span) :]
    if each.frequency is not None:
        counted = counted[-each.frequency :]
    if not counted or not each.points:
        return None
    low = None if each.cap is None else -each.cap
    half_life_us = None if each.half_life_days is None else days_us(each.half_life_days)
    if half_life_us is None:

        def unfading(at: int) -> int:
            left = counted if span is None else counted[bisect_left(counted, at - span) :]
            return clip(faded(each, [at - one for one in left]), low, each.cap)

        return unfading
    size, sign = abs(each.points), -1 if each.points < 0 else 1
    rate, most = 1 / half_life_us, size * len(counted) if each.cap is None else each.cap
    newest = accumulate(size * math.exp2((one - start) * rate) for one in reversed(counted))
    totals = [*reversed([*newest]), 0.0]  # of those left when so many of the oldest are too old
    guard = GUARD + RELATIVE_GUARD * totals[0]
    all_until = math.inf if span is None else counted[0] + span

    def points(at: int) -> int:
        gone = 0 if at <= all_until else bisect_left(counted, at - (span or 0))
        near = totals[gone] * math.exp2((start - at) * rate) + HALF
        whole = int(near)
        if whole <= most and not guard < near - whole < 1 - guard:
            whole = decayed(size, [at - one for one in counted[gone:]], half_life_us)
        return sign * (most if whole > most else whole)

    return points


def moves(rule: Rule) -> bool:
    """Whether time alone, or an engagement that begins, can change what the rule gives."""
    gives = rule.gives
    if isinstance(gives, Each):
        return True
    if isinstance(gives, ByRange | PerUnit) and gives.fact in GROWING_FACTS:
        return True
    return rule.when is not None and any(
        isinstance(test, EngagementTest | Silence)
        or (isinstance(test, FactTest) and (test.type == "date" or test.fact in GROWING_FACTS))
        for test in leaves(rule.when)
    )
