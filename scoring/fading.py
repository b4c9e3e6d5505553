"""What leads' engagements amount to at any time: how many count, or what decay has left of them.

Kept from one time to the next: between two instants at which an engagement comes or falls out of
its time frame, a sum of 2^(-age / half-life) only shrinks by one factor for all leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.arithmetic import GUARD, HALF, PER_MILLE, RELATIVE_GUARD, decayed
from scoring.blocks import Block
from scoring.columns import Floats, Integers
from scoring.hits import FOREVER, STILL_TO_COME, Hits
from scoring.operators import days_us
from scoring.rule_set import Each

#: Further away than this the factor between two times is worked out anew instead.
_FARTHEST_HALVINGS = 500
#: So many engagements of a lead are followed out of the time frame one by one,
_MOST_MOVES = 4
#: and so many leads of a block of which more have left.
_MOST_SEARCHES = 100
#: So many halvings leave nothing of any points.
_NOTHING = -1_000.0


@dataclass(frozen=True, slots=True)
class Sparse:
    """Points of some of a block's leads, by position; all others get none."""

    who: Integers
    points: NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Which engagements of leads are inside the time frame."""

    begins: Integers  # the oldest that is, as a position among the hits
    ends: Integers  # the position after the newest one so far
    until: Integers  # the first instant at which that one is out; FOREVER where none is inside


@dataclass(frozen=True, slots=True)
class _State:
    """What was measured for the leads of a part."""

    at: int
    amounts: NDArray[Any]
    frame: _Frame | None  # until it moves on, amounts change by fading only
    next_at: int  # when the next engagement of any of the leads comes


def measured(each: Each) -> Each:
    """`each` without what does not change the amount: points and cap."""
    return replace(each, points=1, cap=None)


class Fading:
    """The amounts of one kind of engagement; see `measured`."""

    def __init__(self, each: Each) -> None:
        self._each = each
        frame = each.time_frame_days
        self._span = STILL_TO_COME if frame is None else days_us(frame)
        half_life = each.half_life_days
        self._half_life_us = None if half_life is None else days_us(half_life)

    def amounts(self, block: Block) -> tuple[Hits, NDArray[Any], float]:
        """Whose they are, the amount of each of them, and a factor for all amounts.

        Sums of 2^(-age / half-life), thousandths that are left after steps, or numbers.
        """
        hits, now = block.hits(self._each.pattern), block.now
        if not (isinstance(now, int) and block.keeps) or self._each.step:
            ages = block.ages(self._each.pattern)
            return hits, self._measure(hits, ages)[0], 1.0
        state = block.part.kept.get(self)
        if state is None or not self._holds(state, now):
            state = self._state(block, hits, now)
        elif state.frame is not None:
            state = self._renewed(state, block, hits, now)
        block.part.kept[self] = state
        return hits, state.amounts, self._factor(state.at, now)

    def numbers(self, block: Block) -> NDArray[np.int32]:
        """How many count, for each lead of the block."""
        hits, amounts, _ = self.amounts(block)
        if len(hits.who) == len(block):
            return amounts
        found = np.zeros(len(block), np.int32)
        found[hits.who] = amounts
        return found

    # -- from one time to the next -----------------------------------------------------------------

    def _factor(self, before: int, after: int) -> float:
        """What is left `after` of a sum from `before`."""
        half_life = self._half_life_us
        return 1.0 if half_life is None else 2.0 ** ((before - after) / half_life)

    def _holds(self, state: _State, now: int) -> bool:
        if not state.at <= now < state.next_at:
            return False
        half_life = self._half_life_us
        return half_life is None or (now - state.at) / half_life < _FARTHEST_HALVINGS

    def _state(self, block: Block, hits: Hits, now: int) -> _State:
        amounts, frame = self._measure(hits, block.ages(self._each.pattern), block)
        return _State(now, amounts, frame, block.next_at)

    def _renewed(self, state: _State, block: Block, hits: Hits, now: int) -> _State:
        """The state with those leads measured again of whom an engagement has left the frame."""
        frame = state.frame
        assert frame is not None
        due = np.flatnonzero(frame.until <= now)
        if len(due) == 0:
            return state
        if len(due) * 4 > len(hits.who) or self._each.first:
            return self._state(block, hits, now)
        ends = frame.ends[due]
        moved = self._moved_on(block, hits, frame.begins[due], ends, now)
        if moved is None:
            return self._state(block, hits, now)
        amounts, begins, until = state.amounts.copy(), frame.begins.copy(), frame.until.copy()
        begins[due], until[due] = moved.begins, moved.until
        number = ends - moved.begins
        if self._each.frequency is not None:
            number = np.minimum(number, self._each.frequency)
        if self._plain:
            amounts[due] = number
        else:
            inside = _runs(ends - number, number)
            worth = self._worth(block.ages_of(hits.rows[inside]))
            edges = np.cumsum(number)
            sums = _sums(worth, edges - number, edges)
            amounts[due] = sums / self._factor(state.at, now)
        return _State(state.at, amounts, _Frame(begins, frame.ends, until), state.next_at)

    def _moved_on(
        self, block: Block, hits: Hits, begins: Integers, ends: Integers, now: int
    ) -> _Frame | None:
        """The frame of some leads at a later time; None if that is far away."""
        at, oldest = block.part.at, now - int(self._span)
        begins = begins.copy()
        left = np.arange(len(begins))
        for _ in range(_MOST_MOVES):
            left = left[begins[left] < ends[left]]
            left = left[at[hits.rows[begins[left]]] < oldest]
            begins[left] += 1
        if len(left) > _MOST_SEARCHES:
            return None
        for lead in left:
            inside = at[hits.rows[begins[lead] : ends[lead]]]
            begins[lead] += np.searchsorted(inside, oldest)
        return self._frame(at, hits, begins, ends)

    def _frame(self, at: Integers, hits: Hits, begins: Integers, ends: Integers) -> _Frame:
        until = np.full(len(begins), FOREVER)
        some = np.flatnonzero(begins < ends)
        until[some] = at[hits.rows[begins[some]]] + int(self._span) + 1
        return _Frame(begins, ends, until)

    # -- at one time -------------------------------------------------------------------------------

    def _measure(
        self, hits: Hits, ages: Floats, keeping: Block | None = None
    ) -> tuple[NDArray[Any], _Frame | None]:
        """Each lead's amount; of leads to be kept also the time frame, None = there is none."""
        framed = keeping is not None and self._framed
        if self._each.first:
            starts = hits.edges[:-1]
            first = ages.take(starts)
            inside = first <= self._span
            amounts = inside.astype(np.int32) if self._plain else self._worth(first) * inside
            if keeping is None or not framed:
                return amounts, None
            return amounts, self._frame(keeping.part.at, hits, starts, starts + inside)
        counting = ages <= self._span
        if not (self._plain or self._each.frequency is not None or framed):
            return self._amounts(hits, ages, counting, None), None
        number = _per_lead(hits, counting)
        amounts = self._amounts(hits, ages, counting, number)
        if keeping is None or not framed:
            return amounts, None
        ends = self._ends(hits, ages)
        return amounts, self._frame(keeping.part.at, hits, ends - number, ends)

    def _amounts(
        self,
        hits: Hits,
        ages: Floats,
        counting: NDArray[np.bool_],
        number: NDArray[np.int32] | None,
    ) -> NDArray[Any]:
        most = self._each.frequency
        if number is not None and most is not None:
            number = np.minimum(number, most)
        if number is not None and self._plain:
            return number
        worth = self._worth(ages)
        if number is not None and most is not None:
            end = self._ends(hits, ages)
            return _sums(worth, end - number, end)
        if self._framed:
            worth *= counting
        starts = hits.edges[:-1]
        return np.add.reduceat(worth, starts) if len(starts) else np.empty(0)

    @property
    def _plain(self) -> bool:
        return self._half_life_us is None and self._each.step is None

    @property
    def _framed(self) -> bool:
        return self._each.time_frame_days is not None

    def _worth(self, ages: Floats) -> Floats:
        """What decay has left of engagements of these ages; nothing of those to come."""
        if self._half_life_us is not None:
            worth = ages * (-1 / self._half_life_us)
            if worth.min(initial=0.0) < _NOTHING:
                # adds nothing to any sum; exp2 takes ten times as long where it underflows
                np.maximum(worth, _NOTHING, out=worth)
            return np.exp2(worth, out=worth)
        step = self._each.step
        assert step is not None
        # exact: both are whole numbers of microseconds far below 2^53
        intervals = np.floor(ages / days_us(step.every_days))
        left: Floats = np.maximum(0.0, PER_MILLE - step.loss * intervals)
        return left

    def _ends(self, hits: Hits, ages: Floats) -> Integers:
        """For each lead the position after its newest hit up to now."""
        past = ages <= STILL_TO_COME
        return hits.edges[1:] if past.all() else hits.edges[:-1] + _per_lead(hits, past)


