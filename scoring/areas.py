"""AUC with its 95 % interval, of one score or of one against another on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """An AUC, or a difference of two, with its 95 % interval (None: too few leads to tell)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class _Parts:
    """What each row adds: the share of the other outcome's rows that it is ordered rightly with."""

    value: float
    won: Floats
    lost: Floats


def area(
    scores: NDArray[np.generic], won: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Area | None:
    """The AUC; None when only one outcome occurs.

    Rows of one group (a lead that is in several) are not independent: their parts are added up
    before anything is squared (Obuchowski 1997, Biometrics 53:567-578); with a group for each row
    this is the interval of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837-845). Where
    nearly every pair is ordered rightly the interval is too narrow.
    """
    parts = _parts(scores, won)
    if parts is None:
        return None
    spread = _spread(parts.won - parts.value, parts.lost - parts.value, won, groups)
    if spread is None:
        return Area(parts.value, None, None)
    return Area(parts.value, max(0.0, parts.value - spread), min(1.0, parts.value + spread))


def gain(
    scores: NDArray[np.generic],
    others: NDArray[np.generic],
    won: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> Area | None:
    """AUC of `scores` less that of `others` over the same rows, as `area` has it."""
    ours, theirs = _parts(scores, won), _parts(others, won)
    if ours is None or theirs is None:
        return None
    value = ours.value - theirs.value
    spread = _spread(ours.won - theirs.won - value, ours.lost - theirs.lost - value, won, groups)
    if spread is None:
        return Area(value, None, None)
    return Area(value, value - spread, value + spread)


def _parts(scores: NDArray[np.generic], won: NDArray[np.bool_]) -> _Parts | None:
    wins, losses = int(won.sum()), int((~won).sum())
    if not wins or not losses:
        return None
    among_all = _midranks(scores)
    rightly_won = (among_all[won] - _midranks(scores[won])) / losses
    rightly_lost = 1 - (among_all[~won] - _midranks(scores[~won])) / wins
    return _Parts(float(rightly_won.mean()), rightly_won, rightly_lost)


def _midranks(scores: NDArray[np.generic]) -> Floats:
    """Ranks from 1; equal scores share the middle of theirs."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[position]
    return ranks


def _spread(
    won_parts: Floats, lost_parts: Floats, won: NDArray[np.bool_], groups: NDArray[np.int64]
) -> float | None:
    """Half the interval, from each row's distance to the mean; None with fewer than two groups."""
    _, group = np.unique(groups, return_inverse=True)
    n = int(group.max()) + 1
    wins, losses = len(won_parts), len(lost_parts)
    with_wins, with_losses = len(np.unique(group[won])), len(np.unique(group[~won]))
    if with_wins < 2 or with_losses < 2:
        return None
    a = np.bincount(group[won], won_parts, n)
    b = np.bincount(group[~won], lost_parts, n)
    variance = (
        with_wins / (with_wins - 1) * float(a @ a) / wins**2
        + with_losses / (with_losses - 1) * float(b @ b) / losses**2
        + 2 * n / (n - 1) * float(a @ b) / (wins * losses)
    )
    return _Z * sqrt(max(0.0, variance))
