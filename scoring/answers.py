"""From the points of many leads to answers: who is capped or not scored, and every lead's band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.bands import Band, band_after
from scoring.blocks import Block
from scoring.columns import Small
from scoring.compiling import FALSE, TRUE
from scoring.criteria import Condition
from scoring.rule_set import RuleSet
from scoring.scores import DIMENSIONS, MILLI
from scoring.truths import Shared, truths_of

TOP = 100 * MILLI
NONE = -1
_BOTTOM, _TOP = np.int32(0), np.int32(TOP)

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


class Refinement(Protocol):
    """Closer bounds for some leads, see `scoring.refining`."""

    def put(self, total: Points) -> None:
        """Replace lows and highs (rows 1 and 2) by closer ones."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule set says of leads beside their points."""

    caps: Points | None  # at most so many points: rows for the value, low and high; None = no caps
    disqualified: Positions  # as in `Scores`, but also for suppressed leads
    suppressed: Positions
    out: NDArray[np.int64]  # who is suppressed, by position


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

    def possible(self, block: Block) -> list[tuple[int, Small]]:
        """Of each disqualifier the most points it leaves, and for each lead if it may hold."""
        return [(cap, may_hold(block)) for cap, _, may_hold in self._disqualifiers]

    def verdict(self, block: Block) -> Verdict:
        """Who is not scored, and who never above what."""
        if not (self._lasts and block.keeps):
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
            return Verdict(None, which, suppressed, np.flatnonzero(suppressed != NONE))
        caps = np.full((3, len(block)), TOP, np.int32)
        lowest = np.full(len(block), TOP + 1, np.int32)
        for position, (cap, truths, possible) in enumerate(self._disqualifiers):
            holds, may_hold = truths(block) == TRUE, possible(block)
            which[holds & (cap < lowest)] = position
            for row, where in enumerate((holds, may_hold != FALSE, may_hold == TRUE)):
                np.minimum(caps[row], cap, out=caps[row], where=where)
            np.minimum(lowest, cap, out=lowest, where=holds)
        return Verdict(caps, which, suppressed, np.flatnonzero(suppressed != NONE))


class BandTable:
    """The bands of many scores, by asking the one function that decides about each interval."""

    def __init__(self, bands: tuple[Band, ...]) -> None:
        keys = [band.key for band in bands]
        entered = sorted({band.threshold for band in bands})
        plain = _bands_within(bands, entered, None)
        self._best = plain[-1]
        #: below which points the band is another one, and by how many places
        self._steps = [
            (cut, below - above)
            for cut, below, above in zip(entered, plain, plain[1:], strict=False)
            if below != above
        ]
        self._cuts = sorted({*entered, *(b.leave_at for b in bands if b.leave_at)})
        held = [_bands_within(bands, self._cuts, before) for before in [*keys, None]]
        self._held = np.array(held, np.int8)  # NONE = -1 finds the last row

    def of(self, rows: Points, previous: BandPositions | None = None) -> BandPositions:
        """Positions of the bands of points in any shape; `previous` goes along the last axis."""
        if previous is None:
            found: BandPositions = np.full(rows.shape, self._best, np.int8)
            for cut, step in self._steps:
                below = rows < cut
                found += below if step == 1 else below * np.int8(step)
            return found
        cells = np.zeros(rows.shape, np.int8)
        for cut in self._cuts:
            cells += rows >= cut
        found = self._held[previous, cells]
        return found


def _bands_within(bands: tuple[Band, ...], cuts: list[int], before: str | None) -> list[int]:
    """The position of the band below all cuts, and from each cut on."""
    keys = [band.key for band in bands]
    return [keys.index(band_after(bands, before, value)) for value in (cuts[0] - 1, *cuts)]


def answer(
    found: Scores,
    part: slice,
    total: Points,
    assumed: NDArray[np.int32],
    verdict: Verdict,
    bands: BandTable,
    held: BandPositions | None,
    refinement: Refinement | None = None,
) -> None:
    """From the leads' points, lows and highs (in `total`, which is used up) to what they score."""
    total.clip(_BOTTOM, _TOP, out=total)
    if verdict.caps is not None:
        np.minimum(total, verdict.caps, out=total)
    if refinement is not None:
        refinement.put(total)
    found.value[part], found.low[part], found.high[part] = total
    band = bands.of(total, held)
    found.band[part] = band[0]
    np.logical_and(band[1] == band[0], band[2] == band[0], out=found.certain[part])
    np.greater(assumed, 0, out=found.fallback[part])
    found.suppressed[part], found.disqualified[part] = verdict.suppressed, verdict.disqualified
    if len(verdict.out):
        out = verdict.out + part.start
        for row in (found.value, found.low, found.high, found.certain, found.fallback):
            row[out] = 0
        found.band[out] = found.disqualified[out] = NONE
        found.dimensions[:, out] = 0
