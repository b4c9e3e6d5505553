"""What a draft would change, for every lead and at once: the reason to publish without fear.

What the active rules give is kept: the sums of each group, of each dimension, and of all. A draft
costs what differs: the points of a changed rule are taken out and its new ones put in, and the
difference is carried through the limits of its group, its dimension and the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from scoring.answers import NONE, BandPositions, Scores
from scoring.blocks import BLOCK, Block
from scoring.columns import Columns
from scoring.difference import Difference, Standing, standing_of
from scoring.kernel import ColumnScorer, answer
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
        found = self._scorer.each_block(now, self._stand)
        self._standing = [standing for standing, _ in found]
        self._tallies = [tally for _, tally in found]
        self._bars = sum((tally.bars for tally in self._tallies), np.zeros(BARS, np.int64))

    def compare(self, draft: RuleSet, write_points: int = WRITE_POINTS) -> Change:
        """Every lead by the draft: exactly what it would score if it were published now."""
        scorer = ColumnScorer(draft, self._scorer.columns, self._scorer)
        difference = Difference(self._scorer, scorer)
        bands = _BandChange(self.active, draft)

        def work(block: Block) -> _Counted:
            place, part = block.low // BLOCK, slice(block.low, block.high)
            held = None if self._held is None else bands.now_called(self._held[part])
            total, assumed = difference.total(block, self._standing[place], self._after)
            verdict = scorer.judge.verdict(block)
            answer(self._after, part, total, assumed, verdict, scorer.bands, held)
            return bands.counted(self._tallies[place], self.scores, self._after, part, write_points)

        return self._change(scorer.each_block(self._now, work), bands)

    def _stand(self, block: Block) -> tuple[Standing, _Tally]:
        standing = standing_of(self._scorer, block, self.scores)
        part = slice(block.low, block.high)
        held = None if self._held is None else self._held[part]
        verdict, total = self._scorer.judge.verdict(block), standing.total.copy()
        answer(self.scores, part, total, standing.assumed, verdict, self._scorer.bands, held)
        return standing, _tally(self.scores, part, len(self.active.bands))

    def _change(self, counted: Sequence[_Counted], bands: _BandChange) -> Change:
        moves = np.zeros(bands.size, np.int64)
        bars = np.zeros(BARS, np.int64)
        for each in counted:
            moves += each.moves
            bars += each.bars
        return Change(
            self._after,
            moves,
            self._bars,
            bars,
            np.concatenate([each.movers for each in counted] or [np.empty(0, np.int64)]),
            sum(each.changed for each in counted),
            sum(each.writes for each in counted),
        )


# -- what is counted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tally:
    """The leads of one block by what they score."""

    bars: Counts
    bands: Counts  # last: not scored


def _tally(scores: Scores, part: slice, bands: int) -> _Tally:
    number = np.bincount(scores.band[part] % (bands + 1), minlength=bands + 1)
    return _Tally(_bars(scores, part, int(number[-1])), number)


def _bars(scores: Scores, part: slice, unscored: int) -> Counts:
    """Scored leads by whole points."""
    found: Counts = np.bincount(scores.value[part] // MILLI, minlength=BARS)
    found[0] -= unscored
    return found


@dataclass(frozen=True, slots=True)
class _Counted:
    """What changes for the leads of one block."""

    moves: Counts
    bars: Counts
    movers: Counts
    changed: int
    writes: int


class _BandChange:
    """The bands of the active rules and those of a draft; the same key is the same band."""

    def __init__(self, active: RuleSet, draft: RuleSet) -> None:
        self.size = len(active.bands) + 1, len(draft.bands) + 1
        keys = [band.key for band in draft.bands]
        after = [keys.index(b.key) if b.key in keys else _GONE for b in active.bands]
        self._after = np.array([*after, NONE], np.int8)  # NONE = -1 finds the last
        self._alike = after == list(range(len(keys)))

    def now_called(self, bands: BandPositions) -> BandPositions:
        """Positions of active bands as positions among the draft's; NONE where there is none."""
        found: BandPositions = np.maximum(self._after[bands], np.int8(NONE))
        return found

    def counted(
        self, kept: _Tally, before: Scores, after: Scores, part: slice, write_points: int
    ) -> _Counted:
        """Count one block."""
        old, new = before.band[part], after.band[part]
        moved = (old if self._alike else self._after[old]) != new
        movers = np.flatnonzero(moved)
        rows, columns = self.size
        cells = (old[movers] % rows).astype(np.int64) * columns + new[movers] % columns
        moves = np.bincount(cells, minlength=rows * columns).reshape(self.size)
        stay = kept.bands - moves.sum(axis=1)
        moves[range(rows), self._after % columns] += stay
        difference = after.value[part] - before.value[part]
        changed = int(np.count_nonzero(difference))
        writes = moved | (np.abs(difference) >= write_points)
        writes &= new != NONE
        return _Counted(
            moves,
            _bars(after, part, int(moves[:, -1].sum())),
            movers + part.start,
            changed,
            int(np.count_nonzero(writes)),
        )
