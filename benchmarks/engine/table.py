"""The table of the engine's benchmarks: each line with a bar, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.measure import spoken


@dataclass(frozen=True, slots=True)
class Row:
    """One line; `met` None = there is no bar, the number is for information."""

    work: str
    ours: str
    against: str
    theirs: str
    ratio: str
    bar: str
    met: bool | None


def times_faster(work: str, ours: float, against: str, theirs: float, bar: float) -> Row:
    """We are to be at least `bar` times as fast; seconds."""
    ratio = theirs / ours
    shown = f"{ratio:,.0f}x" if ratio >= 20 else f"{ratio:.1f}x"
    met = ratio >= bar
    return Row(work, spoken(ours), against, spoken(theirs), shown, f"at least {bar:g}x", met)


def at_most(work: str, ours: float, limit: float) -> Row:
    """We are to take no longer than `limit`; seconds."""
    return Row(work, spoken(ours), "–", "–", "–", f"at most {spoken(limit)}", ours <= limit)


def markdown(rows: Iterable[Row]) -> list[str]:
    """The table's lines."""
    said = {True: "met", False: "**missed**", None: ""}
    lines = [
        "| work | ours | against | theirs | ratio | bar | |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.work} | {r.ours} | {r.against} | {r.theirs} | {r.ratio} | {r.bar} | {said[r.met]} |"
        for r in rows
    ]
    return lines
