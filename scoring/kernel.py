"""Scoring many leads at once: the same rule set as for one, over columns.

A rule that reads one fact is a table over that fact's cells, filled by the function that scores one
lead; tables of one group over the same fact are added up before any lead is looked at. Conditions
over several facts are combined as arrays of truth, engagements are counted and faded from lists of
hits. Leads are taken in blocks that fit the processor's cache, on two threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import numpy as np
from numpy.typing import NDArray

from scoring.bands import Band, band_after
from scoring.cells import Cells, cells_of
from scoring.columns import Columns
from scoring.compiling import FALSE, TRUE
from scoring.criteria import Pattern
from scoring.events import patterns_of
from scoring.givers import Giver, Rows, giver, table_of
from scoring.hits import Hits, Now, find_hits
from scoring.inputs import microseconds
from scoring.rule_set import Group, Rule, RuleSet
from scoring.scores import DIMENSIONS, MILLI
from scoring.truths import Block, truths_of

BLOCK = 16_384
THREADS = 2
TOP = 100 * MILLI
NONE = -1

Points = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Scores:
    """The answers for many leads, as arrays; points are milli-points."""

    value: Points
    low: Points
    high: Points
    band: NDArray[np.int8]  # position in the rule set's bands, NONE = suppressed
    certain: NDArray[np.bool_]  # the band holds whatever the unknown facts are
    fallback: NDArray[np.bool_]  # something unknown was assumed
    suppressed: NDArray[np.int16]  # position in the rule set's suppressions, NONE = scored
    disqualified: NDArray[np.int16]  # position in its disqualifiers, NONE = none
    dimensions: NDArray[np.int32]  # one row for each of DIMENSIONS

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
class GroupTables:
    """One group compiled: rows of its rules, added up where they read the same fact."""

    group: Group
    position: int  # among all groups
    tables: list[tuple[str, NDArray[np.complex128]]]  # by fact: the sum of the rules that read it
    others: list[Giver]
    rules: list[Giver]  # every rule by itself, in order


class ColumnScorer:
    """A rule set bound to columns: what does not depend on the time is worked out once."""

    def __init__(
        self, rule_set: RuleSet, columns: Columns, like: ColumnScorer | None = None
    ) -> None:
        """`like`: a scorer of another rule set over the same columns, whose work is shared."""
        self.rule_set, self.columns = rule_set, columns
        self._cells: Mapping[str, Cells] = cells_of(
            columns, rule_set, like._cells if like else None
        )
        known: Mapping[Pattern, Hits] = like._hits if like else {}
        self._hits: Mapping[Pattern, Hits] = {
            p: known[p] if p in known else find_hits(columns.log, p) for p in patterns_of(rule_set)
        }
        self._givers: dict[Rule, Giver] = {}
        self._like = like
        position = count()
        self.dimensions = [
            (d, [self._group(group, next(position)) for group in d.groups])
            for d in rule_set.dimensions
        ]
        self._suppressions = [truths_of(s.when, self._cells) for s in rule_set.suppressions]
        self._disqualifiers = [
            (d, truths_of(d.when, self._cells), truths_of(d.when, self._cells, for_bounds=True))
            for d in rule_set.disqualifiers
        ]
        self._bands = BandTable(rule_set.bands)

    def score(
        self,
        now: datetime | NDArray[np.int64],
        previous_band: NDArray[np.int8] | None = None,
    ) -> Scores:
        """Every lead's score at `now`: one aware time, or microseconds since 1970 for each lead.

        `previous_band`: each lead's band as a position in the rule set's bands, NONE for none.
        """
        found = Scores.empty(self.columns.n)

        def fill(block: Block) -> None:
            held = None if previous_band is None else previous_band[block.low : block.high]
            self.fill(block, found, held, self.group_sums)

        self.each_block(now, fill)
        return found

    def each_block(self, now: datetime | NDArray[np.int64], work: Callable[[Block], None]) -> None:
        """Do something for every block of leads, on all threads."""
        moments = microseconds(now) if isinstance(now, datetime) else now
        n = self.columns.n
        parts = ((low, min(low + BLOCK, n)) for low in range(0, n, BLOCK))
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(lambda part: work(self._at(part[0], part[1], moments)), parts):
                pass

    def contributions(self, now: datetime, low: int, high: int) -> tuple[list[str], Points]:
        """Points of every rule and limit for leads `low` to `high`: names, one row for each.

        They add up to the score, as those of one lead do. Suppressed leads are not left out.
        """
        block = self._at(low, high, microseconds(now))
        names: list[str] = []
        rows: list[NDArray[np.int64]] = []

        def add(name: str, points: NDArray[np.int64]) -> None:
            names.append(name)
            rows.append(points)

        total = np.zeros((len(block), 3), np.int64)
        for dimension, groups in self.dimensions:
            inside = np.zeros_like(total)
            for group in groups:
                sums = np.zeros_like(total)
                for rule, give in zip(group.group.rules, group.rules, strict=True):
                    given = give(block)
                    given = given[:, None] if given.ndim == 1 else given[:, :3]
                    add(rule.id, given[:, 0].astype(np.int64))
                    sums += given
                after = clipped(sums, group.group.low, group.group.high)
                add(f"limit:{group.group.id}", (after - sums)[:, 0])
                inside += after
            after = clipped(inside, dimension.low, dimension.high)
            add(f"limit:{dimension.id}", (after - inside)[:, 0])
            total += after
        scale = clipped(total, 0, TOP)
        add("limit:score", (scale - total)[:, 0])
        capped, which = self._disqualified(block, scale)
        for position, (entry, *_) in enumerate(self._disqualifiers):
            lost = np.where(which == position, capped[:, 0] - scale[:, 0], 0)
            add(f"disqualifier:{entry.id}", lost)
        return names, np.array(rows, np.int32).reshape(len(names), len(block))

    def same_block(self, block: Block) -> Block:
        """The same leads at the same time, for the rules of this scorer."""
        return Block(self._cells, self._hits, block.low, block.high, block.now)

    # -- compiling -----------------------------------------------------------------------------

    def giver(self, rule: Rule) -> Giver:
        """What a rule of this or the other rule set gives, shared where nothing differs."""
        found = self._givers.get(rule)
        if found is None:
            found = self._like.known_giver(rule, self._cells) if self._like else None
            found = found or giver(rule, self._cells, self.columns)
            self._givers[rule] = found
        return found

    def known_giver(self, rule: Rule, cells: Mapping[str, Cells]) -> Giver | None:
        """The rule's function if this scorer has one that is right for these cells."""
        same = all(cells[fact] is self._cells.get(fact) for fact in rule.facts())
        return self._givers.get(rule) if same else None

    def _group(self, group: Group, position: int) -> GroupTables:
        tables: dict[str, NDArray[np.int32]] = {}
        others: list[Giver] = []
        rules = []
        for rule in group.rules:
            fact, table = table_of(rule, self._cells)
            give = self.giver(rule)
            rules.append(give)
            if table is None:
                others.append(give)
            else:
                tables[fact] = tables[fact] + table if fact in tables else table
        wide = [(fact, table.view(np.complex128)[:, 0]) for fact, table in tables.items()]
        return GroupTables(group, position, wide, others, rules)

    def _at(self, low: int, high: int, moments: Now) -> Block:
        now = moments if isinstance(moments, int) else moments[low:high]
        return Block(self._cells, self._hits, low, high, now)

    # -- one block -----------------------------------------------------------------------------

    def group_sums(
        self, block: Block, tables: GroupTables, assumed: NDArray[np.bool_] | None = None
    ) -> Rows:
        """Points, low and high of a group before its limits (the fourth column means nothing).

        `assumed` becomes True where a rule assumed something.
        """
        sums = np.zeros((len(block), 4), np.int32)
        certain = np.zeros(len(block), np.int32)
        for fact, table in tables.tables:
            sums += np.take(table, block.codes(fact)).view(np.int32).reshape(-1, 4)
        for give in tables.others:
            add_rows(sums, certain, give(block))
        if assumed is not None:
            assumed |= sums[:, 3] > 0
        sums += certain[:, None]
        return sums

    def fill(
        self,
        block: Block,
        found: Scores,
        held: NDArray[np.int8] | None,
        group_sums: Callable[[Block, GroupTables, NDArray[np.bool_]], Rows],
    ) -> None:
        """Score a block into `found`, with the sums of groups as `group_sums` says."""
        part = slice(block.low, block.high)
        total = np.zeros((len(block), 4), np.int32)
        assumed = np.zeros(len(block), np.bool_)
        for dimension, groups in self.dimensions:
            inside = np.zeros((len(block), 4), np.int32)
            for tables in groups:
                sums = group_sums(block, tables, assumed)
                inside += clipped(sums, tables.group.low, tables.group.high)
            inside = clipped(inside, dimension.low, dimension.high)
            found.dimensions[DIMENSIONS.index(dimension.id), part] = inside[:, 0]
            total += inside
        final, which = self._disqualified(block, clipped(total, 0, TOP))
        suppressed = self._suppressed(block)
        out = suppressed != NONE
        if out.any():
            final[out] = 0
            assumed[out] = False
            which[out] = NONE
            found.dimensions[:, part][:, out] = 0
        value, low, high = (np.ascontiguousarray(column) for column in final.T[:3])
        band = self._bands.of(value, held)
        certain = (self._bands.of(low, held) == band) & (self._bands.of(high, held) == band)
        found.value[part], found.low[part], found.high[part] = value, low, high
        found.band[part] = np.where(out, NONE, band)
        found.certain[part] = certain & ~out
        found.fallback[part] = assumed
        found.suppressed[part], found.disqualified[part] = suppressed, which

    def _suppressed(self, block: Block) -> NDArray[np.int16]:
        found = np.full(len(block), NONE, np.int16)
        for position, truths in reversed(list(enumerate(self._suppressions))):
            found[truths(block) == TRUE] = position
        return found

    def _disqualified(self, block: Block, scale: Rows) -> tuple[Rows, NDArray[np.int16]]:
        which = np.full(len(block), NONE, np.int16)
        if not self._disqualifiers:
            return scale, which
        final = scale.copy()
        lowest = np.full(len(block), TOP + 1, np.int32)
        for position, (entry, truths, possible) in enumerate(self._disqualifiers):
            cap = entry.at_most
            holds, may_hold = truths(block) == TRUE, possible(block)
            which[holds & (cap < lowest)] = position
            for column, where in enumerate((holds, may_hold != FALSE, may_hold == TRUE)):
                np.minimum(final[:, column], cap, out=final[:, column], where=where)
            np.minimum(lowest, cap, out=lowest, where=holds)
        return final, which


