"""The arithmetic of scores: whole milli-points, and one rounding where floats end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

#: Off the grid on which halves fall, so that a sum that is a tie rounds alike everywhere.
_HALF = 0.5 - 1e-6


def rounded(points: float) -> int:
    """Whole milli-points: halves go toward zero, and so does what lies within 1e-6 above one."""
    whole = math.floor(abs(points) + _HALF)
    return -whole if points < 0 else whole


def midpoint(low: int, high: int) -> int:
    """The neutral value between two points, toward zero when it is not whole."""
    total = low + high
    return -(-total // 2) if total < 0 else total // 2


def clip(value: int, low: int | None, high: int | None) -> int:
    """`value` within limits, either of which may be absent."""
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def decayed(points: int, ages: Sequence[int], half_life_us: int) -> float:
    """Sum of points * 2^(-age / half-life), oldest first; the only floats in a score."""
    total = 0.0
    for age in ages:
        total += points * math.exp2(-age / half_life_us)
    return total


class Sum(NamedTuple):
    """Points with their bounds."""

    points: int
    low: int
    high: int

    def clipped(self, low: int | None, high: int | None) -> Sum:
        """All three within a limit: bounds of the whole are the limited bounds of the parts."""
        return Sum(*(clip(number, low, high) for number in self))


class Total:
    """A running sum of points and bounds."""

    __slots__ = ("high", "low", "points")

    def __init__(self) -> None:
        self.points = self.low = self.high = 0

    def add(self, points: int, low: int, high: int) -> None:
        """Add one part."""
        self.points += points
        self.low += low
        self.high += high

    def clipped(self, low: int | None, high: int | None) -> Sum:
        """The sum within a limit."""
        return Sum(self.points, self.low, self.high).clipped(low, high)