def points_of(each: Each, fading: Fading, block: Block) -> Sparse:
    """Milli-points of the rule, after fading, rounding and the cap."""
    if not (isinstance(block.now, int) and block.keeps):
        return _points(each, fading, block)
    now, found = block.part.kept.get(each, (None, None))
    if now != block.now:
        found = _points(each, fading, block)
        block.part.kept[each] = block.now, found
    kept: Sparse = found
    return kept


def _points(each: Each, fading: Fading, block: Block) -> Sparse:
    hits = block.hits(each.pattern)
    if not len(hits.who):
        return Sparse(hits.who, np.empty(0, np.int32))
    hits, amounts, factor = fading.amounts(block)
    points: NDArray[Any]
    if each.half_life_days is not None:
        points, doubtful = rounded(amounts * (abs(each.points) * factor))
        for row in doubtful:
            points[row] = abs(_exact(each, block, hits, int(row)))
    elif each.step is not None:
        shares = amounts.astype(np.int64)
        points = (abs(each.points) * shares + PER_MILLE // 2 - 1) // PER_MILLE
    else:
        points = abs(each.points) * amounts.astype(np.int64)
    if each.cap is not None:
        points = np.minimum(points, each.cap)
    whole = points.astype(np.int32 if points.max(initial=0) < 1 << 31 else np.int64)
    return Sparse(hits.who, np.negative(whole, out=whole) if each.points < 0 else whole)


def rounded(total: Floats) -> tuple[Floats, Integers]:
    """Sums as whole milli-points, and the rows where a float is too close to a boundary."""
    near = total + HALF
    whole = np.floor(near)
    near -= whole
    near -= 0.5
    np.abs(near, out=near)
    guard = GUARD + RELATIVE_GUARD * float(total.max(initial=0.0))
    return whole, np.flatnonzero(near > 0.5 - guard)


def _exact(each: Each, block: Block, hits: Hits, row: int) -> int:
    """The points of one of `who`, in the arithmetic of one lead."""
    now = block.now if isinstance(block.now, int) else int(block.now[hits.who[row]])
    rows = hits.rows[hits.edges[row] : hits.edges[row + 1]]
    ages = [now - int(at) for at in block.part.at[rows] if at <= now]
    return decayed(each.points, counted(each, ages), days_us(each.half_life_days or 0))


def counted(each: Each, ages: Sequence[int]) -> Sequence[int]:
    """The ages that count, of all, oldest first: occurrence, time frame, frequency."""
    frame = each.time_frame_days
    chosen = ages[:1] if each.first else ages
    inside = [age for age in chosen if frame is None or age <= days_us(frame)]
    return inside if each.first or each.frequency is None else inside[-each.frequency :]


def _per_lead(hits: Hits, flags: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How many hits of each lead are flagged."""
    running = np.zeros(len(flags) + 1, np.int32)
    np.cumsum(flags, out=running[1:])
    at_edges = running.take(hits.edges)
    found: NDArray[np.int32] = at_edges[1:] - at_edges[:-1]
    return found


def _sums(values: Floats, begin: Integers, end: Integers) -> Floats:
    """Sum of values[begin:end] for each lead, 0 where that is empty."""
    result = np.zeros(len(begin), np.float64)
    rows = np.flatnonzero(end > begin)
    if len(rows) == 0:
        return result
    # reduceat sums up to the next index given: every second sum is one that is wanted
    edges = np.empty(2 * len(rows), np.int64)
    edges[0::2], edges[1::2] = begin[rows], end[rows]
    if edges[-1] == len(values):
        edges = edges[:-1]
    result[rows] = np.add.reduceat(values, edges)[0::2]
    return result


def _runs(begins: Integers, lengths: Integers) -> Integers:
    """The whole numbers from each beginning on, so many each."""
    before = np.cumsum(lengths) - lengths
    found: Integers = np.arange(int(lengths.sum())) + np.repeat(begins - before, lengths)
    return found