class BandTable:
    """The bands of many scores, by asking the one function that decides about each interval."""

    def __init__(self, bands: tuple[Band, ...]) -> None:
        cuts = {band.threshold for band in bands} | {b.leave_at for b in bands if b.leave_at}
        self._cuts = np.array(sorted(cuts), np.int32)
        inside = [int(self._cuts[0]) - 1, *map(int, self._cuts)]
        names = [band.key for band in bands]
        self._table = np.array(
            [
                [names.index(band_after(bands, before, value)) for value in inside]
                for before in [*names, None]  # NONE = -1 finds the last row
            ],
            np.int8,
        )

    def of(self, values: Points, previous: NDArray[np.int8] | None = None) -> NDArray[np.int8]:
        """Positions of the bands."""
        cell = np.searchsorted(self._cuts, values, "right")
        before = NONE if previous is None else previous
        found: NDArray[np.int8] = self._table[before, cell]
        return found


def add_rows(sums: Rows, certain: Points, rows: Rows, sign: int = 1) -> None:
    """Add what a rule gives to sums: points that are certain apart, they count three times."""
    if rows.ndim == 1:
        certain += rows.astype(np.int32) if sign > 0 else -rows.astype(np.int32)
    elif sign > 0:
        sums += rows
    else:
        sums -= rows


def clipped(rows: Rows, low: int | None, high: int | None) -> Rows:
    """Rows within a limit, either side of which may be absent."""
    if low is None and high is None:
        return rows
    return np.clip(rows, low, high)
