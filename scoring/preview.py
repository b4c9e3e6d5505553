"""What a draft would change, for every lead and at once: the reason to publish without fear.

What the active rules give is kept: the sums of each group, of each dimension, and of all. A draft
costs what differs: the points of a changed rule are taken out and its new ones put in, and the
difference is carried through the limits of its group, its dimension and the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from scoring.answers import NONE, BandPositions, Points, Scores, answer
from scoring.blocks import BLOCK, Block
from scoring.columns import Columns
from scoring.difference import Difference, Key, Standing, standing_of
from scoring.givers import Rows
from scoring.kernel import ColumnScorer
from scoring.rule_set import RuleSet
from scoring.scores import MILLI

#: Bars of the distribution: whole points, 0 to 100.
BARS = 101
#: A smaller change inside the same band is not written back, in milli-points.
WRITE_POINTS = 2 * MILLI
_GONE = -2  # the place of a band that a draft does not have
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """A draft against the active rules, over all leads."""

    scores: Scores  # by the draft; the next comparison of the same preview writes over them
    moves: Counts  # leads by band before (row) and after (column); last = not scored
    bars_before: Counts  # scored leads by whole points
    bars_after: Counts
    movers: Counts  # positions of the leads that change band, in order
    changed: int  # leads whose score changes at all
    writes: int  # scores that will be written back: to another band, or by enough points

    @property
    def bands_before(self) -> Counts:
        """Leads by band of the active rules; last = not scored."""
        found: Counts = self.moves.sum(axis=1)
        return found

    @property
    def bands_after(self) -> Counts:
        """Leads by band of the draft; last = not scored."""
        found: Counts = self.moves.sum(axis=0)
        return found

    def entering(self, band: int) -> Counts:
        """Which of `movers` enter a band of the draft."""
        inside: NDArray[np.bool_] = self.scores.band[self.movers] == band
        return self.movers[inside]


class Preview:
    """The active rules over all leads at one `now`, ready to be compared with drafts.

    Not for several threads at once. `held`: the band each lead is in, as a position in the active
    rules' bands, NONE for none.
    """

    def __init__(
        self,
        active: RuleSet,
        columns: Columns,
        now: datetime,
        held: BandPositions | None = None,
    ) -> None:
        self.active, self._now, self._held = active, now, held
        self._scorer = ColumnScorer(active, columns)
        self.scores = Scores.empty(columns.n)
        self._after = Scores.empty(columns.n)  # of the draft that was compared last
        self._standing = self._scorer.each_block(now, self._stand)
        size = len(active.bands) + 1
        self._bands = np.bincount(self.scores.band % size, minlength=size)  # last: not scored
        self._bars = _bars(self.scores.value)
        self._bars[0] -= self._bands[-1]

    def compare(self, draft: RuleSet, write_points: int = WRITE_POINTS) -> Change:
        """Every lead by the draft: exactly what it would score if it were published now."""
        scorer = ColumnScorer(draft, self._scorer.columns, self._scorer)
        difference = Difference(self._scorer, scorer)
        bands = _BandChange(self.active, draft)

        def work(block: Block) -> _Counted:
            part = slice(block.low, block.high)
            kept = self._standing[block.low // BLOCK]
            held = None if self._held is None else bands.now_called(self._held[part])
            sums: dict[Key, Rows] = {}
            total, assumed = difference.total(block, kept, self._after, sums)
            refinement = scorer.refining.begin(block)
            if refinement is not None:
                difference.take(refinement, kept, sums)
            verdict = scorer.judge.verdict(block)
            answer(self._after, part, total, assumed, verdict, scorer.bands, held, refinement)
            return bands.counted(self.scores, self._after, part, write_points)

        counted = scorer.each_block(self._now, work)
        movers = np.concatenate([each.movers for each in counted] or [np.empty(0, np.int64)])
        moves = bands.moves(self._bands, self.scores.band[movers], self._after.band[movers])
        bars = sum((each.bars for each in counted), np.zeros(BARS, np.int64))
        bars[0] -= moves[:, -1].sum()
        changed = sum(each.changed for each in counted)
        writes = sum(each.writes for each in counted)
        return Change(self._after, moves, self._bars, bars, movers, changed, writes)

    def _stand(self, block: Block) -> Standing:
        refinement = self._scorer.refining.begin(block)
        standing = standing_of(self._scorer, block, self.scores, refinement)
        part = slice(block.low, block.high)
        held = None if self._held is None else self._held[part]
        verdict, total = self._scorer.judge.verdict(block), standing.total.copy()
        bands = self._scorer.bands
        answer(self.scores, part, total, standing.assumed, verdict, bands, held, refinement)
        return standing


# -- what is counted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """What changes for the leads of one block."""

    bars: Counts  # with leads that are not scored at 0
    movers: Counts
    changed: int
    writes: int


def _bars(values: Points) -> Counts:
    """Leads by whole points."""
    found: Counts = np.bincount(values // MILLI, minlength=BARS)
    return found


class _BandChange:
    """The bands of the active rules and those of a draft; the same key is the same band."""

    def __init__(self, active: RuleSet, draft: RuleSet) -> None:
        self._size = len(active.bands) + 1, len(draft.bands) + 1
        keys = [band.key for band in draft.bands]
        after = [keys.index(b.key) if b.key in keys else _GONE for b in active.bands]
        self._after = np.array([*after, NONE], np.int8)  # NONE = -1 finds the last
        self._alike = after == list(range(len(keys)))

    def now_called(self, bands: BandPositions) -> BandPositions:
        """Positions of active bands as positions among the draft's; NONE where there is none."""
        found: BandPositions = np.maximum(self._after[bands], np.int8(NONE))
        return found

    def counted(self, before: Scores, after: Scores, part: slice, write_points: int) -> _Counted:
        """Count one block."""
        old, new, values = before.band[part], after.band[part], after.value[part]
        moved = (old if self._alike else self._after[old]) != new
        difference = values - before.value[part]
        changed = int(np.count_nonzero(difference))
        writes = np.abs(difference, out=difference) >= write_points
        writes |= moved
        writes &= new != NONE
        movers = moved.nonzero()[0]
        movers += part.start
        return _Counted(_bars(values), movers, changed, int(np.count_nonzero(writes)))

    def moves(self, bands: Counts, old: BandPositions, new: BandPositions) -> Counts:
        """Leads by band before and after: `bands` of all before, and the bands of who moves."""
        rows, columns = self._size
        cells = (old % rows).astype(np.int64) * columns + new % columns
        found = np.bincount(cells, minlength=rows * columns).reshape(self._size)
        found[range(rows), self._after % columns] += bands - found.sum(axis=1)
        return found
