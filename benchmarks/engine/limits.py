"""What the machine allows: how fast memory moves, and how fast it raises two to a power."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from benchmarks.estate import Estate
from benchmarks.measure import seconds
from scoring.columns import Coded
from scoring.criteria import Pattern
from scoring.events import matcher, patterns_of
from scoring.kernel import Scores
from scoring.rule_set import Each

THREADS = 2
#: Numbers in arrays that are far larger than any cache.
LARGE = 32_000_000
#: Numbers in an array that stays in the nearest caches.
SMALL = 16_384


@dataclass(frozen=True, slots=True)
class Limits:
    """The least that a full rescore has to move and to compute, and how long that alone takes."""

    traffic: int  # bytes
    bandwidth: float  # bytes a second
    weights: int  # 2^(-age / half-life)
    powers: float  # a second

    @property
    def moving_seconds(self) -> float:
        """If it did nothing but read and write memory once."""
        return self.traffic / self.bandwidth

    @property
    def fading_seconds(self) -> float:
        """If it did nothing but work out each weight once."""
        return self.weights / self.powers

    @property
    def moving(self) -> str:
        """In words."""
        return f"{self.traffic / 1e9:.2f} GB at {self.bandwidth / 1e9:.0f} GB/s"

    @property
    def fading(self) -> str:
        """In words."""
        return f"exp2 of {self.weights / 1e6:.1f} million weights, two threads"


def limits_of(great: Estate) -> Limits:
    """Measured on this machine, counted for this estate."""
    return Limits(_least_traffic(great), _bandwidth(), _weights(great), _powers())


def _bandwidth() -> float:
    """Bytes a second of adding two arrays into a third (as STREAM counts them)."""
    a, b, c = np.ones(LARGE), np.ones(LARGE), np.zeros(LARGE)
    parts = [slice(i * LARGE // THREADS, (i + 1) * LARGE // THREADS) for i in range(THREADS)]
    best = _best(lambda part: np.add(a[part], b[part], out=c[part]), parts)
    return 3 * 8 * LARGE / best


def _powers() -> float:
    """Powers of two a second."""
    exponents = -np.random.default_rng(1).random(SMALL) * 20

    def work(_: int) -> None:
        room = np.empty(SMALL)
        for _ in range(200):
            np.exp2(exponents, out=room)

    return THREADS * 200 * SMALL / _best(work, range(THREADS))


def _best(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Seconds for all items on all threads, the best of ten."""
    with ThreadPoolExecutor(THREADS) as threads:
        return min(seconds(lambda: list(threads.map(work, items))) for _ in range(10))


def _least_traffic(great: Estate) -> int:
    """Bytes that must move at least once: the instants of what each pattern matches, a code for
    each lead and fact that rules read, and the scores."""
    columns, total = great.columns, 0
    for pattern in patterns_of(great.rule_set):
        total += 8 * _matching(great, pattern) + 4 * columns.n
    for name, _ in great.rule_set.fact_types:
        column = columns.facts[name]
        large = isinstance(column, Coded) and len(column.values) > 255
        total += columns.n * (4 if large else 1)
    scores = Scores.empty(columns.n)
    return total + sum(getattr(scores, field.name).nbytes for field in fields(scores))


def _weights(great: Estate) -> int:
    """Engagements that fade, once for each half-life with which they do."""
    rules = [rule.gives for rule in great.rule_set.rules() if isinstance(rule.gives, Each)]
    fading = {(each.pattern, each.half_life_days) for each in rules if each.half_life_days}
    return sum(_matching(great, pattern) for pattern, _ in fading)


def _matching(great: Estate, pattern: Pattern) -> int:
    log, matches = great.columns.log, matcher(pattern)
    occurs = np.bincount(log.what, minlength=len(log.whats))
    return int(occurs[[matches(*what) for what in log.whats]].sum())
