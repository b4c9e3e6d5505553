"""The arithmetic of scores: whole milli-points, and one rounding where floats end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal

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
    boundary to be trusted, whole numbers of 200 bits decide.
    """
    return halving(points, half_life_us)(ages)


def halving(points: int, half_life_us: int) -> Callable[[Sequence[int]], int]:
    """`decayed` for any ages, as a function made once."""
    size, sign, rate, exp2 = abs(points), -1 if points < 0 else 1, -1 / half_life_us, math.exp2

    def total(ages: Sequence[int]) -> int:
        near = size * sum([exp2(age * rate) for age in ages]) + HALF
        whole = int(near)
        if not GUARD + RELATIVE_GUARD * near < near - whole < 1 - GUARD - RELATIVE_GUARD * near:
            whole = _decayed_exactly(size, ages, half_life_us)
        return sign * whole

    return total


#: 60 digits, where at most about 30 can matter.
_BITS = 200
_ONE = 1 << _BITS
_LN_2 = int(Decimal(2).ln(Context(prec=80)) * _ONE)
_SQUARINGS = 8


def _decayed_exactly(points: int, ages: Sequence[int], half_life_us: int) -> int:
    total = points * sum([_halved(age, half_life_us) for age in ages])
    return (1_000_000 * total + 499_999 * _ONE) // (1_000_000 * _ONE)


def _halved(age: int, half_life_us: int) -> int:
    """2^(-age / half-life) in units of 2^-200; off by a few units at most, exact for halves.

    Full half-lives are shifts; of the rest a 256th is taken through the series of e^-x, and squared
    back.
    """
    halves, rest = divmod(age, half_life_us)
    x = (rest * _LN_2 // half_life_us) >> _SQUARINGS
    result, term, n = _ONE, _ONE, 0
    while term:
        n += 1
        term = (term * x >> _BITS) // n
        result += -term if n % 2 else term
    for _ in range(_SQUARINGS):
        result = result * result >> _BITS
    return result >> halves


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
