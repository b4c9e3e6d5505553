"""Reading the bands of a rule document."""

from __future__ import annotations

import re
from itertools import pairwise

from scoring.bands import DEFAULT_BANDS, Band
from scoring.documents import Node
from scoring.rule_keys import (
    BAND_KEY,
    BAND_KEYS,
    CAPACITY_KEYS,
    MAX_BAND_LABEL,
    MAX_CAPACITY,
    MAX_DWELL_DAYS,
    MAX_LIMIT,
    SHARES,
)
from scoring.rule_reader import RuleReader


class BandReader(RuleReader):
    """Reads bands, and checks them against each other."""

    def read_bands(self, node: Node) -> tuple[Band, ...]:
        """All bands, best first."""
        before = len(self.problems)
        if not isinstance(node.value, dict) or not node.value:
            self.problem(node, "'bands' is a mapping such as 'hot: {label: Hot, from: 70}'.")
            return DEFAULT_BANDS
        found = [self._band(key, child) for key, child in node.items()]
        bands = sorted((b for b in found if b is not None), key=lambda b: -b.threshold)
        if len(self.problems) == before:
            lowest = bands[-1]
            if lowest.threshold != 0:
                self.problem(
                    node,
                    "The lowest band starts 'from: 0', so that no score is left out.",
                )
            if lowest.capacity is not None:
                message = f"The lowest band, {lowest.key}, takes all the rest: no 'capacity' here."
                self.problem(_entry(node, lowest.key, "capacity"), message)
            for band, lower in pairwise(bands):
                self._band_limits(node, band, lower)
        return tuple(bands) or DEFAULT_BANDS

    def _band(self, key: str, node: Node) -> Band | None:
        if not re.fullmatch(BAND_KEY, key):
            self.problem(node, "The name of a band is lower-case letters, digits and _.")
        entries = self.mapping(node, BAND_KEYS, "A band", ("from",))
        if entries is None or "from" not in entries:
            return None
        threshold = self.milli(entries["from"], "'from'", 0, 100)
        leave_at = (
            self.milli(entries["leave_at"], "'leave_at'", 0, 100) if "leave_at" in entries else None
        )
        label = (
            self.text(entries["label"], "'label'", MAX_BAND_LABEL) if "label" in entries else None
        )
        dwell_days = (
            self.number(entries["dwell_days"], "'dwell_days'", 0, MAX_DWELL_DAYS)
            if "dwell_days" in entries
            else None
        )
        capacity, per_owner = (
            self._capacity(entries["capacity"]) if "capacity" in entries else (None, False)
        )
        if threshold is None:
            return None
        label = label or key.replace("_", " ").capitalize()
        return Band(key, label, threshold, leave_at, dwell_days, capacity, per_owner)

    def _capacity(self, node: Node) -> tuple[int | None, bool]:
        """How many a week, and whether each owner has so much."""
        if not isinstance(node.value, dict):
            message = "'capacity' is a mapping such as '{per_week: 40}': new leads within 7 days."
            self.problem(node, message)
            return None, False
        entries = self.mapping(node, CAPACITY_KEYS, "'capacity'", ("per_week",))
        if not entries or "per_week" not in entries:
            return None, False
        share = entries.get("per")
        if share is not None and share.value not in SHARES:
            self.unknown(share, share.text, "share of a capacity", SHARES)
        return self.whole(entries["per_week"], "'per_week'", 1, MAX_CAPACITY), share is not None

    def _band_limits(self, node: Node, band: Band, lower: Band) -> None:
        if band.threshold == lower.threshold:
            self.problem(node, f"The bands {band.key} and {lower.key} start at the same score.")
        leave_at = band.leave_at
        if leave_at is not None and not lower.threshold < leave_at <= band.threshold:
            message = f"'leave_at' of {band.key} is above the start of {lower.key}, up to its own."
            self.problem(_entry(node, band.key, "leave_at"), message)

    def milli(self, node: Node, what: str, low: float, high: float) -> int | None:
        """A number from `low` to `high` as milli-points."""
        return (
            None
            if self.number(node, what, low, high) is None
            else self.points(node, what, MAX_LIMIT)
        )


def _entry(node: Node, *keys: str) -> Node:
    """The node found by going down these keys, which are there."""
    for key in keys:
        node = dict(node.items())[key]
    return node
