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
    why: str = ""  # what stands in the way, said where the bar is missed


def times_faster(
    work: str, ours: float, against: str, theirs: float, bar: float | None, why: str = ""
) -> Row:
    """We are to be at least `bar` times as fast, None = no matter; seconds."""
    ratio = theirs / ours
    shown = f"{ratio:,.0f}x" if ratio >= 20 else f"{ratio:.1f}x"
    need, met = ("–", None) if bar is None else (f"at least {bar:g}x", ratio >= bar)
    return Row(work, spoken(ours), against, spoken(theirs), shown, need, met, why)


def at_most(work: str, ours: float, limit: float, why: str = "") -> Row:
    """We are to take no longer than `limit`; seconds."""
    need, met = f"at most {spoken(limit)}", ours <= limit
    return Row(work, spoken(ours), "–", "–", "–", need, met, why)


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


def reasons(rows: Iterable[Row]) -> list[str]:
    """Lines about what stands in the way of the bars that are missed."""
    missed = dict.fromkeys(row.why for row in rows if row.met is False and row.why)
    return ["Where a bar is missed:", "", *(f"- {why}" for why in missed)] if missed else []
