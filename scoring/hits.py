"""Which engagements match a pattern, for the leads of a part of the columns: found once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Codes, Floats, Integers, Log
from scoring.criteria import Pattern
from scoring.events import matcher

#: `now` for one part of the leads: one instant for all, or one for each.
Now = int | Integers
#: For each pattern which of the distinct engagements of a log match it.
Wanted = Mapping[Pattern, NDArray[np.bool_]]
#: An instant that never comes.
FOREVER = int(np.iinfo(np.int64).max)
#: Ages in microseconds beyond this one are those of engagements after `now`: 146,000 years.
STILL_TO_COME = 2.0**62


@dataclass(frozen=True, slots=True)
class Hits:
    """The engagements of some neighbouring leads that match a pattern."""

    who: Integers  # the leads that have any, by position; ascending
    edges: Integers  # where those of each begin in `rows`, and in the end where the last end
    rows: Codes  # positions among the leads' engagements; of one lead oldest first

    def between(self, low: int, high: int) -> Hits:
        """Those of the leads at the positions `low` to `high`, which count from 0 again."""
        first, last = np.searchsorted(self.who, (low, high))
        edges = self.edges[first : last + 1]
        rows = self.rows[edges[0] : edges[-1]]
        return Hits(self.who[first:last] - low, edges - edges[0], rows)


def wanted_by(log: Log, patterns: Iterable[Pattern]) -> Wanted:
    """For each pattern which of the distinct engagements match it."""
    found = {}
    for pattern in patterns:
        matches = matcher(pattern)
        found[pattern] = np.fromiter((matches(*what) for what in log.whats), bool, len(log.whats))
    return found


def find_hits(log: Log, low: int, high: int, wanted: Wanted) -> dict[Pattern, Hits]:
    """The hits of every pattern among the leads `low` to `high`, from one look at the log."""
    if not wanted:
        return {}
    offsets = log.offsets[low : high + 1]
    what = log.what[offsets[0] : offsets[-1]].astype(np.intp)
    owner = np.repeat(np.arange(high - low), np.diff(offsets))
    found = {}
    for pattern, flags in wanted.items():
        rows = np.flatnonzero(flags.take(what)) if flags.any() else np.empty(0, np.int64)
        lead = owner.take(rows)
        changes = np.flatnonzero(lead[1:] != lead[:-1]) + 1
        starts = np.concatenate([[0], changes]) if len(rows) else changes
        edges = np.append(starts, len(rows))
        found[pattern] = Hits(lead[starts], edges, rows.astype(np.int32))
    return found


def ages_at(now: Now, at: Integers) -> Floats:
    """Microseconds from `at` to `now`, exact in doubles; more than STILL_TO_COME for what follows.

    A negative number read without its sign is a very large one, which needs no second look.
    """
    ages: Floats = np.subtract(now, at).view(np.uint64).astype(np.float64)
    return ages
