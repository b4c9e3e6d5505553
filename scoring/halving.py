"""The first instant at which a sum of falling and rising points, under limits, leaves a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scoring.movers import Points

#: So often is a term asked for its points in one search at most: some hundredths of a second.
MOST_ASKED = 20_000


class Found(NamedTuple):
    """Where a search ended: nothing is found before `at`, and at it, if it is `certain`."""

    at: int
    certain: bool = True


class Term(NamedTuple):
    """Points that only fall or only rise between two instants, and what they are there."""

    group: int
    points: Points
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Totals:
    """How a score adds up, apart from the terms: sums of milli-points by group, and all limits."""

    groups: Sequence[tuple[int, int, int]]  # dimension, floor and ceiling
    limits: Sequence[tuple[int, int]]  # floor and ceiling of each dimension
    sums: Sequence[int]
    cap: int

    def value(self, added: Sequence[tuple[int, int]]) -> int:
        """The score, with points added to the sums of groups."""
        sums = list(self.sums)
        for group, points in added:
            sums[group] += points
        inside = [0] * len(self.limits)
        for total, (dimension, floor, ceiling) in zip(sums, self.groups, strict=True):
            inside[dimension] += floor if total < floor else ceiling if total > ceiling else total
        value = 0
        for total, (floor, ceiling) in zip(inside, self.limits, strict=True):
            value += floor if total < floor else ceiling if total > ceiling else total
        return min(max(value, 0), self.cap)

    def settled(self, terms: Sequence[Term]) -> tuple[Totals, list[Term]]:
        """The terms that still move; what the others give goes into the sums."""
        moving = [term for term in terms if term[2] != term[3]]
        if len(moving) == len(terms):
            return self, moving
        sums = list(self.sums)
        for term in terms:
            if term.first == term.last:
                sums[term.group] += term.first
        return Totals(self.groups, self.limits, sums, self.cap), moving

    def focused(self, terms: Sequence[Term]) -> tuple[Totals, list[Term]]:
        """The same with one group for each that a term is in, and the others worked out."""
        touched = sorted({term.group for term in terms})
        place = {group: number for number, group in enumerate(touched)}
        rest = [0] * len(self.limits)
        for group, (dimension, floor, ceiling) in enumerate(self.groups):
            if group not in place:
                rest[dimension] += min(max(self.sums[group], floor), ceiling)
        groups = [self.groups[group] for group in touched]
        groups += [(dimension, total, total) for dimension, total in enumerate(rest) if total]
        sums = [self.sums[group] for group in touched] + [total for total in rest if total]
        focused = Totals(groups, self.limits, sums, self.cap)
        return focused, [term._replace(group=place[term.group]) for term in terms]


def first_outside(
    totals: Totals, terms: Sequence[Term], start: int, end: int, allowed: range
) -> Found | None:
    """The first whole instant from `start` to `end` whose score is not in `allowed`, if any is.

    The terms stand for these two instants. What they are at both ends of a stretch bounds the score
    in between: where the bounds are allowed nothing happens, any other stretch is halved. Where all
    terms have one direction the ends alone decide. Many terms against each other that keep the
    score close to a limit for long are followed only so far as `MOST_ASKED` allows.
    """
    if totals.value([(term.group, term.first) for term in terms]) not in allowed:
        return Found(start)
    asked, begin = 0, start
    ahead = [(start, end, *totals.focused(terms))]
    while ahead:
        start, end, totals, terms = ahead.pop()
        totals, terms = totals.settled(terms)
        falling = [term for term in terms if term.first > term.last]
        if len(falling) in (0, len(terms)):
            if totals.value([(term.group, term.last) for term in terms]) not in allowed:
                return Found(_first_of_one_direction(totals, terms, start, end, allowed))
            continue
        lows = [(t.group, min(t.first, t.last)) for t in terms]
        highs = [(t.group, max(t.first, t.last)) for t in terms]
        if totals.value(lows) in allowed and totals.value(highs) in allowed:
            continue
        if end - start == 1:
            if totals.value([(term.group, term.last) for term in terms]) not in allowed:
                return Found(end)
            continue
        if asked > MOST_ASKED:
            return Found(max(start, begin + 1), certain=False)
        asked += len(terms)
        middle = (start + end) // 2
        left, right, score = _parted(totals, terms, middle)
        if score in allowed:
            ahead.append((middle, end, totals, right))
        else:
            ahead.clear()  # the first is not behind the middle
        ahead.append((start, middle, totals, left))
    return None


def _first_of_one_direction(
    totals: Totals, terms: Sequence[Term], start: int, end: int, allowed: range
) -> int:
    """The same where the score is allowed at `start`, not at `end`, and changes its mind once."""
    while end - start > 1:
        middle = (start + end) // 2
        added = [(group, points(middle)) for group, points, _, _ in terms]
        if totals.value(added) in allowed:
            start = middle
            terms = [Term(t[0], t[1], new[1], t[3]) for t, new in zip(terms, added, strict=True)]
        else:
            end = middle
            terms = [Term(t[0], t[1], t[2], new[1]) for t, new in zip(terms, added, strict=True)]
        totals, terms = totals.settled(terms)
    return end


def _parted(
    totals: Totals, terms: Sequence[Term], middle: int
) -> tuple[list[Term], list[Term], int]:
    """The terms up to the middle, those from it on, and the score there."""
    left, right, added = [], [], []
    for group, points, first, last in terms:
        here = points(middle)
        added.append((group, here))
        left.append(Term(group, points, first, here))
        right.append(Term(group, points, here, last))
    return left, right, totals.value(added)
