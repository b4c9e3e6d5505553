"""The engagements that one rule is about, for many leads: counted, found and faded at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.arithmetic import GUARD, HALF, PER_MILLE, RELATIVE_GUARD, decayed
from scoring.columns import Floats, Integers, Log
from scoring.criteria import Pattern
from scoring.events import matcher
from scoring.operators import days_us
from scoring.rule_set import Each, Step


@dataclass(frozen=True, slots=True)
class Hits:
    """Instants (microseconds, ascending per lead) of matching engagements of some leads."""

    offsets: Integers  # one more than leads
    at: Floats  # whole numbers: doubles are exact up to 2^53, the year 2255
    last: int  # the newest of all; the smallest integer without any

    def part(self, low: int, high: int) -> Hits:
        """Those of leads `low` to `high`, without copying the instants."""
        first, end = self.offsets[low], self.offsets[high]
        return Hits(self.offsets[low : high + 1] - first, self.at[first:end], self.last)


#: `now` for one part of the leads: one instant for all, or one for each.
Now = int | Integers


def find_hits(log: Log, pattern: Pattern) -> Hits:
    """The hits of a pattern: asked once per distinct engagement, then one pass over the log."""
    matches = matcher(pattern)
    wanted = np.fromiter((matches(*what) for what in log.whats), bool, len(log.whats))
    rows = np.flatnonzero(wanted[log.what]) if wanted.any() else np.empty(0, np.int64)
    at = log.at[rows].astype(np.float64)
    last = int(at.max()) if len(at) else int(np.iinfo(np.int64).min)
    return Hits(np.searchsorted(rows, log.offsets), at, last)


def spread(now: Now, hits: Hits) -> Now:
    """`now` for each hit."""
    return now if isinstance(now, int) else np.repeat(now, np.diff(hits.offsets))


def _per_lead(hits: Hits, flags: NDArray[np.bool_]) -> Integers:
    """How many hits of each lead are flagged."""
    running = np.zeros(len(hits.at) + 1, np.int64)
    np.cumsum(flags, out=running[1:])
    return running[hits.offsets[1:]] - running[hits.offsets[:-1]]


def ends(hits: Hits, now: Now) -> Integers:
    """For each lead the position after its newest hit up to `now`."""
    if isinstance(now, int) and hits.last <= now:
        return hits.offsets[1:]
    return hits.offsets[:-1] + _per_lead(hits, hits.at <= spread(now, hits))


def begins(hits: Hits, now: Now, span_days: float | None) -> Integers:
    """For each lead the position of its oldest hit within the span; hits after now count too."""
    if span_days is None:
        return hits.offsets[:-1]
    return hits.offsets[1:] - _per_lead(hits, hits.at >= spread(now, hits) - days_us(span_days))


def counts(hits: Hits, now: Now, within_days: float | None = None) -> Integers:
    """How many hits each lead has up to `now`, within the last days if given."""
    number: Integers = ends(hits, now) - begins(hits, now, within_days)
    return np.maximum(0, number, out=number)


def first_within(hits: Hits, now: Now, within_days: float | None) -> NDArray[np.bool_]:
    """Whether each lead's first hit ever is not after `now`, and within the last days if given."""
    found = np.diff(hits.offsets) > 0
    first = np.full(len(found), np.inf)
    first[found] = hits.at[hits.offsets[:-1][found]]
    inside = first <= now
    return inside if within_days is None else inside & (first >= now - days_us(within_days))


def selected(hits: Hits, each: Each, now: Now) -> tuple[Integers, Integers]:
    """For each lead where the hits that count begin and end: the same choice as for one lead."""
    if each.first:
        begin = hits.offsets[:-1]
        return begin, begin + first_within(hits, now, each.time_frame_days)
    end = ends(hits, now)
    begin = np.minimum(begins(hits, now, each.time_frame_days), end)
    return (begin if each.frequency is None else np.maximum(begin, end - each.frequency)), end


