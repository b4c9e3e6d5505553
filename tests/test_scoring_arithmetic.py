"""Where floats are too close to a boundary, whole numbers give what 50 digits give."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.arithmetic import decayed
from scoring.operators import DAY_US


def by_decimals(points: int, ages: list[int], half_life_us: int) -> int:
    with localcontext() as context:
        context.prec = 50
        shares = (Decimal(2) ** (Decimal(-age) / Decimal(half_life_us)) for age in ages)
        total = abs(points) * sum(shares, Decimal(0)) + Decimal("0.499999")
        whole = int(total.to_integral_value("ROUND_FLOOR"))
    return -whole if points < 0 else whole


def last_age(points: int, half_life_us: int) -> int:
    """The greatest age at which one engagement still gives all but one of its milli-points."""
    low, high = 0, half_life_us
    while high - low > 1:
        middle = (low + high) // 2
        inside = by_decimals(points, [middle], half_life_us) >= points - 1
        low, high = (middle, high) if inside else (low, middle)
    return low


half_lives = st.sampled_from([DAY_US // 2, DAY_US, 10 * DAY_US, 365 * DAY_US]) | st.integers(
    1_000_000, 1_000 * DAY_US
)


@given(
    st.integers(-100_000, 100_000),
    st.lists(st.integers(0, 3_000 * DAY_US), max_size=6),
    half_lives,
)
def test_a_decayed_sum_is_the_exact_one(points: int, ages: list[int], half_life: int) -> None:
    assert decayed(points, ages, half_life) == by_decimals(points, ages, half_life)


@given(st.integers(2, 100_000), half_lives)
def test_beside_the_very_microsecond_at_which_it_steps_it_is_too(points: int, life: int) -> None:
    step = last_age(points, life)
    for age in range(max(0, step - 3), step + 4):
        assert decayed(points, [age], life) == by_decimals(points, [age], life)


@pytest.mark.parametrize(("halves", "left"), [(0, 12_000), (1, 6_000), (5, 375), (6, 187), (99, 0)])
def test_whole_half_lives_halve(halves: int, left: int) -> None:
    assert decayed(12_000, [halves * DAY_US], DAY_US) == left
    assert decayed(-12_000, [halves * DAY_US], DAY_US) == -left
