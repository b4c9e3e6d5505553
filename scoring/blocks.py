"""Leads taken in blocks that fit the processor's cache, with what is worked out for them once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from scoring.cells import Cell, Cells, numbers
from scoring.columns import Codes, Columns, Floats, Integers, Log
from scoring.criteria import Pattern
from scoring.hits import FOREVER, Hits, Now, Wanted, ages_at, find_hits, wanted_by

BLOCK = 65_536
THREADS = 2
T = TypeVar("T")


class Part:
    """Some neighbouring leads of the columns; always the same ones."""

    __slots__ = ("at", "counts", "high", "hits", "keeps", "kept", "last", "low")

    def __init__(self, log: Log, low: int, high: int) -> None:
        self.low, self.high = low, high
        offsets = log.offsets[low : high + 1]
        self.at: Integers = log.at[offsets[0] : offsets[-1]]
        self.counts: Integers = np.diff(offsets)
        self.last = int(self.at.max()) if len(self.at) else -FOREVER
        self.hits: dict[Pattern, Hits] = {}
        self.keeps = True
        #: What was worked out before, by who worked it out; never changed, only replaced.
        self.kept: dict[object, Any] = {}

    def shared(self) -> Part:
        """The same part for another rule set: it starts from what is known here."""
        other = object.__new__(Part)
        other.low, other.high, other.last = self.low, self.high, self.last
        other.at, other.counts, other.keeps = self.at, self.counts, self.keeps
        other.hits, other.kept = dict(self.hits), dict(self.kept)
        return other


def parts_of(
    columns: Columns, patterns: Iterable[Pattern], known: Sequence[Part] | None = None
) -> list[Part]:
    """All leads in parts, with the hits of the patterns; `known`: parts of the same columns."""
    parts = _parts(columns) if known is None else [part.shared() for part in known]
    found = parts[0].hits if parts else {}
    add_hits(parts, columns.log, wanted_by(columns.log, [p for p in patterns if p not in found]))
    return parts


def passing_parts(columns: Columns, wanted: Wanted) -> list[Part]:
    """All leads in parts that keep nothing from one time to the next."""
    parts = _parts(columns)
    add_hits(parts, columns.log, wanted)
    for part in parts:
        part.keeps = False
    return parts


def _parts(columns: Columns) -> list[Part]:
    bounds = range(0, columns.n, BLOCK)
    return [Part(columns.log, low, min(low + BLOCK, columns.n)) for low in bounds]


def add_hits(parts: Sequence[Part], log: Log, wanted: Wanted) -> None:
    """Find the hits of some patterns."""

    def find(part: Part) -> None:
        part.hits |= find_hits(log, part.low, part.high, wanted)

    if wanted:
        in_order(find, parts)


def in_order(work: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """The results of work on each item; all threads take the next one when they are free."""
    if len(items) < 2:
        return [work(item) for item in items]
    remaining = iter(enumerate(items))
    found: dict[int, T] = {}

    def take() -> None:
        for place, item in remaining:
            found[place] = work(item)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(take) for _ in range(THREADS)]:
            done.result()
    return [found[place] for place in range(len(items))]


class Block:
    """Leads of one part at their `now`, with what was already worked out for them."""

    __slots__ = ("_ages", "_cells", "_codes", "_of", "_some", "high", "low", "now", "part")

    def __init__(
        self, part: Part, cells: Mapping[str, Cells], now: Now, low: int, high: int
    ) -> None:
        self.part, self.low, self.high, self.now = part, low, high, now
        self._cells = cells
        self._codes: dict[str, Cell] = {}
        self._some: dict[Pattern, Hits] = part.hits if self.whole else {}
        self._ages: Floats | None = None
        self._of: dict[Pattern, Floats] = {}

    def __len__(self) -> int:
        return self.high - self.low

    @property
    def whole(self) -> bool:
        """Whether these are all leads of the part."""
        return len(self) == self.part.high - self.part.low

    @property
    def keeps(self) -> bool:
        """Whether what is worked out for these leads is to be kept."""
        return self.whole and self.part.keeps

    @property
    def next_at(self) -> int:
        """The first instant after `now`, the same for all, at which there is an engagement."""
        if isinstance(self.now, int) and self.part.last <= self.now:
            return FOREVER
        after = self.part.at[self.part.at > self.now]
        return int(after.min(initial=FOREVER))

    def codes(self, fact: str) -> Cell:
        """Each lead's cell of a fact."""
        found = self._codes.get(fact)
        if found is None:
            found = self._codes[fact] = self._cells[fact].codes(self.low, self.high, self.now)
        return found

    def numbers(self, fact: str) -> Floats:
        """A number of each lead; NaN where it is unknown."""
        return numbers(self._cells[fact].column, self.low, self.high, self.now)

    def hits(self, pattern: Pattern) -> Hits:
        """The leads' engagements of a pattern."""
        found = self._some.get(pattern)
        if found is None:
            low = self.part.low
            found = self.part.hits[pattern].between(self.low - low, self.high - low)
            self._some[pattern] = found
        return found

    def ages(self, pattern: Pattern) -> Floats:
        """The age of each of `hits`, in microseconds; beyond STILL_TO_COME for one after `now`."""
        found = self._of.get(pattern)
        if found is None:
            if self._ages is None:
                self._ages = ages_at(self._now_of_each(), self.part.at)
            found = self._of[pattern] = self._ages.take(self.hits(pattern).rows)
        return found

    def ages_of(self, rows: Codes) -> Floats:
        """The ages of some engagements of a part; `now` must be the same for all."""
        return ages_at(self.now, self.part.at.take(rows))

    def _now_of_each(self) -> Now:
        """`now` for each engagement of the part."""
        if isinstance(self.now, int):
            return self.now
        counts = self.part.counts
        if self.whole:
            return np.repeat(self.now, counts)
        moments = np.zeros(len(counts), np.int64)
        low = self.part.low
        moments[self.low - low : self.high - low] = self.now
        return np.repeat(moments, counts)
