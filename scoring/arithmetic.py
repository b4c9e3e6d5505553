"""The arithmetic of scores: whole milli-points, and one rounding where floats end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext

#: Off the grid on which halves fall, so that a sum that is a tie rounds alike everywhere.
HALF = 0.5 - 1e-6


def midpoint(low: int, high: int) -> int:
    """The neutral value between two points, toward zero when it is not whole."""
    total = low + high
    return -(-total // 2) if total < 0 else total // 2


def clip(value: int, low: int | None, high: int | None) -> int:
    """`value` within limits, either of which may be absent."""
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


#: Floats decide a rounding only where it is further away than any error they can have: relative
#: to the sum, with room for 10,000 engagements and for exp2 of different machines.
GUARD, RELATIVE_GUARD = 1e-9, 1e-12


def decayed(points: int, ages: Sequence[int], half_life_us: int) -> int:
    """Sum of points * 2^(-age / half-life), rounded once; ages in microseconds.

    The same on every machine and in any order of adding: where a float is too close to a rounding
    boundary to be trusted, 50 digits decide.
    """
    total = abs(points) * sum([math.exp2(-age / half_life_us) for age in ages])
    near = total + HALF
    whole = math.floor(near)
    if min(near - whole, whole + 1 - near) < GUARD + RELATIVE_GUARD * total:
        whole = _decayed_exactly(abs(points), ages, half_life_us)
    return -whole if points < 0 else whole


def _decayed_exactly(points: int, ages: Sequence[int], half_life_us: int) -> int:
    with localcontext() as context:
        context.prec = 50
        shares = (Decimal(2) ** (Decimal(-age) / Decimal(half_life_us)) for age in ages)
        total = points * sum(shares, Decimal(0)) + Decimal("0.499999")
        return int(total.to_integral_value("ROUND_FLOOR"))


#: Parts of a point that a percentage decay counts in: percents have at most one decimal.
PER_MILLE = 1_000


def stepped(points: int, ages: Sequence[int], loss: int, every_us: int) -> int:
    """Sum of points that lose `loss` thousandths of themselves after each full interval, not less
    than nothing, rounded once (halves toward zero)."""
    shares = sum([max(0, PER_MILLE - loss * (age // every_us)) for age in ages])
    return portion(points, shares)


def portion(points: int, shares: int) -> int:
    """`points` times thousandths, to the nearest milli-point; halves go toward zero."""
    whole = (abs(points) * shares + PER_MILLE // 2 - 1) // PER_MILLE
    return -whole if points < 0 else whole
