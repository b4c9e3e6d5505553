"""From the points of many leads to answers: who is capped or not scored, and every lead's band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.bands import Band, band_after
from scoring.blocks import Block
from scoring.compiling import FALSE, TRUE
from scoring.criteria import Condition
from scoring.rule_set import RuleSet
from scoring.scores import DIMENSIONS, MILLI
from scoring.truths import Shared, truths_of

TOP = 100 * MILLI
NONE = -1

Points = NDArray[np.int32]
Positions = NDArray[np.int16]
BandPositions = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Scores:
    """The answers for many leads, as arrays; points are milli-points."""

    value: Points
    low: Points
    high: Points
    band: BandPositions  # position in the rule set's bands, NONE = suppressed
    certain: NDArray[np.bool_]  # the band holds whatever the unknown facts are
    fallback: NDArray[np.bool_]  # something unknown was assumed
    suppressed: Positions  # position in the rule set's suppressions, NONE = scored
    disqualified: Positions  # position in its disqualifiers, NONE = none
    dimensions: Points  # one row for each of DIMENSIONS

    @classmethod
    def empty(cls, n: int) -> Scores:
        """Room for `n` leads."""
        return cls(
            value=np.empty(n, np.int32),
            low=np.empty(n, np.int32),
            high=np.empty(n, np.int32),
            band=np.empty(n, np.int8),
            certain=np.empty(n, np.bool_),
            fallback=np.empty(n, np.bool_),
            suppressed=np.empty(n, np.int16),
            disqualified=np.empty(n, np.int16),
            dimensions=np.zeros((len(DIMENSIONS), n), np.int32),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule set says of leads beside their points."""

    caps: Points | None  # at most so many points: rows for the value, low and high; None = no caps
    disqualified: Positions  # as in `Scores`, but also for suppressed leads
    suppressed: Positions


def verdict_conditions(rule_set: RuleSet) -> list[Condition]:
    """The conditions of all suppressions and disqualifiers."""
    return [s.when for s in rule_set.suppressions] + [d.when for d in rule_set.disqualifiers]


class Judge:
    """The suppressions and disqualifiers of a rule set."""

    def __init__(self, rule_set: RuleSet, shared: Shared) -> None:
        self._suppressions = [truths_of(s.when, shared) for s in rule_set.suppressions]
        self._disqualifiers = [
            (d.at_most, truths_of(d.when, shared), truths_of(d.when, shared, for_bounds=True))
            for d in rule_set.disqualifiers
        ]
        self._lasts = all(map(shared.lasts, verdict_conditions(rule_set)))

    def verdict(self, block: Block) -> Verdict:
        """Who is not scored, and who never above what."""
        if not (self._lasts and block.whole):
            return self._verdict(block)
        found: Verdict | None = block.part.kept.get(self)
        if found is None:
            found = block.part.kept[self] = self._verdict(block)
        return found

    def _verdict(self, block: Block) -> Verdict:
        suppressed = np.full(len(block), NONE, np.int16)
        for position, truths in reversed(list(enumerate(self._suppressions))):
            suppressed[truths(block) == TRUE] = position
        which = np.full(len(block), NONE, np.int16)
        if not self._disqualifiers:
            return Verdict(None, which, suppressed)
        caps = np.full((3, len(block)), TOP, np.int32)
        lowest = np.full(len(block), TOP + 1, np.int32)
        for position, (cap, truths, possible) in enumerate(self._disqualifiers):
            holds, may_hold = truths(block) == TRUE, possible(block)
            which[holds & (cap < lowest)] = position
            for row, where in enumerate((holds, may_hold != FALSE, may_hold == TRUE)):
                np.minimum(caps[row], cap, out=caps[row], where=where)
            np.minimum(lowest, cap, out=lowest, where=holds)
        return Verdict(caps, which, suppressed)


class BandTable:
    """The bands of many scores, by asking the one function that decides about each interval."""

    def __init__(self, bands: tuple[Band, ...]) -> None:
        names = [band.key for band in bands]
        self._entered = sorted({band.threshold for band in bands})
        self._all = sorted({*self._entered, *(b.leave_at for b in bands if b.leave_at)})
        self._plain = self._table(bands, self._entered, [None])[0]
        self._held = self._table(bands, self._all, [*names, None])  # NONE = -1: the last row

    @staticmethod
    def _table(
        bands: tuple[Band, ...], cuts: list[int], befores: list[str | None]
    ) -> NDArray[np.int8]:
        names = [band.key for band in bands]
        inside = [cuts[0] - 1, *cuts]
        return np.array(
            [[names.index(band_after(bands, b, v)) for v in inside] for b in befores], np.int8
        )

    def of(self, rows: Points, previous: BandPositions | None = None) -> BandPositions:
        """Positions of the bands of points in any shape; `previous` goes along the last axis."""
        cells = np.zeros(rows.shape, np.int8)
        cuts = self._entered if previous is None else self._all
        for cut in cuts:
            cells += rows >= cut
        if previous is None:
            plain: BandPositions = self._plain.take(cells)
            return plain
        found: BandPositions = self._held[previous, cells]
        return found
