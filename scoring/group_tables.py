"""The rules of a group over many leads: added up where they read the same fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scoring.blocks import Block
from scoring.fading import Sparse
from scoring.givers import FactTable, Giver, Rows
from scoring.rule_set import Group


class Tables:
    """Some rules of a group, added up where they read the same fact."""

    __slots__ = ("_number", "others", "tables")

    def __init__(
        self,
        tables: list[tuple[str, FactTable]],
        others: list[Giver],
        number: type[np.integer[Any]],
    ) -> None:
        self.tables, self.others, self._number = tables, others, number

    def rows(self, block: Block) -> Rows:
        """The rules' points, lows, highs, and how many assumed something."""
        sums = np.zeros((4, len(block)), self._number)
        for fact, table in self.tables:
            sums += table.rows(block.codes(fact))
        add(sums, [give(block) for give in self.others])
        return sums

    def __bool__(self) -> bool:
        return bool(self.tables or self.others)


class GroupTables:
    """One group compiled."""

    __slots__ = ("group", "lasting", "passing", "position", "rules")

    def __init__(
        self, group: Group, position: int, lasting: Tables, passing: Tables, rules: list[Giver]
    ) -> None:
        self.group, self.position = group, position  # among all groups
        self.lasting = lasting  # of rules that give the same at any time
        self.passing = passing
        self.rules = rules  # every rule by itself, in order


def add(sums: Rows, given: Sequence[Rows | Sparse]) -> None:
    """Add what rules give to sums; points that are certain count three times."""
    certain = None
    for rows in given:
        if not isinstance(rows, Sparse):
            sums += rows
            continue
        if certain is None:
            certain = np.zeros(sums.shape[1], sums.dtype)
        if len(rows.who) == len(certain):
            certain += rows.points
        else:
            certain[rows.who] += rows.points
    if certain is not None:
        sums[:3] += certain


def clipped(rows: Rows, low: int | None, high: int | None) -> Rows:
    """Rows within a limit, either side of which may be absent."""
    if low is None and high is None:
        return rows
    kind, ends = rows.dtype.type, np.iinfo(rows.dtype)
    # one call with both limits, of the rows' own type, is many times faster than any other way
    found: Rows = rows.clip(
        kind(ends.min if low is None else low), kind(ends.max if high is None else high)
    )
    return found
