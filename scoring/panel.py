"""Which leads a backtest looks at, when, and what became of them.

The instant of a lead comes from its creation, from our first touch or from the calendar, never from
how it ended; only `BeforeOutcome` counts back from the outcome, and says what it does about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Integers
from scoring.history import FOREVER, History
from scoring.inputs import microseconds

Flags = NDArray[np.bool_]

SECOND_US, DAY_US = 1_000_000, 86_400_000_000
WEEK_US = 7 * DAY_US
#: The first Monday after 1970 began: weeks are counted from here.
MONDAY_US = microseconds(datetime(1970, 1, 5, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class AtSla:
    """So long after creation."""

    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class AtFirstTouch:
    """Just before our side first wrote, called or spoke: the score that chose whom to contact."""


@dataclass(frozen=True, slots=True)
class BeforeOutcome:
    """So many days before the first success; the others at the age that a lead with one had.

    Such a cut-off depends on the label. So that age alone tells nothing, each lead without success
    is given the age of one with it, drawn by its number: both have the same ages. What the approach
    of an outcome does to a lead still shows, so this flatters rules over behaviour.
    """

    days: float


@dataclass(frozen=True, slots=True)
class Weekly:
    """Every Monday 00:00 UTC from what was dated before it, while the lead is open."""


Instant = AtSla | AtFirstTouch | BeforeOutcome | Weekly

#: Why a lead (weekly: a week of a lead) is not in the panel, in the order in which it is asked.
EXCLUSIONS: Mapping[str, str] = {
    "untouched": "never touched by us",
    "early": "before the lead was created or before the period",
    "decided": "already converted, won or lost at the instant",
    "immature": "too young, their horizon has not passed",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows to score: a lead at an instant, and whether it succeeded within the horizon."""

    lead: Integers  # position in the history
    at: Integers  # microseconds since 1970
    won: Flags
    horizon_us: int
    excluded: Mapping[str, int]  # by EXCLUSIONS
    order: Integers | None = None  # what is earlier and later, where instants do not say it

    def __len__(self) -> int:
        return len(self.lead)


def panel_of(
    history: History,
    instant: Instant,
    horizon: timedelta,
    until: datetime,
    since: datetime | None = None,
) -> Panel:
    """The rows whose outcome is settled: success from just after the instant to the horizon's end.

    `until`: how far the history is complete; what is dated later is as if it had not happened. A
    row whose horizon ends later is immature whatever is known of it, or those that were quick to
    convert would count and the others not. `since`: no instant before it. Raises ValueError when
    outcomes lie beyond the horizon by construction.
    """
    horizon_us, end = _us(horizon), microseconds(until)
    first = -FOREVER if since is None else microseconds(since)
    if isinstance(instant, BeforeOutcome) and _us(timedelta(days=instant.days)) > horizon_us:
        raise ValueError(
            f"An outcome {instant.days:g} days later is beyond a horizon of {horizon.days} days."
        )
    known = _until(history, end)
    lead, at = _instants(known, instant, horizon_us, end, first)
    there = known.created_at[lead] <= end
    lead, at = lead[there], at[there]
    reasons = {
        "untouched": at == FOREVER,
        "early": (at < known.created_at[lead]) | (at < first),
        "decided": known.decided_at[lead] <= at,
        "immature": at > end - horizon_us,
    }
    state = np.full(len(lead), len(EXCLUSIONS), np.int8)
    for position, name in reversed(list(enumerate(EXCLUSIONS))):
        state[reasons[name]] = position
    kept = state == len(EXCLUSIONS)
    counts = np.bincount(state, minlength=len(EXCLUSIONS))
    excluded = {name: int(n) for name, n in zip(EXCLUSIONS, counts, strict=False)}
    lead, at = lead[kept], at[kept]
    won = known.won_at[lead] <= at + horizon_us  # and after it: none is decided by then
    return Panel(lead, at, won, horizon_us, excluded)


def _until(history: History, end: int) -> History:
    """The history without touches and outcomes after `end`."""

    def known(at: Integers) -> Integers:
        return np.where(at > end, FOREVER, at)

    return replace(
        history,
        first_touch_at=known(history.first_touch_at),
        decided_at=known(history.decided_at),
        won_at=known(history.won_at),
    )


def panel_at_creation(
    history: History, won: Sequence[bool], horizon: timedelta, until: datetime
) -> Panel:
    """Each lead as of its creation, with an outcome of which no time is known.

    Leads younger than the horizon at `until` are immature.
    """
    ripe = history.created_at <= microseconds(until) - _us(horizon)
    excluded = {"immature": int((~ripe).sum())}
    lead = np.flatnonzero(ripe)
    return Panel(lead, history.created_at[lead], np.array(won, bool)[lead], _us(horizon), excluded)


def panel_in_order(
    history: History, won: Sequence[bool], order: Sequence[float] | Sequence[str]
) -> Panel:
    """Each lead as it is, earlier and later by `order`; nothing is known of any time."""
    lead = np.arange(len(history))
    places = np.unique(np.array(order), return_inverse=True)[1].astype(np.int64)
    return Panel(lead, history.created_at, np.array(won, bool), 0, {}, places)


def _instants(
    history: History, instant: Instant, horizon_us: int, end: int, first: int
) -> tuple[Integers, Integers]:
    """Every lead with its instant, FOREVER where it has none."""
    each = np.arange(len(history))
    match instant:
        case AtSla(seconds):
            return each, history.created_at + round(seconds * SECOND_US)
        case AtFirstTouch():
            touched = history.first_touch_at
            return each, np.where(touched == FOREVER, FOREVER, touched - 1)
        case BeforeOutcome(days):
            return each, _before_outcome(history, round(days * DAY_US), end - horizon_us)
        case Weekly():
            return _weeks(history, end, first)


def _before_outcome(history: History, before_us: int, last: int) -> Integers:
    """Counted back from the success, or as old as one of those who had it; `last`: mature until."""
    at = history.won_at - before_us
    succeeded = at <= last  # later ones are immature: as if nobody knew of them
    usable = succeeded & (at >= history.created_at) & (history.decided_at > at)
    ages = np.sort((at - history.created_at)[usable])
    if len(ages) == 0:
        return np.where(succeeded, at, FOREVER)  # nobody to be matched with
    drawn = ages[(_shares(history.ids) * len(ages)).astype(np.int64)]
    return np.where(succeeded, at, history.created_at + drawn)


def _shares(ids: Integers) -> NDArray[np.float64]:
    """A number from 0 to below 1 for each id, evenly spread and always the same.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014, OOPSLA).
    """
    z = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _weeks(history: History, end: int, first: int) -> tuple[Integers, Integers]:
    """A row for each Monday on which a lead was open; the instant is the last one before it."""
    begin = _mondays_until(np.maximum(history.created_at, first) - 1)
    beyond = np.minimum(np.minimum(history.decided_at - 1, end), FOREVER - 1)
    count = np.maximum(0, _mondays_until(beyond) - begin)
    lead = np.repeat(np.arange(len(history)), count)
    week = np.arange(len(lead)) - np.repeat(np.cumsum(count) - count, count) + begin[lead]
    return lead, MONDAY_US + week * WEEK_US - 1


def _mondays_until(at: Integers) -> Integers:
    """How many Mondays there are whose last instant before is not after `at`."""
    return (at + 1 - MONDAY_US) // WEEK_US + 1


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
