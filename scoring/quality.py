"""How sure a rate is: intervals for shares of few and of many leads."""

from __future__ import annotations

from math import sqrt


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a share (E. B. Wilson, 1927, JASA 22:209-212), 95 % by default.

    Unlike the textbook interval it stays inside 0 to 1 and holds for few leads and for rates near
    0 or 1; with no leads at all it is (0, 1). Raises ValueError for impossible counts.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is not a share")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high