def faded_points(hits: Hits, each: Each, now: Now) -> Integers:
    """Milli-points of the rule for each lead, after fading, rounding and the cap."""
    begin, end = selected(hits, each, now)
    result = np.zeros(len(begin), np.int64)
    rows = np.flatnonzero(end > begin)
    if len(rows) == 0:
        return result
    begin, end = begin[rows], end[rows]
    if each.half_life_days is not None:
        points = _halved(hits, each, now, rows, begin, end)
    elif each.step is not None:
        points = _stepped(hits, each, each.step, now, begin, end)
    else:
        points = each.points * (end - begin)
    if each.cap is not None:
        np.clip(points, -each.cap, each.cap, out=points)
    result[rows] = points
    return result


def _stepped(
    hits: Hits, each: Each, step: Step, now: Now, begin: Integers, end: Integers
) -> Integers:
    # exact: both are whole numbers of microseconds far below 2^53
    intervals = np.floor((spread(now, hits) - hits.at) / days_us(step.every_days))
    shares = np.maximum(0.0, PER_MILLE - step.loss * intervals)
    sums = _sums(shares, begin, end).astype(np.int64)
    points: Integers = (abs(each.points) * sums + PER_MILLE // 2 - 1) // PER_MILLE
    return -points if each.points < 0 else points


def _halved(
    hits: Hits, each: Each, now: Now, rows: Integers, begin: Integers, end: Integers
) -> Integers:
    half_life_us = days_us(each.half_life_days or 0)
    total = _sums(_weights(hits, spread(now, hits), half_life_us), begin, end)
    total *= abs(each.points)
    points, doubtful = rounded(total)
    if each.points < 0:
        np.negative(points, out=points)
    for row in doubtful:
        moment = now if isinstance(now, int) else int(now[rows[row]])
        ages = [moment - int(at) for at in hits.at[begin[row] : end[row]]]
        points[row] = decayed(each.points, ages, half_life_us)
    return points


def _weights(hits: Hits, then: Now, half_life_us: int) -> Floats:
    """2^(-age / half-life) of each hit at one instant, or at one for each hit."""
    weights = hits.at - then
    weights *= 1 / half_life_us
    with np.errstate(over="ignore"):  # what lies after `then` is never added
        np.exp2(weights, out=weights)
    return weights


def faded_sums(hits: Hits, each: Each) -> Floats:
    """For each lead the sum of 2^(-age / half-life) at the newest hit of all.

    At any later time it is the same sum times one number: decay is a closed form of time.
    """
    begin, end = selected(hits, each, hits.last)
    result = np.zeros(len(begin), np.float64)
    rows = np.flatnonzero(end > begin)
    if len(rows):
        weights = _weights(hits, hits.last, days_us(each.half_life_days or 0))
        result[rows] = _sums(weights, begin[rows], end[rows])
    return result


def later_points(hits: Hits, each: Each, sums: Floats, now: int) -> Integers:
    """`faded_points` from `faded_sums`, for a `now` that is not before the newest hit of all."""
    half_life_us = days_us(each.half_life_days or 0)
    points, doubtful = rounded(sums * (abs(each.points) * 2 ** ((hits.last - now) / half_life_us)))
    if each.points < 0:
        np.negative(points, out=points)
    if len(doubtful):
        begin, end = selected(hits, each, now)
        for row in doubtful:
            ages = [now - int(at) for at in hits.at[begin[row] : end[row]]]
            points[row] = decayed(each.points, ages, half_life_us)
    if each.cap is not None:
        np.clip(points, -each.cap, each.cap, out=points)
    return points


def rounded(total: Floats) -> tuple[Integers, Integers]:
    """Sums as whole milli-points, and the rows where a float is too close to a boundary."""
    near = total + HALF
    whole = np.floor(near)
    near -= whole
    near -= 0.5
    np.abs(near, out=near)
    guard = GUARD + RELATIVE_GUARD * float(total.max(initial=0.0))
    return whole.astype(np.int64), np.flatnonzero(near > 0.5 - guard)


def _sums(values: Floats, begin: Integers, end: Integers) -> Floats:
    """Sum of values[begin:end] for each of some leads, none of which is empty."""
    if end[-1] == len(values) and np.array_equal(end[:-1], begin[1:]):
        return np.add.reduceat(values, begin)
    # reduceat sums up to the next index given: every second sum is one that is wanted
    edges = np.empty(2 * len(begin), np.int64)
    edges[0::2], edges[1::2] = begin, end
    if edges[-1] == len(values):
        edges = edges[:-1]
    found: Floats = np.add.reduceat(values, edges)[0::2]
    return found
