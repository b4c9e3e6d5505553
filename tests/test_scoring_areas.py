"""The interval of an AUC: the published formulas, term by term, and what they must not do."""

from __future__ import annotations

import random
from math import sqrt
from statistics import variance

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.areas import Area, area, gain
from scoring.quality import auc

ROWS = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=40)


def arrays(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, won = zip(*rows, strict=True)
    return np.array(scores), np.array(won), np.arange(len(rows))


@settings(deadline=None)
@given(ROWS)
def test_the_area_is_the_auc(rows: list[tuple[int, bool]]) -> None:
    scores, won, each = arrays(rows)
    found, expected = area(scores, won, each), auc(scores.tolist(), won.tolist())
    assert (found and found.value) == pytest.approx(expected)


@settings(deadline=None)
@given(ROWS)
def test_the_interval_is_delongs(rows: list[tuple[int, bool]]) -> None:
    scores, won, each = arrays(rows)
    wins, losses = scores[won], scores[~won]
    found = area(scores, won, each)
    if len(wins) < 2 or len(losses) < 2:
        assert found is None or found.low is None
        return

    def share(a: int, b: int) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    of_wins = [sum(share(a, b) for b in losses) / len(losses) for a in wins]
    of_losses = [sum(share(a, b) for a in wins) / len(wins) for b in losses]
    half = 1.959964 * sqrt(variance(of_wins) / len(wins) + variance(of_losses) / len(losses))
    assert found is not None
    assert found.low == pytest.approx(max(0, found.value - half), abs=1e-12)
    assert found.high == pytest.approx(min(1, found.value + half), abs=1e-12)


def invented(seed: int, n: int, drawn: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    source = random.Random(seed)
    won = np.array([source.random() < 0.3 for _ in range(n)])
    return np.array([source.gauss(drawn * w, 1) for w in won]), won


def test_a_lead_given_twice_makes_nothing_surer() -> None:
    scores, won = invented(1, 120)
    once = area(scores, won, np.arange(120))
    twice = area(np.repeat(scores, 2), np.repeat(won, 2), np.repeat(np.arange(120), 2))
    as_if_two = area(np.repeat(scores, 2), np.repeat(won, 2), np.arange(240))
    assert once is not None
    assert twice is not None
    assert as_if_two is not None
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    assert as_if_two.low is not None
    assert twice.low is not None
    assert as_if_two.low > twice.low


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    truth = 0.7602  # of two normal scores one apart: the chance that one exceeds the other
    inside = 0
    for seed in range(300):
        scores, won = invented(seed, 200)
        found = area(scores, won, np.arange(200))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 300 <= 0.98


def test_a_gain_on_the_same_rows_is_surer_than_two_intervals() -> None:
    scores, won = invented(2, 400)
    worse = scores + np.array([random.Random(i).gauss(0, 0.7) for i in range(400)])
    each = np.arange(400)
    found, ours, theirs = (
        gain(scores, worse, won, each),
        *(area(s, won, each) for s in (scores, worse)),
    )
    assert found is not None
    assert ours is not None
    assert theirs is not None
    assert found.value == pytest.approx(ours.value - theirs.value)
    assert found.low is not None
    assert ours.low is not None
    assert found.value - found.low < ours.value - ours.low


def test_a_gain_over_oneself_is_nothing() -> None:
    scores, won = invented(3, 50)
    assert gain(scores, scores, won, np.arange(50)) == Area(0.0, 0.0, 0.0)


def test_one_outcome_alone_has_no_area() -> None:
    scores, each = np.array([1, 2, 3]), np.arange(3)
    assert area(scores, np.array([True] * 3), each) is None
    assert gain(scores, scores, np.array([False] * 3), each) is None


def test_two_leads_have_an_area_without_interval() -> None:
    found = area(np.array([2, 1]), np.array([True, False]), np.arange(2))
    assert found == Area(1.0, None, None)
    other = gain(np.array([2, 1]), np.array([1, 2]), np.array([True, False]), np.arange(2))
    assert other == Area(1.0, None, None)
