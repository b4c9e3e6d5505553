"""How much is measured: everything, or a little to see that it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of leads, and how often."""

    leads: int  # of the great estate; twenty engagements each
    middle: int
    small: int
    rounds: int  # of what takes seconds
    edits: int  # drafts looked at, of each sort
    sample: int  # leads that the plain interpreter scores
    single: int  # leads scored one by one
    fields: int  # leads that rule engines score: some take long


FULL = Sizes(
    1_000_000, 100_000, 10_000, rounds=5, edits=60, sample=20_000, single=10_000, fields=2_000
)
QUICK = Sizes(20_000, 10_000, 5_000, rounds=3, edits=8, sample=1_000, single=500, fields=200)
