"""How well scores separate leads that converted from those that did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.quality import wilson


@dataclass(frozen=True, slots=True)
class BandRate:
    """Conversion in one band, with its 95 % interval."""

    band: str
    leads: int
    converted: int
    rate: float | None  # None: no leads in the band
    low: float
    high: float


def conversion_by_band(
    outcomes: Sequence[tuple[str, bool]], bands: Sequence[str]
) -> list[BandRate]:
    """One row per band in the given order, from each lead's (band, converted)."""
    leads = Counter(band for band, _ in outcomes)
    converted = Counter(band for band, won in outcomes if won)
    rows = []
    for band in bands:
        n, won = leads[band], converted[band]
        low, high = wilson(won, n)
        rows.append(BandRate(band, n, won, won / n if n else None, low, high))
    return rows


def top_rate(scores: Sequence[tuple[int, bool]], share: float = 0.1) -> float | None:
    """Conversion of the best `share` of leads by score, None without leads.

    Leads with the score at the cut count by the part of them that still fits, so that the answer
    does not depend on the order of ties.
    """
    if not scores:
        return None
    wanted = max(1, round(len(scores) * share))
    leads = Counter(score for score, _ in scores)
    converted = Counter(score for score, won in scores if won)
    left, found = float(wanted), 0.0
    for score in sorted(leads, reverse=True):
        part = min(1.0, left / leads[score])
        found += part * converted[score]
        left -= part * leads[score]
        if left <= 0:
            break
    return found / wanted
